"""Rows on disk: one JSON line for every finished run as it comes, and a Parquet table of what the suite asks for.

A line that was cut off by a crash is left out and its run repeated; nothing else is ever lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from pipeline.errors import MissingExtra, RecordingFailed
from scenarios.sweeps.driving import Row

ROWS = "rows.jsonl"
TABLE = "results.parquet"
_HINT = "free space or choose another folder with --out"


class Store:
    """The rows in a sweep's folder, by key. Nothing is written before the first row is added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, Row] = {}
        self._path = folder / ROWS
        self._file: IO[bytes] | None = None
        try:
            self._whole = self._read()
        except OSError as error:
            raise _failure(self._path, error) from error

    def add(self, row: Row) -> None:
        """Keep a row, so that a crash right after does not lose it. A row of the same key replaces an older one."""
        self.rows[row["key"]] = row
        try:
            if self._file is None:
                self._file = self._opened()
            self._file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _failure(self._path, error) from error

    def close(self) -> None:
        """Close the file; may be called again."""
        if self._file is not None:
            self._whole = self._file.tell()
            self._file.close()
            self._file = None

    def _opened(self) -> IO[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._path.open("ab")
        file.truncate(self._whole)
        return file

    def _read(self) -> int:
        """Take in the rows that are there; how many bytes of the file are whole lines."""
        whole = 0
        if not self._path.exists():
            return whole
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                with suppress(ValueError, KeyError, TypeError):
                    row = json.loads(line)
                    self.rows[row["key"]] = row
        return whole


def write_table(rows: Sequence[Row], path: Path) -> Path:
    """Write the rows as Parquet: parameters and lists as JSON text, one column for each figure that any row has.

    Raises MissingExtra without pyarrow, RecordingFailed when the file cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        what = f"Parquet needs {error.name}, which is not installed"
        raise MissingExtra(what, hint="pip install 'skylane[sweeps]'") from None
    columns: dict[str, list[Any]] = {name: [] for name in _names(rows)}
    for row in rows:
        for name, values in columns.items():
            values.append(_cell(row.get(name)))
    table = pyarrow.table({name: pyarrow.array(_alike(values)) for name, values in columns.items()})
    partial = path.with_name(f".{path.name}.partial")
    try:
        parquet.write_table(table, partial, compression="zstd")
        partial.replace(path)
    except OSError as error:
        raise _failure(path, error) from error
    return path


def _failure(path: Path, error: OSError) -> RecordingFailed:
    return RecordingFailed(f"cannot be written: {error.strerror or error}", where=str(path), hint=_HINT)


def _names(rows: Iterable[Row]) -> dict[str, None]:
    return {name: None for row in rows for name in row}


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, (dict, list, tuple)) else value


def _alike(values: list[Any]) -> list[Any]:
    """Numbers of a column that has both kinds as floats; text if it has anything else as well."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    if len(kinds) > 1:
        return [None if value is None else str(value) for value in values]
    return values
