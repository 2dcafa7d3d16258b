"""What the car adds to a report: the video, the drive in curves, a film strip, the view from above, the detectors.

Runs of graphs without a car add nothing; runs without pixels add what can be said without pictures.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from html import escape
from importlib.util import find_spec
from pathlib import Path

from operators.models.cards import DISTANCE_BINS_M, WEIGHTS_DIR, ModelCard, read_cards
from operators.models.errors import ModelFileError
from pipeline.errors import MissingExtra
from pipeline.report.panels import Panel, RunData, table
from scenarios.report.drive import SECOND, Drive, metres, read_drive
from scenarios.report.milestones import Milestones, film, milestones
from scenarios.report.plots import Curve, Mark, key, plot, top_view

VIDEO = "video.mp4"
PICTURE_BYTES_MAX = 60_000
FILM_BYTES_MAX = 2_600_000
"""Of all pictures of a report before base64, which adds a third."""
CURVE_STEP_NS = SECOND // 25
GAP_SHOWN_M = 30.0
DASH = "–"
COLUMNS = "repeat(auto-fill,minmax(min(100%,330px),1fr))"
LEAD_IN_NS = 3 * SECOND // 2
"""How much of the drive before the first sighting the curves show."""

Story = tuple[Drive, Milestones]


def panels(runs: list[RunData], folder: Path) -> list[Panel | Path]:
    """The panels of the runs that drove, and ``video.mp4`` in ``folder`` when there are pictures."""
    read = [(run, drive) for run in runs if (drive := read_drive(run)) is not None]
    stories = [(drive, milestones(drive)) for _, drive in read]
    if not stories:
        return []
    made: list[Panel | Path] = []
    title = next((str(run.result["title"]) for run, _ in read if run.result.get("title")), "")
    made += _video([drive for drive, _ in stories], folder, title)
    made.append(Panel("The drive", _drive(stories), 8))
    strips = _film_strips(stories)
    if strips:
        made.append(Panel("Decisive moments", strips, 12))
    made.append(Panel("Seen from above", _from_above(stories), 16))
    cards = _cards([drive for drive, _ in stories])
    if cards:
        made.append(Panel("Detectors", _detectors(cards), 25))
    return made


def _video(drives: list[Drive], folder: Path, title: str) -> list[Panel | Path]:
    if not any(drive.pictures for drive in drives):
        return []
    try:
        from scenarios.report.video import record_video

        path = record_video(drives, folder / VIDEO, title=title)
    except MissingExtra as error:
        return [Panel("Video", f"<p class=hint>There is no video: {escape(str(error))}.</p>", 5)]
    if path is None:
        return []
    html = f"""<video controls muted playsinline preload=auto style="width:100%;border-radius:6px" src="{VIDEO}">
