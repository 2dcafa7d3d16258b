"""A small launch file over the operators of ``toys``, and ways to change it and to call the command."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline import cli
from pipeline.launchfile import LaunchFile, resolve

TOY = """\
name: toy
duration: 500ms
world: {use: "toys:Room", seats: 2}
operators:
  count:
    use: toys:Counter
    args: {upto: 30}
  scale:
    use: toys:Scale
    args: {factor: 3}
    inputs: {value: count.count}
    deadline: 8ms
  table:
    use: toys:Table
    inputs: {value: scale.scaled}
"""


def changed(old: str, new: str) -> LaunchFile:
    assert old in TOY
    Path("toy.yaml").write_text(TOY.replace(old, new))
    return resolve("toy.yaml")


def line_of(text: str) -> int:
    return next(i for i, line in enumerate(Path("toy.yaml").read_text().splitlines(), 1) if text in line)


def skylane(*arguments: str) -> int:
    """Call the command in this process; its exit code."""
    before = list(sys.path)
    try:
        cli.main(list(arguments))
    except SystemExit as done:
        return int(done.code or 0)
    finally:
        sys.path[:] = before
    return 0
