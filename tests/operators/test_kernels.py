"""Compiled code that is kept on disk is that of the functions as they stand."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from operators.geometry.kernels import stamp_of

CALLER = """
from operators.geometry.kernels import kernel
from callee import grown

@kernel
def doubled(x):
    return 2.0 * grown(x)
"""
CALLEE = """
from operators.geometry.kernels import kernel

STEP = {step}

@kernel
def grown(x):
    return x + STEP{more}
"""


def module(text: str) -> ModuleType:
    made = ModuleType("made")
    exec(textwrap.dedent(text), made.__dict__)
    return made


def test_the_stamp_is_that_of_the_function_what_it_calls_and_their_constants() -> None:
    text = "STEP = 1.0\ndef inner(x):\n    return x + STEP\ndef outer(x):\n    return 2.0 * inner(x)\n"
    stamp = stamp_of(module(text).outer)
    assert stamp == stamp_of(module("# a remark\n" + text).outer)
    for before, after in (("STEP = 1.0", "STEP = 2.0"), ("x + STEP", "x - STEP"), ("2.0 *", "3.0 *")):
        assert stamp_of(module(text.replace(before, after)).outer) != stamp
    later = module("def outer(x):\n    return 2.0 * inner(x)\nSTEP = 1.0\ndef inner(x):\n    return x + STEP\n")
    assert stamp_of(later.outer) == stamp


def test_the_stamp_sees_constants_in_arrays_and_functions_that_call_themselves() -> None:
    made = module(
        "import numpy as np\nTABLE = np.arange(3.0)\ndef again(k):\n    return again(k - 1) if k else TABLE\n"
    )
    stamp = stamp_of(made.again)
    made.TABLE[1] = 7.0
    assert stamp_of(made.again) != stamp
    assert np.array_equal(made.TABLE, [0.0, 7.0, 2.0])


@pytest.mark.real
def test_a_callee_that_has_changed_in_another_file_is_compiled_again(tmp_path: Path) -> None:
    def result(step: float, more: str = "") -> float:
        (tmp_path / "caller.py").write_text(CALLER)
        (tmp_path / "callee.py").write_text(CALLEE.format(step=step, more=more))
        root = Path(__file__).parents[2]
        code = (
            f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]; import caller; print(caller.doubled(1.0))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
        return float(done.stdout)

    assert result(1.0) == 4.0
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "__pycache__").glob("caller*.nbc")}
    assert result(1.0) == 4.0
    assert kept == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "__pycache__").glob("caller*.nbc")}
    assert result(2.0) == 6.0
    assert result(2.0, " * 2.0") == 10.0
