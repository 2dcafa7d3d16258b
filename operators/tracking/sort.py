"""SORT: detections keep their identity by motion and overlap, and by nearness when nothing overlaps.

Decides identities only; where an object stands on the road is the locator's business. The state is a value: a runtime
may keep, discard or replay it. Source: SORT (Bewley et al., ICIP 2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from operators.geometry.boxes import box_array, iou_matrix
from operators.messages import Box, Detection, Detections, Track, Tracks
from operators.tracking.kalman import BoxState, box_of, corrected, initial, predicted
from pipeline.definition import Context, Operator
from pipeline.ports import Input, Output, State, keep_last

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SortSettings:
    """When detections and tracks belong together, and how long a track lives."""

    iou_min: float = 0.2
    gate_sizes: float = 0.8
    """Without overlap a detection may lie this many box sizes from the expected centre …"""
    gate_sizes_per_s: float = 4.0
    """… and this many more for each second since the track was last seen."""
    min_hits: int = 2
    """Pictures before a track is reported …"""
    sure_score: float = 0.75
    """… unless its first score is at least this."""
    max_age: int = 3
    """A track unseen in more pictures than this ends."""
    score_min: float = 0.3


@dataclass(frozen=True)
class TrackState:
    """One object: identity, motion in the picture and book-keeping."""

    track_id: int
    label: str
    score: float
    box: BoxState
    seen: Box
    """Where it was detected last: reported while it is in sight, since a filtered box lags behind one that grows."""
    hits: int
    missed: int
    unseen_s: float
    confirmed: bool


@dataclass(frozen=True)
class SortState:
    """All objects after one picture, lowest id first."""

    tracks: tuple[TrackState, ...] = ()
    next_id: int = 1
    t: int | None = None
    """Timestamp of the picture, nanoseconds; None before the first."""


def step(
    state: SortState, detections: Detections, dt_s: float, settings: SortSettings | None = None
) -> tuple[SortState, Tracks]:
    """Advance by one picture taken ``dt_s`` after the last; returns the new state and the confirmed tracks.

    A track that was not matched is reported at its expected place with ``missed`` > 0 until it ends.
    """
    chosen = settings or SortSettings()
    items = [item for item in detections.items if item.score >= chosen.score_min]
    waiting = [replace(track, box=predicted(track.box, dt_s), unseen_s=track.unseen_s + dt_s) for track in state.tracks]
    partner = _associate(waiting, items, chosen)
    tracks, next_id = [], state.next_id
    for track in waiting:
        index = partner.get(track.track_id)
        if index is not None:
            tracks.append(_matched(track, items[index], chosen))
        elif track.missed < chosen.max_age and (track.confirmed or track.missed == 0):
            tracks.append(replace(track, missed=track.missed + 1))
    used = set(partner.values())
    for index, item in enumerate(items):
        if index not in used:
            confirmed = chosen.min_hits <= 1 or item.score >= chosen.sure_score
            tracks.append(
                TrackState(next_id, item.label, item.score, initial(item.box), item.box, 1, 0, 0.0, confirmed)
            )
            next_id += 1
    reported = tuple(_reported(track) for track in tracks if track.confirmed)
    return SortState(tuple(tracks), next_id, state.t), Tracks(items=reported, frame_id=detections.frame_id)


def _matched(track: TrackState, item: Detection, settings: SortSettings) -> TrackState:
    hits = track.hits + 1
    score = 0.6 * item.score + 0.4 * track.score
    confirmed = track.confirmed or hits >= settings.min_hits
    box = corrected(track.box, item.box)
    return replace(track, score=score, box=box, seen=item.box, hits=hits, missed=0, unseen_s=0.0, confirmed=confirmed)


def _reported(track: TrackState) -> Track:
    return Track(
        track_id=track.track_id,
        label=track.label,
        score=track.score,
        box=track.seen if track.missed == 0 else box_of(track.box),
        hits=track.hits,
        missed=track.missed,
    )


def _associate(tracks: list[TrackState], items: list[Detection], settings: SortSettings) -> dict[int, int]:
    """Track id to index of its detection: first by overlap, then what is left by distance of the centres."""
    if not tracks or not items:
        return {}
    expected = box_array([box_of(track.box) for track in tracks])
    seen = box_array([item.box for item in items])
    same = np.array([[track.label == item.label for item in items] for track in tracks])
    overlap = iou_matrix(expected, seen)
    pairs = _assign(1.0 - overlap, same & (overlap >= settings.iou_min))
    rows = [i for i in range(len(tracks)) if i not in {r for r, _ in pairs}]
    columns = [j for j in range(len(items)) if j not in {c for _, c in pairs}]
    if rows and columns:
        gates = np.array([settings.gate_sizes + settings.gate_sizes_per_s * min(tracks[i].unseen_s, 0.5) for i in rows])
        distance = _distance_in_sizes(expected[rows], seen[columns])
        allowed = same[np.ix_(rows, columns)] & (distance <= gates[:, None])
        pairs += [(rows[r], columns[c]) for r, c in _assign(distance, allowed)]
    return {tracks[r].track_id: c for r, c in pairs}


def _assign(cost: Floats, allowed: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Pairs of least total cost among the allowed ones, as many as possible."""
    forbidden = 1e6
    rows, columns = linear_sum_assignment(np.where(allowed, cost, forbidden))
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if allowed[r, c]]


def _distance_in_sizes(first: Floats, second: Floats) -> Floats:
    """Centre distance over the larger box diagonal; sizes that differ much count as further away."""
    centre_a, centre_b = (first[:, :2] + first[:, 2:]) / 2.0, (second[:, :2] + second[:, 2:]) / 2.0
    size_a, size_b = np.hypot(*(first[:, 2:] - first[:, :2]).T), np.hypot(*(second[:, 2:] - second[:, :2]).T)
    distance = np.hypot(*np.moveaxis(centre_a[:, None, :] - centre_b[None, :, :], -1, 0))
    larger = np.maximum(np.maximum(size_a[:, None], size_b[None, :]), 1.0)
    ratio = np.abs(np.log(np.maximum(size_a, 1.0)[:, None] / np.maximum(size_b, 1.0)[None, :]))
    return np.asarray(distance / larger + np.maximum(ratio - math.log(1.5), 0.0))


class SortTracker(Operator):
    """SORT on a stream. Ports: ``detections`` in, ``tracks`` out. Settings: see SortSettings."""

    detections = Input(Detections, queue=keep_last(1))
    tracks = Output(Tracks)
    objects: State[SortState] = State(SortState)

    def __init__(self, *, iou_min: float = 0.2, min_hits: int = 2, max_age: int = 3, sure_score: float = 0.75) -> None:
        self.settings = SortSettings(iou_min=iou_min, min_hits=min_hits, max_age=max_age, sure_score=sure_score)

    def on_watermark(self, ctx: Context) -> Tracks:
        ctx.work("step")
        state = ctx[self.objects]
        taken = _taken_at(ctx, self.detections)
        dt_s = 0.0 if state.t is None else max(taken - state.t, 0) * 1e-9
        if state.t == taken:  # The same picture again (periodic execution): nothing new was seen.
            return Tracks(items=tuple(_reported(track) for track in state.tracks if track.confirmed))
        after, tracks = step(state, ctx[self.detections], dt_s, self.settings)
        ctx[self.objects] = replace(after, t=taken)
        return tracks


def _taken_at(ctx: Context, port: Input[Detections]) -> int:
    """Sensor time of the picture, which is what motion must be reckoned in under every execution model."""
    envelope = ctx.envelope(port)
    return int(ctx.t if envelope is None else envelope.origin)
