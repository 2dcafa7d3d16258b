"""What perception was worth in one drive: detection, tracking and prediction in their sync, timely and decay forms.

Turns messages into the arrays that the metrics take; defines none of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from operators.geometry.boxes import box_array
from operators.messages import LABELS, Box, Detections, Predictions, Tracks
from scenarios.metrics.detection import mean_precision, precision
from scenarios.metrics.frames import Bools, Floats, Ints, Objects, Pair, answered, objects
from scenarios.metrics.journal import Path
from scenarios.metrics.prediction import aged, displacement
from scenarios.metrics.streaming import Answer, Truth, decay, sync, timely
from scenarios.metrics.tracking import clear, hota, identity, similarities

TOLERANCE_NS = 25_000_000
"""By how much a picture and the line in the journal that it is held against may lie apart."""
SAME_M = 3.0
"""A predicted obstacle is the true road user of its class that was nearest to it, within this distance."""


class Said(NamedTuple):
    """A message as it was committed; ``origin``: time of the measurement that it rests on, ns."""

    t: int
    at: int
    origin: int
    value: Any


class DetectionForm(msgspec.Struct, frozen=True):
    """COCO's figures, means over classes; None where nothing was to be found."""

    ap: float
    ap_50: float
    ap_75: float
    ar_100: float
    by_class: dict[str, float]
    """AP at IoU .5:.95."""
    instants: int


class TrackingForm(msgspec.Struct, frozen=True):
    """Of both classes together."""

    mota: float
    motp: float
    idf1: float
    hota: float
    det_a: float
    ass_a: float
    false_positives: int
    false_negatives: int
    switches: int
    mostly_tracked: int
    mostly_lost: int
    fragmentations: int
    instants: int


class PredictionForm(msgspec.Struct, frozen=True):
    """Over all road users and instants."""

    ade_m: float
    fde_m: float
    min_ade_m: float
    min_fde_m: float
    miss_rate: float
    predictions: int


class DetectionForms(msgspec.Struct, frozen=True):
    """``sync``: as if answers took no time; ``timely``: what was known at every instant; ``decay``: the truth, as old
    as the answers typically are.
    """

    sync: DetectionForm
    timely: DetectionForm
    decay: DetectionForm
    latency_ms: float
    """Median age of the answers when they came out."""


class TrackingForms(msgspec.Struct, frozen=True):
    """See ``DetectionForms``."""

    sync: TrackingForm
    timely: TrackingForm
    decay: TrackingForm
    latency_ms: float


class PredictionForms(msgspec.Struct, frozen=True):
    """``sync``: from the instant that a prediction is about; ``timely``: at every instant over the whole horizon from
    then on, whatever the newest prediction's age.
    """

    sync: PredictionForm
    timely: PredictionForm
    latency_ms: float


def judge_detections(said: Sequence[Said], truths: Sequence[Truth[Objects]]) -> DetectionForms | None:
    """None if nobody detected anything, or nothing is known of the truth."""
    paired = _paired([m for m in said if isinstance(m.value, Detections)], truths)
    if paired is None:
        return None
    return DetectionForms(
        _detection(paired.sync), _detection(paired.timely), _detection(paired.decay), paired.latency_ms
    )


def judge_tracks(said: Sequence[Said], truths: Sequence[Truth[Objects]]) -> TrackingForms | None:
    """None if nobody tracked anything, or nothing is known of the truth."""
    paired = _paired([m for m in said if isinstance(m.value, Tracks)], truths)
    if paired is None:
        return None
    return TrackingForms(_tracking(paired.sync), _tracking(paired.timely), _tracking(paired.decay), paired.latency_ms)


class _Paired(NamedTuple):
    """Answers with the truth they are held against, in each form."""

    sync: list[Pair[Objects, Objects]]
    timely: list[Pair[Objects, Objects]]
    decay: list[Pair[Objects, Objects]]
    latency_ms: float


def _paired(said: Sequence[Said], truths: Sequence[Truth[Objects]]) -> _Paired | None:
    answers = [Answer(m.origin, m.at, _boxes(m.value)) for m in said]
    if not answers or not truths:
        return None
    latency = _latency_ns(answers)
    at_once = sync(answers, truths, tolerance_ns=TOLERANCE_NS)
    return _Paired(at_once, timely(answers, truths), _decayed(truths, latency), latency / 1e6)


def judge_predictions(said: Sequence[Said], paths: dict[int, Path], instants: Sequence[int]) -> PredictionForms | None:
    """``paths``: where everybody went; ``instants``: when the timely form looks. None if nobody predicted anything."""
    answers = [Answer(m.t, m.at, m) for m in said if isinstance(m.value, Predictions) and m.value.items]
    every = [Answer(m.t, m.at, m) for m in said if isinstance(m.value, Predictions)]
    if not answers or not paths:
        return None
    at_once = _prediction([(a.value, a.t) for a in answers], paths)
    pairs = timely(every, [Truth(int(t), None) for t in instants])
    later = _prediction([(pair.answer, pair.t) for pair in pairs if pair.answer is not None], paths)
    return PredictionForms(at_once, later, _latency_ns([Answer(a.value.origin, a.at, None) for a in answers]) / 1e6)


