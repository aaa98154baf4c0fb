"""Nobody gives more than they hold: what a grant carries, against what its giver does. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.people.authorize import AreaPlace, Grant, Principal, rights_of
from gateway.people.roles import PTZ_PRIORITY, ROLE_RIGHTS, Right


def missing_rights(giver: Principal, given: Grant, now_us: int) -> frozenset[Right]:
    """The rights of ``given`` that the giver does not hold in all of its area, for as long as it
    would last; it may be given when there are none.
    """
    place = AreaPlace(given.area_path)
    lasting = rights_of(
        own
        for own in giver.grants
        if own.in_force(now_us) and own.covers(place) and _ends(own) >= _ends(given)
    )
    if giver.scopes is not None:
        lasting &= giver.scopes
    return ROLE_RIGHTS[given.role] - lasting


def rights_beyond(manager: Principal, held: Iterable[Grant], now_us: int) -> frozenset[Right]:
    """The rights in ``held``, now or later, that the manager does not hold there too.

    Who may set the password of an account may act as it: so nobody manages one that has any.
    """
    beyond: frozenset[Right] = frozenset()
    for grant in held:
        if now_us < _ends(grant):
            beyond |= ROLE_RIGHTS[grant.role] - manager.rights_at(
                AreaPlace(grant.area_path), now_us
            )
    return beyond


def highest_priority(giver: Principal, area_path: str, now_us: int) -> int:
    """The highest priority for steering that the giver may give in an area."""
    place = AreaPlace(area_path)
    if Right.SYSTEM in giver.rights_at(place, now_us):
        return 100
    return giver.ptz_priority(place, now_us)


def priority_of(given: Grant) -> int:
    """The priority for steering that a grant carries; 0 where its role does not steer."""
    if Right.PTZ not in ROLE_RIGHTS[given.role]:
        return 0
    return PTZ_PRIORITY if given.ptz_priority is None else given.ptz_priority


def _ends(grant: Grant) -> float:
    return float("inf") if grant.valid_until_us is None else grant.valid_until_us
