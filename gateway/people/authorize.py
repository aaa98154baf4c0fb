"""The one decision: may this principal do this, here, now. Pure, so that it can be reasoned about.

Every route and every ticket passes :func:`authorize`. An area is known by its path ("a/b/c/", the
county is ""); a grant covers every path that begins with its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.people.roles import ROLE_RIGHTS, Right, Role

Refusal = Literal["sign_in_required", "password_change_required", "not_allowed", "not_found"]


class Place(Protocol):
    """Anything that lies in an area: an area itself, a camera."""

    @property
    def area_path(self) -> str:
        """Ids from the root down to the area, each followed by a slash; "" is the county."""


@dataclass(frozen=True, slots=True)
class AreaPlace:
    """A place that is nothing but its area."""

    area_path: str


COUNTY = AreaPlace("")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in an area and all below it. ``area_path`` "" is the whole county."""

    role: Role
    area_path: str

    def covers(self, area_path: str) -> bool:
        """Whether ``area_path`` is the granted area or lies below it."""
        return area_path.startswith(self.area_path)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has signed in."""

    user_id: str
    name: str
    display_name: str
    grants: tuple[Grant, ...]
    must_change_password: bool
    session_expires_us: int
    token_hash: str

    def rights_in(self, area_path: str) -> frozenset[Right]:
        """Every right that the grants give at ``area_path``."""
        return rights_of(grant for grant in self.grants if grant.covers(area_path))

    def all_rights(self) -> frozenset[Right]:
        """Every right that is held anywhere."""
        return rights_of(self.grants)

    def areas_with(self, right: Right | None = None) -> list[str]:
        """The topmost area paths in which ``right`` (or any right) is held; [""] is everywhere."""
        paths = sorted(
            {
                grant.area_path
                for grant in self.grants
                if right is None or right in ROLE_RIGHTS[grant.role]
            }
        )
        topmost: list[str] = []
        for path in paths:
            if not topmost or not path.startswith(topmost[-1]):
                topmost.append(path)
        return topmost


@dataclass(frozen=True, slots=True)
class Decision:
    """``refusal`` is None when it is allowed. ``may_lift_masks`` speaks of the same place."""

    refusal: Refusal | None
    may_lift_masks: bool = False

    @property
    def allowed(self) -> bool:
        """Whether to go on."""
        return self.refusal is None


def rights_of(grants: Iterable[Grant]) -> frozenset[Right]:
    """The union of what the grants' roles carry."""
    rights: frozenset[Right] = frozenset()
    for grant in grants:
        rights |= ROLE_RIGHTS[grant.role]
    return rights


def authorize(principal: Principal | None, right: Right, place: Place, now_us: int) -> Decision:
    """Decide. A place where the principal holds no right at all is ``not_found`` to them."""
    if principal is None or principal.session_expires_us <= now_us:
        return Decision("sign_in_required")
    if principal.must_change_password:
        return Decision("password_change_required")
    rights = principal.rights_in(place.area_path)
    if not rights:
        # The county has no secret existence: there it is plainly not allowed.
        return Decision("not_found" if place.area_path else "not_allowed")
    if right not in rights:
        return Decision("not_allowed")
    return Decision(None, Right.LIFT_MASKS in rights)
