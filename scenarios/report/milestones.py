"""When a drive's decisive things happened: the road user in the way was seen, the car braked, it hit or it stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scenarios.report.drive import NAMES, SECOND, STANDING_MPS, Drive

LOOK_BACK_NS = 6 * SECOND
STEP_NS = SECOND // 50
BRAKING = 0.1
"""Pedal from which a command counts as braking."""
FILM_PICTURES = 6
FILM_APART_NS = 60_000_000


@dataclass(frozen=True)
class Milestones:
    """Run times; None for what did not happen. ``label``: of the road user who was in the way."""

    label: str = ""
    nearest_ns: int | None = None
    """The contact, or the time at which the gap was smallest."""
    seen_ns: int | None = None
    """The first detection of the one in the way was committed."""
    braking_ns: int | None = None
    """The first brake command after that."""
    half_ns: int | None = None
    """Half the speed was gone."""
    stopped_ns: int | None = None
    missed_ns: int | None = None
    """The first deadline miss from half a second before the sighting on."""

    @property
    def who(self) -> str:
        """The one in the way, in words."""
        return NAMES.get(self.label, self.label or "road user")


def milestones(drive: Drive) -> Milestones:
    """What a drive's log says about when things happened."""
    nearest, label = _nearest(drive)
    if nearest is None:
        return Milestones()
    seen = _seen(drive, label, nearest)
    since = seen if seen is not None else nearest - SECOND
    braking = _first_brake(drive, since) if seen is not None else None
    half = stopped = None
    if braking is not None:
        half = _slower_than(drive, braking, 0.5 * drive.ego(braking).speed_mps)
        stopped = _slower_than(drive, braking, STANDING_MPS)
    missed = next((at for at in drive.deadlines.misses if since - SECOND // 2 <= at <= nearest), None)
    return Milestones(label, nearest, seen, braking, half, stopped, missed)


def _nearest(drive: Drive) -> tuple[int | None, str]:
    """The contact, else the smallest gap to a person, else to anybody."""
    if drive.collided:
        return drive.end_ns, str(drive.outcome.get("collided_with", ""))
    best: dict[str, tuple[float, int]] = {}
    for now in range(0, drive.end_ns + 1, STEP_NS):
        gap = drive.gap(now)
        if gap is not None and gap.distance_m < best.get(gap.who.label, (math.inf, 0))[0]:
            best[gap.who.label] = gap.distance_m, now
    if not best:
        return None, ""
    label = "pedestrian" if "pedestrian" in best else min(best, key=lambda name: best[name])
    return best[label][1], label


def _seen(drive: Drive, label: str, nearest_ns: int) -> int | None:
    """The detection with which the first track began that was in the way before ``nearest_ns``."""
    ids = set()
    for now in range(max(0, nearest_ns - LOOK_BACK_NS), nearest_ns + 1, STEP_NS):
        gap = drive.gap(now)
        if gap is not None and gap.who.label == label:
            ids.add(gap.who.track_id)
    first = [
        (message.origin, track["hits"])
        for message in drive.tracks.items
        for track in message.value["items"]
        if track["track_id"] in ids
    ]
    if not first:
        return None
    origin, hits = min(first)
    # A track is confirmed after some hits: the sighting was that many answers earlier.
    answers = [message for message in drive.detections.items if message.origin <= origin]
    return answers[-min(hits, len(answers))].at if answers else None


def _first_brake(drive: Drive, since_ns: int) -> int | None:
    return next((m.at for m in drive.commands.items if m.at >= since_ns and m.value["brake"] >= BRAKING), None)


def _slower_than(drive: Drive, since_ns: int, speed_mps: float) -> int | None:
    pairs = zip(drive.ego_at, drive.egos, strict=True)
    return next((at for at, ego in pairs if at >= since_ns and ego.speed_mps < speed_mps), None)


def film(drive: Drive, found: Milestones) -> list[tuple[int, str]]:
    """(run time, caption) of at most six moments worth a picture, in order."""
    if found.nearest_ns is None:
        return [(drive.end_ns * i // 5, "") for i in range(6)]
    first = found.seen_ns if found.seen_ns is not None else found.nearest_ns
    hit = drive.collided
    wanted = [
        (max(0, first - SECOND), "a second before"),
        (found.missed_ns, "deadline missed"),
        (found.seen_ns, f"{found.who} seen"),
        (found.braking_ns, "brakes"),
        (found.half_ns, "half the speed gone"),
        (found.nearest_ns - SECOND // 2 if hit else None, "half a second left"),
        (found.nearest_ns if found.stopped_ns is None else None, f"hits the {found.who}" if hit else "nearest"),
        (found.stopped_ns, "stands"),
        (None if hit else drive.end_ns, "at the end"),
    ]
    rows: list[tuple[int, str]] = []
    for at, caption in sorted((at, caption) for at, caption in wanted if at is not None):
        if rows and at - rows[-1][0] < FILM_APART_NS:
            rows[-1] = at, f"{rows[-1][1]}, {caption}"
        else:
            rows.append((at, caption))
    return rows[-FILM_PICTURES:]
