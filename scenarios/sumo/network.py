"""A map's OpenDRIVE file as a SUMO network, in the map's own coordinates, kept in the user's cache folder.

Decides how netconvert is called and where its result is kept; ``shapes`` puts its lanes where the map has them.
"""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import scenarios.maps
from operators.maps import RoadMap
from pipeline.errors import SkylaneError, UsageError
from scenarios.maps import NAMES, shipped
from scenarios.sumo.shapes import align
from scenarios.sumo.stop_lines import cut_at_lines
from scenarios.sumo.tools import HINT, netconvert, sumo_home

FORMAT = 4
"""Goes up when what is done to networks changes, so that none is taken from an older version."""
OPTIONS = (
    "--offset.disable-normalization", "--opendrive.internal-shapes", "--opendrive.curve-resolution", "0.5",
    "--no-turnarounds", "--precision", "4", "--output.original-names", "--no-warnings", "--xml-validation", "never",
)  # fmt: skip
LONGEST_S = 300.0


class ConversionFailed(SkylaneError):
    """netconvert made no network of a map, or not one of that map."""


def network_of(map_name: str) -> Path:
    """The network of a shipped map or an OpenDRIVE file; converted once per content.

    Raises UsageError (MapError) for a map that cannot be read, MissingExtra, ConversionFailed.
    """
    map_ = shipped(map_name)
    return _network(map_, file_of(map_name))


def file_of(map_name: str) -> Path:
    """The OpenDRIVE file of a map."""
    return Path(scenarios.maps.__file__).parent / f"{map_name}.xodr" if map_name in NAMES else Path(map_name)


@functools.lru_cache(maxsize=16)
def _network(map_: RoadMap, file: Path) -> Path:
    program = netconvert()
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error}", where=str(file), hint="traffic: sumo needs the map's file"
        ) from None
    made = f"{FORMAT} {program} {program.stat().st_size} {' '.join(OPTIONS)}"
    digest = hashlib.sha256(content + made.encode()).hexdigest()[:24]
    folder = cache_folder()
    kept = folder / f"{digest}.net.xml"
    if not kept.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as work:
            made_file = _converted(program, file, Path(work))
            root = ElementTree.parse(made_file).getroot()
            if align(root, map_) == 0:
                raise ConversionFailed(
                    "no lane of SUMO's network is one of the map's", where=map_.name, hint="use the built-in traffic"
                )
            cut_at_lines(root, map_)
            ElementTree.ElementTree(root).write(made_file, encoding="utf-8", xml_declaration=True)
            os.replace(made_file, kept)
    return kept


def cache_folder() -> Path:
    """Where networks are kept; a temporary folder where the user's cache cannot be written."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skylane" / "sumo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return _temporary_folder()


@functools.cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="skylane-sumo-"))


def _converted(program: Path, file: Path, work: Path) -> Path:
    made = work / "map.net.xml"
    home = sumo_home()
    environment = {**os.environ, "SUMO_HOME": str(home)} if home is not None else dict(os.environ)
    command = [str(program), "--opendrive-files", str(file.resolve()), "-o", str(made), *OPTIONS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise ConversionFailed(
            f"netconvert took longer than {LONGEST_S:.0f} s", where=file.name, hint="use a smaller map"
        ) from None
    except OSError as error:
        raise ConversionFailed(f"netconvert cannot be run: {error}", where=str(program), hint=HINT) from None
    if done.returncode != 0 or not made.is_file():
        said = next((line for line in done.stderr.splitlines() if line.startswith("Error")), done.stderr.strip()[:200])
        raise ConversionFailed(f"netconvert refused the map: {said}", where=file.name, hint="use the built-in traffic")
    return made
