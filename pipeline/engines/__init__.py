"""What runs a graph: on virtual time, in threads, over processes, over hosts, on ERDOS. All host the same stages."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from pipeline.errors import MissingExtra

if TYPE_CHECKING:
    from pipeline.settings import Settings


def require(settings: Settings) -> None:
    """Raise MissingExtra where what the settings ask for is not installed."""
    if settings.engine == "erdos":
        from pipeline.engines.erdos.engine import require_erdos

        require_erdos()
    needs = {"iceoryx2": "live"} if settings.engine == "processes" and not settings.hosts else {}
    needs |= {"zenoh": "hosts"} if settings.hosts and settings.engine != "virtual" else {}
    for module, extra in needs.items():
        if importlib.util.find_spec(module) is None:
            what = "more than one host" if module == "zenoh" else f"engine {settings.engine}"
            raise MissingExtra(f"{what} needs {module}", hint=f"pip install 'skylane[{extra}]'")
