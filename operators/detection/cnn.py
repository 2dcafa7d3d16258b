"""The trained detectors as an operator: for every picture the largest model that still fits the time left.

Decides which model runs. What a model finds is ``TorchDetector``'s business; when the time is over, the deadline's.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from operators.detection.base import PictureDetector, checked_frame
from operators.messages import CameraFrame, Detections
from operators.models.cards import SIZES, WEIGHTS_DIR, read_card
from pipeline.definition import Context, Operator
from pipeline.errors import MissingExtra, UsageError
from pipeline.ports import Input, Output, keep_last
from pipeline.timestamps import Duration


class CnnDetector(Operator):
    """Finds pedestrians and vehicles in every picture, better when there is more time.

    Of ``sizes`` the largest runs whose 99th percentile fits ``ctx.remaining()``; the percentile is the latency
    profile's, or the model card's where the profile has none. If none fits, the smallest runs: an answer that may be
    late beats none. The work is named after the size.

    Ports: ``frame`` in, ``detections`` out.

    Args:
        sizes: models to choose from, in any order.
        weights: a folder with weights files and their ``cards.json``; empty for the shipped ones.
        threads: of torch, per picture.

    Raises UsageError for sizes that do not exist, ModelFileError for a bad file, InvalidFrame for a picture that is
    empty or not uint8 RGB.
    """

    frame = Input(CameraFrame, queue=keep_last(1))
    detections = Output(Detections)

    def __init__(self, *, sizes: list[str], weights: str = "", threads: int = 1) -> None:
        unknown = [size for size in sizes if size not in SIZES]
        if unknown or not sizes:
            wrong = f"there is no detector size {unknown[0]!r}" if unknown else "no detector size is given"
            raise UsageError(wrong, where="sizes", hint=f"choose from: {', '.join(SIZES)}")
        self.sizes = tuple(size for size in SIZES if size in sizes)
        folder = Path(weights) if weights else WEIGHTS_DIR
        self.detectors = _loaded(self.sizes, folder, threads)
        self.measured = {size: Duration(round(read_card(size, folder).latency.p99_ms * 1e6)) for size in self.sizes}

    def warm_up(self) -> None:
        for detector in self.detectors.values():
            detector.warm_up()

    def on_watermark(self, ctx: Context) -> Detections:
        frame = ctx[self.frame]
        rgb = checked_frame(frame.rgb, where=f"{self.frame} at t={ctx.t}")
        size = self.chosen(ctx)
        ctx.work(size)
        return Detections(items=self.detectors[size].detect(rgb), model=size, frame_id=frame.camera.frame_id)

    def chosen(self, ctx: Context) -> str:
        """The largest size expected to answer in the time left, else the smallest."""
        remaining = ctx.remaining()
        fitting = [size for size in self.sizes if (ctx.expected(size) or self.measured[size]) <= remaining]
        return (fitting or self.sizes[:1])[-1]


def _loaded(sizes: Iterable[str], folder: Path, threads: int) -> dict[str, PictureDetector]:
    try:
        from operators.detection.torch_detector import TorchDetector
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"the trained detectors need {error.name}, which is not installed", hint="pip install 'skylane[models]'"
        ) from None
    return {size: TorchDetector(size, weights=folder / f"{size}.safetensors", threads=threads) for size in sizes}
