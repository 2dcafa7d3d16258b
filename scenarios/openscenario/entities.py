"""Who takes part: scenario objects and catalogue entries as our kinds of road users."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.suggestions import suggest
from scenarios.openscenario.document import Document, Node
from scenarios.scenario import KINDS

CATEGORIES: dict[str, tuple[str, ...]] = {
    "car": ("car", "estate", "mini", "suv"),
    "van": ("van",),
    "truck": ("truck",),
    "semitrailer": ("trailer",),
    "trailer": ("trailer",),
    "bus": ("bus",),
    "motorbike": ("motorcycle",),
    "bicycle": ("cyclist",),
}
"""OpenSCENARIO's vehicle categories, and the kinds that may stand for them."""
OBJECTS: dict[str, str] = {
    "obstacle": "debris", "barrier": "barrier", "railing": "barrier", "roadMark": "cone", "patch": "debris",
    "none": "debris", "pole": "cone", "wind": "debris",
}  # fmt: skip
COLOURS: dict[str, tuple[int, int, int]] = {"person": (150, 52, 44), "thing": (140, 110, 70)}
PAINTS = ((132, 30, 32), (32, 58, 104), (186, 189, 192), (58, 62, 68), (92, 104, 96), (222, 223, 220))
IDM = "idm"
"""Value of the controller property ``model``: follows whoever is ahead (intelligent driver model)."""


@dataclass
class Entity:
    """One scenario object: its kind here, how long it says it is, what its controller says of its driver."""

    name: str
    kind: str
    length_m: float
    centre_m: float
    """From the reference point (a vehicle's rear axle) forward to the outline's centre."""
    minds: bool = False
    obeys: bool = False
    headway_s: float | None = None


def entities(document: Document) -> dict[str, Entity]:
    """All scenario objects by name, in order."""
    found: dict[str, Entity] = {}
    catalogues = _Catalogues(document)
    for node in document.root.need("Entities").all("ScenarioObject"):
        name = node.text("name")
        if name in found:
            raise node.wrong(f"the name {name!r} stands twice")
        described = next((child for child in node.children if child.tag in _READERS or child.tag == _REFERENCE), None)
        if described is None:
            node.refuse("is no vehicle, pedestrian or object")
            continue
        described.seen = True
        if described.tag == _REFERENCE:
            described = catalogues.entry(described)
        entity = Entity(name, *_READERS[described.tag](described))
        for control in node.all("ObjectController"):
            _controller(control, entity)
        found[name] = entity
    return found


def _vehicle(node: Node) -> tuple[str, float, float]:
    category = node.text("vehicleCategory", "car")
    length, centre = _length(node)
    kinds = CATEGORIES.get(category)
    if kinds is None:
        raise node.wrong(f"unsupported vehicle category {category!r}", suggest(category, CATEGORIES, "use one of"))
    model = node.text("model3d", "")
    kind = model if model in kinds else min(kinds, key=lambda one: abs(KINDS[one].length_m - length))
    node.skip()
    return kind, length, centre


def _pedestrian(node: Node) -> tuple[str, float, float]:
    length, centre = _length(node)
    category = node.text("pedestrianCategory", "pedestrian")
    if category not in ("pedestrian", "wheelchair"):
        raise node.wrong(f"unsupported pedestrian category {category!r}", "use pedestrian")
    node.skip()
    return "pedestrian", length, centre


def _thing(node: Node) -> tuple[str, float, float]:
    category = node.text("miscObjectCategory", "obstacle")
    if category not in OBJECTS:
        raise node.wrong(f"unsupported object category {category!r}", suggest(category, OBJECTS, "use one of"))
    model = node.text("model3d", "")
    length, centre = _length(node)
    node.skip()
    kind = model if model in KINDS and KINDS[model].label == "object" else OBJECTS[category]
    return kind, length, centre


_READERS = {"Vehicle": _vehicle, "Pedestrian": _pedestrian, "MiscObject": _thing}
_REFERENCE = "CatalogReference"


def _length(node: Node) -> tuple[float, float]:
    """Length of the bounding box, and how far its centre lies ahead of the reference point (m)."""
    box = node.one("BoundingBox")
    if box is None:
        return KINDS["car"].length_m, 0.0
    dimensions, centre = box.one("Dimensions"), box.one("Center")
    length = dimensions.number("length") if dimensions is not None else KINDS["car"].length_m
    return length, centre.number("x", 0.0) if centre is not None else 0.0


def _controller(node: Node, entity: Entity) -> None:
    """A controller with our property is understood; any other stays a leftover."""
    controller = node.one("Controller")
    properties = controller.one("Properties") if controller is not None else None
    for one in properties.all("Property") if properties is not None else []:
        if one.text("name") == "model" and one.text("value") == IDM:
            entity.minds = True
        elif one.text("name") == "obeys" and one.text("value") == "true":
            entity.obeys = True
        elif one.text("name") == "headway_s":
            entity.headway_s = one.number("value")
        else:
            one.refuse()


class _Catalogues:
    """Entries of the catalogues that the document names; their files are read when one is asked for."""

    def __init__(self, document: Document) -> None:
        self._document, self._files = document, list[Document]()
        locations = document.root.one("CatalogLocations")
        self._folders = []
        for location in locations.all(*(f"{what}Catalog" for what in _CATALOGUES)) if locations is not None else []:
            self._folders.append(document.folder / location.need("Directory").text("path"))

    def entry(self, reference: Node) -> Node:
        catalogue, name = reference.text("catalogName"), reference.text("entryName")
        if not self._files:
            self._files = [Document(path) for folder in self._folders for path in sorted(folder.glob("*.xosc"))[:50]]
        names = []
        for file in self._files:
            for group in file.root.all("Catalog"):
                if group.text("name") != catalogue:
                    continue
                for entry in group.all(*_READERS):
                    names.append(entry.text("name"))
                    if names[-1] == name:
                        file.declare(entry, _assigned(reference))
                        return entry
        hint = suggest(name, names, "it has") or "check CatalogLocations and the catalogue's name"
        raise reference.wrong(f"no entry {name!r} in a catalogue {catalogue!r}", hint)


def _assigned(reference: Node) -> dict[str, str]:
    assignments = reference.one("ParameterAssignments")
    found = assignments.all("ParameterAssignment") if assignments is not None else []
    assigned = {}
    for one in found:
        one.read.add("parameterRef")
        # The reference is a name, with or without its $: it must not be resolved.
        assigned[one.attributes.get("parameterRef", "").lstrip("$")] = one.text("value")
    return assigned


_CATALOGUES = ("Vehicle", "Pedestrian", "MiscObject")
