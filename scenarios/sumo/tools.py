"""Finds SUMO: the module libsumo and the program netconvert, as the packages of the extra [sumo] install them."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

from pipeline.errors import MissingExtra

QUIET = "LIBSUMO_AS_TRACI"
HINT = "pip install 'skylane[sumo]'"


def libsumo() -> ModuleType:
    """The module. Raises MissingExtra."""
    home = sumo_home()
    if home is not None:
        os.environ.setdefault("SUMO_HOME", str(home))
    # Without this it prints a warning about pyarrow, of which nothing here makes use.
    before = os.environ.get(QUIET)
    os.environ[QUIET] = "quiet"
    try:
        return importlib.import_module("libsumo")
    except ImportError as error:
        raise MissingExtra(f"traffic: sumo needs libsumo ({error})", where="world", hint=HINT) from None
    finally:
        if before is None:
            del os.environ[QUIET]
        else:
            os.environ[QUIET] = before


@functools.cache
def sumo_home() -> Path | None:
    """The folder that has ``bin/netconvert``: of the package eclipse-sumo, else $SUMO_HOME; None for neither."""
    spec = importlib.util.find_spec("sumo")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec is not None else []
    if os.environ.get("SUMO_HOME"):
        folders.append(Path(os.environ["SUMO_HOME"]))
    for folder in folders:
        if any((folder / "bin" / name).is_file() for name in ("netconvert", "netconvert.exe")):
            return folder
    return None


def netconvert() -> Path:
    """The program that makes a network of a map. Raises MissingExtra."""
    home = sumo_home()
    found = shutil.which("netconvert", path=str(home / "bin")) if home is not None else None
    found = found or shutil.which("netconvert")
    if found is None:
        raise MissingExtra("traffic: sumo needs netconvert, of the package eclipse-sumo", where="world", hint=HINT)
    return Path(found)
