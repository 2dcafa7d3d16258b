"""``skylane bench``: run a benchmark that a package brings, and say on what machine the figures were taken."""

from __future__ import annotations

import inspect
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.construction import construct
from pipeline.errors import InvalidLaunchFile, UsageError
from pipeline.launchfile import Problems
from pipeline.located import FieldPath, Located, read_value
from pipeline.registry import BENCHMARKS, find, installed


def run_benchmark(name: str | None, overrides: Sequence[str], *, as_json: bool, flags: Sequence[str] = ()) -> None:
    """Run the benchmark ``name`` with ``key=value`` arguments and print its figures; without a name list them all.

    ``flags``: arguments that are true, such as ``quick``, for a benchmark that has them.
    """
    if name is None:
        _list(as_json=as_json)
        return
    benchmark = find(BENCHMARKS, name, "benchmark")
    arguments: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise UsageError("is not key=value", where=f"-o {override}")
        arguments[key] = read_value(text)
    places: dict[FieldPath, str] = {(key,): f"-o {key}={value}" for key, value in arguments.items()}
    places.update({(key,): f"--{key}" for key in flags})
    arguments |= dict.fromkeys(flags, True)
    problems = Problems(Located(None, places))
    figures = construct(benchmark, arguments, {"timer_ns": time.perf_counter_ns}, (), problems)
    problems.raise_any()
    if not isinstance(figures, dict):
        raise InvalidLaunchFile(f"benchmark {name!r} gave {type(figures).__name__}, not figures")
    figures = {"name": name, **figures, **machine()}
    if as_json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
    else:
        _print(figures)


def machine() -> dict[str, Any]:
    """What figures were taken on: they mean nothing without it."""
    return {
        "cpu": cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def cpu() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _list(*, as_json: bool) -> None:
    points = installed(BENCHMARKS)
    if as_json:
        print(json.dumps(sorted(points)))
        return
    for name in sorted(points):
        described = inspect.getdoc(find(BENCHMARKS, name, "benchmark")) or ""
        print(f"{name:<16} {described.splitlines()[0] if described else ''}")


def _print(figures: dict[str, Any], indent: str = "") -> None:
    for key, value in figures.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            _print(value, indent + "  ")
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            print(f"{indent}{key}")
            for row in value:
                print(f"{indent}  {' | '.join(f'{name}: {_inline(cell)}' for name, cell in row.items())}")
        else:
            print(f"{indent}{key:<32} {value:,.4g}" if isinstance(value, float) else f"{indent}{key:<32} {value}")


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_inline(cell)}" for name, cell in value.items())
    return str(value) if not isinstance(value, bool) else "yes" if value else "no"
