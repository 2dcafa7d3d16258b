"""The dev-only oracles behind one call each: faster-coco-eval and TrackEval, with what they need to start at all.

TrackEval brings another OpenCV along, so it is not among the development packages; what it said of a few drives stands
in ``trackeval_reference.json``. To write that anew: ``pip install --no-deps trackeval`` and
``python -m tests.metrics.oracles``.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.metrics.frames import Objects, areas
from scenarios.metrics.tracking import Instant

REFERENCE = Path(__file__).with_name("trackeval_reference.json")


def coco(scenes: Sequence[tuple[Objects, Objects]], label: int) -> list[float]:
    """The twelve figures of faster-coco-eval for one class; -1 where nothing was to be found."""
    evaluator = pytest.importorskip("faster_coco_eval", reason="faster-coco-eval, the oracle, is not installed")
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for picture, (true, said) in enumerate(scenes, 1):
        for box, kind, crowd, size in zip(true.boxes, true.labels, true.crowd, areas(true.boxes), strict=True):
            row = {"bbox": sides(box), "category_id": int(kind) + 1, "iscrowd": int(crowd), "area": float(size)}
            truth.append({"id": len(truth) + 1, "image_id": picture, **row})
        for box, kind, score in zip(said.boxes, said.labels, said.scores, strict=True):
            found.append({"image_id": picture, "bbox": sides(box), "category_id": int(kind) + 1, "score": float(score)})
    kinds = [{"id": i, "name": str(i)} for i in (1, 2, 3)]
    pictures = [{"id": i, "width": 1000, "height": 1000} for i in range(1, len(scenes) + 1)]
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = evaluator.COCO({"images": pictures, "annotations": truth, "categories": kinds})
        judge = evaluator.COCOeval_faster(dataset, dataset.loadRes(found), "bbox", print_function=lambda *_: None)
        judge.params.catIds = [label + 1]
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [float(value) for value in judge.stats[:12]]


def sides(box: Any) -> list[float]:
    """x, y, width, height."""
    return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]


def trackeval(instants: Sequence[Instant]) -> dict[str, float]:
    """CLEAR, identity and HOTA of TrackEval, lists averaged over alpha."""
    for name, kind in (("float", float), ("int", int), ("bool", bool)):
        if name not in np.__dict__:  # aliases that NumPy dropped and TrackEval's older releases use
            setattr(np, name, kind)
    with contextlib.redirect_stdout(io.StringIO()):
        oracle = pytest.importorskip("trackeval", reason="TrackEval, the oracle, is not installed")
        metrics = oracle.metrics
        judges = [metrics.CLEAR({"PRINT_CONFIG": False}), metrics.Identity({"PRINT_CONFIG": False}), metrics.HOTA()]
        true, said = (np.unique(np.concatenate([i[k] for i in instants])) for k in (0, 1))
        data = {
            "num_timesteps": len(instants),
            "num_gt_ids": len(true),
            "num_tracker_ids": len(said),
            "num_gt_dets": sum(len(i.true) for i in instants),
            "num_tracker_dets": sum(len(i.tracked) for i in instants),
            "gt_ids": [np.searchsorted(true, i.true) for i in instants],
            "tracker_ids": [np.searchsorted(said, i.tracked) for i in instants],
            "similarity_scores": [i.similarity for i in instants],
        }
        found: dict[str, Any] = {}
        for judge in judges:
            found |= judge.eval_sequence(data)
    return {name: float(np.mean(value)) for name, value in found.items()}


def drives(seed: int, *, instants: int = 30, empty: float = 0.1) -> list[Instant]:
    """Random overlaps with a leaning towards the right one, gaps, false tracks and changing identities."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(12)
    made = []
    for _ in range(instants):
        true = np.flatnonzero(rng.random(6) < (0.0 if rng.random() < empty else 0.8))
        if rng.random() < 0.15:
            names = rng.permutation(names)
        said = np.array([], np.int64) if rng.random() < empty else names[: int(rng.integers(1, 9))]
        similarity = rng.random((len(true), len(said))) * 0.6
        for row, who in enumerate(true):
            similarity[row, np.flatnonzero(said == names[who])] = rng.uniform(0.3, 1.0)
        made.append(Instant(true, said, similarity.round(3)))
    return made


def reference() -> list[tuple[list[Instant], dict[str, float]]]:
    """Drives, and what TrackEval said of each."""
    cases = json.loads(REFERENCE.read_text("utf-8"))["cases"]
    return [([_instant(*row) for row in case["instants"]], case["said"]) for case in cases]


def _instant(true: list[int], tracked: list[int], similarity: list[list[float]]) -> Instant:
    shape = (len(true), len(tracked))
    return Instant(np.array(true, np.int64), np.array(tracked, np.int64), np.array(similarity, float).reshape(shape))


def write_reference() -> None:
    """Ask TrackEval anew."""
    cases = []
    for seed, empty in ((101, 0.0), (102, 0.0), (103, 0.2), (104, 0.3)):
        made = drives(seed, instants=15, empty=empty)
        rows = [[i.true.tolist(), i.tracked.tolist(), i.similarity.tolist()] for i in made]
        cases.append({"instants": rows, "said": trackeval(made)})
    about = "Random drives and what TrackEval 1.3.0 says of each; lists averaged over alpha."
    REFERENCE.write_text(json.dumps({"about": about, "cases": cases}) + "\n", "utf-8")


if __name__ == "__main__":
    write_reference()
