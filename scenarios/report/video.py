"""The video of a run: all variants side by side on one clock, made from their logs. Decides layout and encoding."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import MissingExtra, RecordingFailed
from pipeline.report.panels import RunData
from scenarios.report.drive import SECOND, Drive, read_drive

if TYPE_CHECKING:
    from scenarios.report.drawing import Picture

TITLE_PX = 36
TILE_WIDTH_PX, TILE_HEIGHT_PX = 640, 360
HOLD_NS = SECOND
BLINK_NS = SECOND // 5
ENCODERS = ("libopenh264", "libx264")
QUALITY: dict[str, dict[str, str]] = {
    "libopenh264": {},
    "libx264": {"crf": "25", "preset": "superfast"},
}
BIT_RATE = 5_000_000
"""For the encoder that knows no constant quality."""


def write_video(runs: list[RunData], path: Path, fps: int = 20) -> Path | None:
    """``record_video`` of the runs' drives; None when none of them has pictures."""
    return record_video([drive for drive in map(read_drive, runs) if drive], path, fps, title=_title(runs))


def record_video(drives: list[Drive], path: Path, fps: int = 20, *, title: str = "") -> Path | None:
    """Write an MP4 (H.264, yuv420p, index first) of the drives that have pictures, 640 × 360 px each, and its path.

    One clock for all; who has arrived or hit somebody stands still, and the last second is held. Raises MissingExtra
    without OpenCV, PyAV or an H.264 encoder, RecordingFailed when the file cannot be written.
    """
    shown = [drive for drive in drives if drive.pictures]
    if not shown:
        return None
    av, codec = _encoder()
    rows, columns = _grid(len(shown))
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as file:
            stream = file.add_stream(codec, rate=fps, options=QUALITY[codec])
            stream.width, stream.height = columns * TILE_WIDTH_PX, rows * TILE_HEIGHT_PX + TITLE_PX
            stream.pix_fmt = "yuv420p"
            if not QUALITY[codec]:
                stream.bit_rate = BIT_RATE
            for picture in frames(shown, fps, title=title):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            file.mux(stream.encode())
    except OSError as error:
        raise RecordingFailed(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    return path


def frames(drives: list[Drive], fps: int, *, title: str = "") -> Iterator[Picture]:
    """The pictures of the video, BGR. The array is reused: copy what is to be kept."""
    import cv2
    import numpy as np

    from scenarios.report.drawing import DARK
    from scenarios.report.overlay import draw

    rows, columns = _grid(len(drives))
    canvas = np.full((rows * TILE_HEIGHT_PX + TITLE_PX, columns * TILE_WIDTH_PX, 3), DARK, np.uint8)
    finished = [False] * len(drives)
    end = max(drive.end_ns for drive in drives)
    for k in range(ceil((end + HOLD_NS) * fps / SECOND)):
        now = k * SECOND // fps
        _title_strip(canvas, drives, min(now, end), title)
        for i, drive in enumerate(drives):
            if finished[i]:
                continue
            tile = draw(drive, now, blink=now // BLINK_NS % 2 == 0)
            if tile.shape[:2] != (TILE_HEIGHT_PX, TILE_WIDTH_PX):
                tile = np.asarray(
                    cv2.resize(tile, (TILE_WIDTH_PX, TILE_HEIGHT_PX), interpolation=cv2.INTER_AREA), np.uint8
                )
            y, x = TITLE_PX + i // columns * TILE_HEIGHT_PX, i % columns * TILE_WIDTH_PX
            canvas[y : y + TILE_HEIGHT_PX, x : x + TILE_WIDTH_PX] = tile
            finished[i] = now >= drive.end_ns
        for x in range(TILE_WIDTH_PX, canvas.shape[1], TILE_WIDTH_PX):
            canvas[TITLE_PX:, x - 1 : x + 1] = DARK
        for y in range(TITLE_PX + TILE_HEIGHT_PX, canvas.shape[0], TILE_HEIGHT_PX):
            canvas[y - 1 : y + 1] = DARK
        yield canvas


def _title_strip(canvas: Picture, drives: list[Drive], now: int, title: str) -> None:
    from scenarios.report.drawing import DARK, DIM, WHITE, plate, text_width, write
    from scenarios.report.overlay import MODEL_COLOURS

    canvas[:TITLE_PX] = DARK
    clock = f"{now / SECOND:5.2f} s"
    write(canvas, clock, canvas.shape[1] - 12 - text_width(clock, 17, bold=True), 24, 17, WHITE, bold=True)
    x = canvas.shape[1] - 84
    answered = {message.value["model"].partition(".")[0] for drive in drives for message in drive.detections.items}
    for name in reversed([name for name in MODEL_COLOURS if name in answered]):
        x -= text_width(name, 13) + 34
        plate(canvas, x, 13, x + 11, 24, MODEL_COLOURS[name], 1.0)
        write(canvas, name, x + 17, 24, 13, DIM)
    if text_width(title, 16) < x - 24:
        write(canvas, title, 12, 24, 16, WHITE)


def _grid(count: int) -> tuple[int, int]:
    columns = ceil(sqrt(count))
    return ceil(count / columns), columns


def _title(runs: list[RunData]) -> str:
    return next((str(run.result["title"]) for run in runs if run.result.get("title")), "")


def _encoder() -> tuple[Any, str]:
    missing = [
        package for module, package in (("cv2", "opencv-python-headless"), ("av", "av")) if not find_spec(module)
    ]
    if missing:
        raise MissingExtra(f"a video needs {' and '.join(missing)}", hint="pip install 'skylane[world]'")
    import av

    codec = next((name for name in ENCODERS if name in av.codecs_available), None)
    if codec is None:
        hint = "install a build of PyAV that has one: pip install --only-binary av av"
        raise MissingExtra(f"this PyAV has none of the encoders {', '.join(ENCODERS)}", hint=hint)
    return av, codec