</video>
<p class=hint>The newest camera picture, with what the car knew at that time: boxes in the colour of the model that
answered, as old as they say; on the road the trajectory up to where the bumper will be, green at constant speed, red
under hard braking; at the upper right the time that the answer in the making has used of its budget.</p>"""
    return [Panel("Video", html, 5), path]


def _drive(stories: list[Story]) -> str:
    end = max(drive.end_ns for drive, _ in stories)
    sightings = [at for _, found in stories if (at := found.seen_ns or found.nearest_ns) is not None]
    span = max(0, min(sightings, default=0) - LEAD_IN_NS), end
    fastest = max(ego.speed_mps for drive, _ in stories for ego in drive.egos)
    speeds = [_curve(drive, found, _speed_of(drive)) for drive, found in stories]
    gaps = [_curve(drive, found, _gap_of(drive)) for drive, found in stories]
    widest = max(
        (v for curve in gaps for at, v in curve.points if v is not None and at >= span[0]), default=GAP_SHOWN_M
    )
    seen = key(
        [drive.name for drive, _ in stories],
        {"seen": "seen", "brakes": "brakes", "stands": "stands", "hit": "contact"},
    )
    return (
        plot(speeds, label="speed, m/s", span_ns=span, top=max(1.0, fastest * 1.12))
        + plot(
            gaps,
            label="gap to whoever is in the way, m, as the car knows it",
            span_ns=span,
            top=max(5.0, 1.25 * widest),
        )
        + seen
        + table(
            ["variant", "seen", "brakes", "speed then", "gap then", "contact or stop", "outcome"],
            [_row(drive, found) for drive, found in stories],
        )
    )


def _curve(drive: Drive, found: Milestones, value: Callable[[int], float | None]) -> Curve:
    times = [*range(0, drive.end_ns, CURVE_STEP_NS), drive.end_ns]
    kinds = {
        "seen": found.seen_ns,
        "brakes": found.braking_ns,
        "stands": found.stopped_ns,
        "hit": drive.end_ns if drive.collided else None,
    }
    marks = [Mark(kind, at, known) for kind, at in kinds.items() if at is not None and (known := value(at)) is not None]
    return Curve(drive.name, [(at, value(at)) for at in times], marks)


def _speed_of(drive: Drive) -> Callable[[int], float | None]:
    return lambda at: drive.ego(at).speed_mps


def _gap_of(drive: Drive) -> Callable[[int], float | None]:
    def gap_m(at: int) -> float | None:
        if drive.collided and at >= drive.end_ns:
            return 0.0
        gap = drive.gap(at)
        return None if gap is None or gap.distance_m > GAP_SHOWN_M else gap.distance_m

    return gap_m


def _row(drive: Drive, found: Milestones) -> list[object]:
    gap = drive.gap(found.braking_ns) if found.braking_ns is not None else None
    speed = f"{drive.ego(found.braking_ns).speed_mps:.1f} m/s" if found.braking_ns is not None else DASH
    return [
        drive.name,
        _seconds(found.seen_ns),
        _seconds(found.braking_ns),
        speed,
        f"{gap.distance_m:.1f} m" if gap else DASH,
        _seconds(found.nearest_ns if drive.collided else found.stopped_ns),
        _outcome(drive, found),
    ]


def _outcome(drive: Drive, found: Milestones) -> str:
    if drive.collided:
        return f"hits the {found.who} at {drive.outcome.get('impact_speed_mps', 0.0):.1f} m/s"
    if found.nearest_ns is None:
        return "nobody in the way"
    gap = drive.gap(found.stopped_ns) if found.stopped_ns is not None else None
    if gap is not None:
        return f"stops {metres(drive.standing_gap_m(gap))} before the {found.who}"
    nearest = drive.outcome.get("min_gap_m")
    return f"stays {metres(nearest)} away" if isinstance(nearest, float) else "no contact"


def _seconds(at_ns: int | None) -> str:
    return DASH if at_ns is None else f"{at_ns / SECOND:.2f} s"


def _film_strips(stories: list[Story]) -> str:
    shown = [(drive, film(drive, found)) for drive, found in stories if drive.pictures]
    if not shown or find_spec("cv2") is None:
        return ""
    from scenarios.report.overlay import draw

    limit = min(PICTURE_BYTES_MAX, FILM_BYTES_MAX // sum(len(moments) for _, moments in shown))
    rows = []
    for drive, moments in shown:
        pictures = "".join(_figure(_jpeg(draw(drive, at), limit), at, caption) for at, caption in moments)
        grid = f'<div class=strip style="grid-template-columns:{COLUMNS}">{pictures}</div>'
        rows.append(f"<h3>{escape(drive.name)}</h3>{grid}")
    return "".join(rows)


def _figure(jpeg: bytes, at_ns: int, caption: str) -> str:
    words = f"{at_ns / SECOND:.2f} s{': ' if caption else ''}{escape(caption)}"
    data = base64.b64encode(jpeg).decode()
    image = f'<img loading=lazy alt="{words}" src="data:image/jpeg;base64,{data}">'
    return f"<figure>{image}<figcaption>{words}</figcaption></figure>"


def _jpeg(picture: object, limit: int) -> bytes:
    """The best JPEG that is not larger than ``limit`` bytes, or the smallest."""
    import cv2
    import numpy as np

    data = b""
    for quality in (85, 75, 65, 50, 35, 20):
        _, coded = cv2.imencode(".jpg", np.asarray(picture), [cv2.IMWRITE_JPEG_QUALITY, quality])
        data = coded.tobytes()
        if len(data) <= limit:
            break
    return data


def _from_above(stories: list[Story]) -> str:
    """All variants when the first of them brakes for somebody in its way, so that it shows what each knew then."""
    times = [at for drive, found in stories if (at := _acting_ns(drive, found)) is not None]
    now = min(times, default=min(drive.end_ns for drive, _ in stories) // 2)
    figures = []
    for drive, _ in stories:
        known = drive.known(now)
        age = f", from a picture {(now - known.origin) / 1e6:.0f} ms old" if known else ""
        caption = f"{drive.name}: {drive.ego(now).speed_mps:.1f} m/s{age}"
        figures.append(f"<figure>{top_view(drive, now)}<figcaption>{escape(caption)}</figcaption></figure>")
    what = "when the first variant brakes for somebody in its way" if times else "half-way"
    return (
        f"<p class=hint>What each car knew at {now / SECOND:.2f} s, {what}: itself in blue, driving to the right, road "
        "users as located, red who is in the way, dotted where they are expected, green the trajectory.</p>"
        '<div style="display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:14px">'
        f"{''.join(figures)}</div>"
    )


def _acting_ns(drive: Drive, found: Milestones) -> int | None:
    """When it brakes and has located for whom."""
    if found.braking_ns is None or found.nearest_ns is None:
        return None
    times = range(found.braking_ns, max(found.nearest_ns, found.braking_ns + 1), CURVE_STEP_NS)
    return next((now for now in times if drive.gap(now) is not None), found.braking_ns)


def _cards(drives: list[Drive]) -> list[ModelCard]:
    """The cards of the models that answered, and of the rest of their family."""
    answered = {message.value["model"].rpartition(".")[2] for drive in drives for message in drive.detections.items}
    try:
        cards = read_cards(WEIGHTS_DIR)
    except ModelFileError:
        return []
    return list(cards.values()) if answered & set(cards) else []


def _detectors(cards: list[ModelCard]) -> str:
    bins = [f"{near:.0f}–{far:.0f} m" for near, far in DISTANCE_BINS_M]
    parts = [
        "<p class=hint>Measured on held-out pictures of the same renderer, IoU 0.5; recall by distance. The latency "
        f"was measured on {escape(cards[0].latency.cpu)}; a run's latencies come from its profile.</p>"
    ]
    for label in cards[0].architecture.labels:
        rows: list[list[object]] = []
        for card in (card for card in cards if label in card.figures):
            figures = card.figures[label]
            recall = [f"{share:.2f}" if n else DASH for share, n in zip(figures.recall, figures.counted, strict=True)]
            size = f"{card.architecture.input_width_px} × {card.architecture.input_height_px}"
            rows.append([card.name, size, f"{figures.average_precision:.3f}", *recall, f"{card.latency.p50_ms:.0f} ms"])
        parts.append(f"<h3>{escape(label)}</h3>{table(['model', 'input px', 'AP', *bins, 'p50'], rows)}")
    return "".join(parts)
