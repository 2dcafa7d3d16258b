"""Small OpenDRIVE documents for the tests, written by hand so that they do not share the generator's mistakes."""

from __future__ import annotations

LANES = """<lanes><laneSection s="0"><left>
<lane id="1" type="driving"><width sOffset="0" a="3" b="0" c="0" d="0"/></lane>
</left><center><lane id="0" type="none"/></center><right><lane id="-1" type="driving">
<width sOffset="0" a="4" b="0" c="0" d="0"/></lane></right></laneSection></lanes>"""


def geometry(shape: str, length: float, s: float = 0.0, x: float = 0.0, y: float = 0.0, hdg: float = 0.0) -> str:
    return f'<geometry s="{s!r}" x="{x!r}" y="{y!r}" hdg="{hdg!r}" length="{length!r}">{shape}</geometry>'


def road(
    label: str = "1",
    *,
    length: float = 100.0,
    plan: str = "",
    lanes: str = LANES,
    link: str = "",
    extra: str = "",
    junction: str = "-1",
    rule: str = "RHT",
) -> str:
    plan = plan or geometry("<line/>", length)
    return (
        f'<road id="{label}" length="{length!r}" junction="{junction}" rule="{rule}">\n<link>{link}</link>\n'
        f"<planView>{plan}</planView>\n{lanes}\n{extra}</road>\n"
    )


def document(*parts: str) -> str:
    return (
        '<?xml version="1.0"?>\n<OpenDRIVE>\n<header revMajor="1" revMinor="7"/>\n' + "".join(parts) + "</OpenDRIVE>\n"
    )


def one_lane(width: str = '<width sOffset="0" a="4" b="0" c="0" d="0"/>', link: str = "", more: str = "") -> str:
    return (
        '<lanes><laneSection s="0"><center><lane id="0" type="none"/></center><right>'
        f'<lane id="-1" type="driving"><link>{link}</link>{width}{more}</lane></right></laneSection></lanes>'
    )
