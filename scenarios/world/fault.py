"""Who is at fault when the ego and another road user touch: rules, from the first that applies.

1. An ego that stands is never at fault. 2. Whoever alone ran a red light or a stop line lately is. 3. Whoever drives
into the other's rear is. 4. A person on foot: the ego, if the danger was in sight early enough to stop (1 s to react,
6 m/s² to brake), else nobody; nobody either when the person walks into the ego's side. 5. Whoever moves over into the
other's lane right in front of it is. 6. Head-on: whoever turns left across the other's way, or else is out of its lane.
7. Crossing: whoever had to give way, or turned left; a driver who keeps to no rules; the ego when it runs into somebody
who was already past its middle; else nobody.
"""

from __future__ import annotations

import math

import msgspec

EGO, OTHER, NONE = "ego", "other", "none"

STANDING_MPS = 0.2
LATELY_S = 10.0
ALONG_RAD, AGAINST_RAD = 0.8, 2.4
CUT_IN_MPS = 0.4


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules need to know of a contact; positions of outlines' centres and speeds in the ego's own axes."""

    ego_speed_mps: float
    forward_m: float
    """The other's centre, ahead of the ego's."""
    left_m: float
    heading_rad: float
    """The other's heading less the ego's, in [-pi, pi]."""
    speed_forward_mps: float
    speed_left_mps: float
    ego_length_m: float
    length_m: float
    on_foot: bool = False
    in_sight: bool = True
    """The danger could be seen early enough to stop for."""
    ego_off_lane: bool = False
    ego_ran: bool = False
    other_ran: bool = False
    ego_gives_way: bool = False
    other_gives_way: bool = False
    ego_turns_left: bool = False
    other_turns_left: bool = False
    other_reckless: bool = False


def at_fault(contact: Contact) -> tuple[str, str]:
    """``ego``, ``other`` or ``none``, and the rule in words."""
    moving = math.hypot(contact.speed_forward_mps, contact.speed_left_mps) > STANDING_MPS
    if abs(contact.ego_speed_mps) <= STANDING_MPS:
        return (OTHER if moving else NONE), "the ego stood"
    if contact.ego_ran != contact.other_ran:
        return (EGO, "the ego ran a light or a stop line") if contact.ego_ran else (OTHER, "the other ran a light")
    if contact.on_foot:
        return _on_foot(contact)
    along, against = abs(contact.heading_rad) < ALONG_RAD, abs(contact.heading_rad) > AGAINST_RAD
    if not moving:
        return EGO, "the ego drove into somebody standing"
    if along:
        return _same_way(contact)
    signed = contact.ego_gives_way or contact.other_gives_way
    if contact.ego_turns_left != contact.other_turns_left and not (signed and not against):
        return (EGO if contact.ego_turns_left else OTHER), "turned left across the other's way"
    if against:
        return (EGO, "the ego was out of its lane") if contact.ego_off_lane else (OTHER, "the other came head-on")
    return _crossing(contact)


def _on_foot(contact: Contact) -> tuple[str, str]:
    if contact.forward_m < 0.5 * contact.ego_length_m - 0.6:
        return NONE, "the person walked into the ego's side"
    if contact.in_sight:
        return EGO, "the person was in sight early enough to stop"
    return NONE, "the person came in sight too late to stop"


def _same_way(contact: Contact) -> tuple[str, str]:
    toward = contact.speed_left_mps * contact.left_m < 0.0 and abs(contact.speed_left_mps) > CUT_IN_MPS
    if contact.forward_m < 0.0:
        if contact.speed_forward_mps > contact.ego_speed_mps:
            return OTHER, "the other drove into the ego's rear"
        if toward and not contact.ego_off_lane:
            return OTHER, "the other moved over into the ego's side"
        return EGO, "the ego moved into the other's way"
    if toward and not contact.ego_off_lane:
        return OTHER, "the other moved over right in front of the ego"
    return EGO, "the ego drove into the other's rear"


def _crossing(contact: Contact) -> tuple[str, str]:
    if contact.ego_gives_way != contact.other_gives_way:
        return (EGO, "the ego had to give way") if contact.ego_gives_way else (OTHER, "the other had to give way")
    if contact.other_reckless:
        return OTHER, "the other kept to no rules"
    ahead = contact.forward_m > 0.3 * contact.ego_length_m
    crossed = contact.left_m * contact.speed_left_mps > 0.0
    if ahead and crossed:
        return EGO, "the other was already past the ego's middle"
    return NONE, "both met at a crossing without signs"
