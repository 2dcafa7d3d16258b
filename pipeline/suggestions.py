"""What to say after "there is no such name": the nearest known one, or the whole choice."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known name that ``word`` was probably meant to be, or nothing."""
    return difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)


def suggest(word: str, known: Iterable[str], label: str = "there is") -> str:
    """``did you mean 'detect'?``, or the whole choice when nothing comes near."""
    choice = sorted(known)
    near = nearest(word, choice)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"{label} {', '.join(choice)}" if choice else ""