def _decayed(truths: Sequence[Truth[Objects]], latency_ns: int) -> list[Pair[Objects, Objects]]:
    """What a perfect answer had to find, as late as that; what it need not find it does not show."""
    pairs: list[Pair[Objects, Objects]] = []
    for pair in decay(truths, latency_ns):
        past = pair.answer
        shown = None if past is None else past.chosen(~(past.crowd | past.ignored))
        pairs.append(Pair(pair.t, pair.truth, shown))
    return pairs


def _boxes(message: Detections | Tracks) -> Objects:
    items: Sequence[Any] = message.items
    boxes: list[Box] = [item.box for item in items]
    return objects(
        box_array(boxes),
        labels=[LABELS.index(item.label) if item.label in LABELS else -1 for item in items],
        scores=[item.score for item in items],
        ids=[getattr(item, "track_id", k) for k, item in enumerate(items)],
    )


def _latency_ns(answers: Sequence[Answer[Any]]) -> int:
    return int(np.median([answer.at - answer.t for answer in answers]))


def _detection(pairs: Sequence[Pair[Objects, Objects]]) -> DetectionForm:
    scenes = answered(pairs)
    classes = [precision(scenes, label, by_size=False) for label in range(len(LABELS))]
    mean = mean_precision(classes)
    by_class = {name: found.ap for name, found in zip(LABELS, classes, strict=True)}
    return DetectionForm(mean.ap, mean.ap_50, mean.ap_75, mean.ar_100, by_class, len(scenes))


def _tracking(pairs: Sequence[Pair[Objects, Objects]]) -> TrackingForm:
    instants = similarities(answered(pairs))
    found, names, scores = clear(instants), identity(instants), hota(instants)
    return TrackingForm(
        mota=found.mota,
        motp=found.motp,
        idf1=names.idf1,
        hota=scores.hota,
        det_a=scores.det_a,
        ass_a=scores.ass_a,
        false_positives=found.false_positives,
        false_negatives=found.false_negatives,
        switches=found.switches,
        mostly_tracked=found.mostly_tracked,
        mostly_lost=found.mostly_lost,
        fragmentations=found.fragmentations,
        instants=len(instants),
    )


def _prediction(looked_at: Sequence[tuple[Said, int]], paths: dict[int, Path]) -> PredictionForm:
    """Of each message the paths of its obstacles as they read at that time."""
    batches: dict[tuple[int, ...], list[tuple[Floats, Floats, Floats, Bools]]] = {}
    for said, now in looked_at:
        message: Predictions = said.value
        age_s = (now - said.t) * 1e-9
        for (who, _), guesses in _by_user(said, paths).items():
            steps = now + (1e9 * message.step_s * np.arange(1, len(guesses[0].path_m) + 1)).astype(np.int64)
            guessed = np.stack([_guess(guess, message.step_s, age_s) for guess in guesses])
            weight = np.array([guess.probability for guess in guesses])
            batches.setdefault(guessed.shape, []).append((guessed, weight, *_true(paths[who], steps)))
    found = []
    for rows in batches.values():
        guessed, weight, true, known = (np.stack(column) for column in zip(*rows, strict=True))
        found.append(displacement(guessed, true, probability=weight, known=known))
    count = sum(one.road_users for one in found)
    if not count:
        return PredictionForm(math.nan, math.nan, math.nan, math.nan, math.nan, 0)
    shares = [one.road_users / count for one in found if one.road_users]
    figures = np.array([one[:5] for one in found if one.road_users])
    ade, fde, best_ade, best_fde, missed = (np.array(shares) @ figures).tolist()
    return PredictionForm(ade, fde, best_ade, best_fde, missed, count)


def _by_user(said: Said, paths: dict[int, Path]) -> dict[tuple[int, int], list[Any]]:
    """One message's paths of each obstacle, by the road user that it is and its track; those of nobody are left out."""
    there = {}
    for who, path in paths.items():
        place, known = _true(path, np.array([said.origin]))
        if known[0]:
            there[who] = place[0]
    found: dict[tuple[int, int], list[Any]] = {}
    for guess in said.value.items:
        o = guess.obstacle
        near = [
            (float(np.hypot(place[0] - o.x_m, place[1] - o.y_m)), who)
            for who, place in there.items()
            if paths[who].label == o.label
        ]
        if near and min(near)[0] <= SAME_M and len(guess.path_m):
            mine = found.setdefault((min(near)[1], o.track_id), [])
            if not mine or len(mine[0].path_m) == len(guess.path_m):
                mine.append(guess)
    return found


def _guess(guess: Any, step_s: float, age_s: float) -> Floats:
    if age_s <= 0.0:
        return np.asarray(guess.path_m, np.float64)
    return aged(np.asarray(guess.path_m, np.float64), np.array([guess.obstacle.x_m, guess.obstacle.y_m]), step_s, age_s)


def _true(path: Path, t_ns: Ints) -> tuple[Floats, Bools]:
    """(n, 2) where somebody was, and (n,) whether that is known."""
    known = (t_ns >= path.t_ns[0]) & (t_ns <= path.t_ns[-1])
    place = np.stack([np.interp(t_ns, path.t_ns, path.x_m), np.interp(t_ns, path.t_ns, path.y_m)], axis=1)
    return place, known
