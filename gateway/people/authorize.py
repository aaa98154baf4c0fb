"""The one decision: may this principal do this, here, now. Pure, so that it can be reasoned about.

Every route and every ticket passes :func:`authorize`. An area is known by its path ("a/b/c/", the
county is ""); a grant covers every path that begins with its own. A camera stands in several areas
(its township, a police jurisdiction, a department): a grant that covers one of them covers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.people.roles import PTZ_PRIORITY, ROLE_RIGHTS, Right, Role

Refusal = Literal[
    "sign_in_required",
    "password_change_required",
    "totp_enrolment_required",
    "full_sign_in_required",
    "not_allowed",
    "not_found",
]
# How somebody has signed in: "totp" and "recovery_code" with the password before them.
Method = Literal["password", "totp", "recovery_code", "oidc", "pin", "token"]


class Place(Protocol):
    """Anything that lies in areas: an area itself, a camera."""

    @property
    def area_path(self) -> str:
        """The home: ids from the root down to the area, each followed by a slash; "" is the county.

        Audit records and titles speak of this one.
        """

    @property
    def area_paths(self) -> tuple[str, ...]:
        """Every area it stands in, the home first."""


@dataclass(frozen=True, slots=True)
class AreaPlace:
    """A place that is nothing but its area, or its areas: ``further_paths`` beside the home."""

    area_path: str
    further_paths: tuple[str, ...] = ()

    @property
    def area_paths(self) -> tuple[str, ...]:
        """See :class:`Place`."""
        return (self.area_path, *self.further_paths)


COUNTY = AreaPlace("")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in an area and all below it, for a time. ``area_path`` "" is the whole county.

    In force from ``valid_from_us`` to just before ``valid_until_us``; None is without end.
    """

    role: Role
    area_path: str
    valid_from_us: int | None = None
    valid_until_us: int | None = None
    ptz_priority: int | None = None
    id: str = ""

    def covers(self, place: Place) -> bool:
        """Whether the place stands in the granted area or below it."""
        return any(path.startswith(self.area_path) for path in place.area_paths)

    def in_force(self, now_us: int) -> bool:
        """Whether it holds at that time."""
        return (self.valid_from_us is None or self.valid_from_us <= now_us) and (
            self.valid_until_us is None or now_us < self.valid_until_us
        )


@dataclass(frozen=True, slots=True)
class Footage:
    """Minutes of one camera."""

    camera_id: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Lent:
    """Minutes that are lent to one person for a while, wherever their grants reach: the clip of an
    assist request. Played as they are masked, and nothing else.
    """

    clip_id: str
    footage: Footage
    until_us: int

    def covers(self, footage: Footage, now_us: int) -> bool:
        """Whether all of that lies within, while it is lent."""
        mine = self.footage
        return (
            now_us < self.until_us
            and footage.camera_id == mine.camera_id
            and mine.start_us <= footage.start_us < footage.end_us <= mine.end_us
        )


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has signed in, or another platform with its token (``kind`` "service").

    ``scopes``: a token allows no more than these of what its account may do, and so does a PIN;
    None is no limit. ``desk_session``: the duty desk at which they signed in by PIN; ``desk_id``:
    the desk at which they signed in at all. ``session_id``: of the sign-in, or of the token.
    ``lent``: what a request lends them, where that was looked up.
    """

    user_id: str
    name: str
    display_name: str
    grants: tuple[Grant, ...]
    must_change_password: bool
    session_expires_us: int
    token_hash: str
    kind: Literal["person", "service"] = "person"
    scopes: frozenset[Right] | None = None
    desk_session: str | None = None
    session_id: str = ""
    method: Method = "password"
    desk_id: str | None = None
    must_enrol_totp: bool = False
    lent: tuple[Lent, ...] = ()

    def borrows(self, right: Right, footage: Footage, now_us: int) -> bool:
        """Whether these minutes are lent to them, to be played."""
        return (
            right is Right.PLAYBACK
            and self._within_scopes(frozenset({right})) == {right}
            and any(one.covers(footage, now_us) for one in self.lent)
        )

    def rights_at(self, place: Place, now_us: int) -> frozenset[Right]:
        """Every right that is held there and then."""
        return self._within_scopes(self.held_at(place, now_us))

    def held_at(self, place: Place, now_us: int) -> frozenset[Right]:
        """Every right that the grants give there and then, whatever the scopes leave of it."""
        return rights_of(self._covering(place, now_us))

    def all_rights(self, now_us: int) -> frozenset[Right]:
        """Every right that is held anywhere."""
        return self._within_scopes(rights_of(one for one in self.grants if one.in_force(now_us)))

    def areas_with(self, right: Right | None, now_us: int) -> list[str]:
        """The topmost area paths in which ``right`` (or any right) is held; [""] is everywhere."""
        paths = sorted(
            {
                grant.area_path
                for grant in self.grants
                if grant.in_force(now_us) and self._carries(grant, right)
            }
        )
        topmost: list[str] = []
        for path in paths:
            if not topmost or not path.startswith(topmost[-1]):
                topmost.append(path)
        return topmost

    def ptz_priority(self, place: Place, now_us: int) -> int:
        """1–100, the highest of the grants that let steer there; 0 where none does."""
        return max(
            (
                PTZ_PRIORITY if grant.ptz_priority is None else grant.ptz_priority
                for grant in self._covering(place, now_us)
                if self._carries(grant, Right.PTZ)
            ),
            default=0,
        )

    def _covering(self, place: Place, now_us: int) -> Iterator[Grant]:
        return (one for one in self.grants if one.in_force(now_us) and one.covers(place))

    def _carries(self, grant: Grant, right: Right | None) -> bool:
        carried = self._within_scopes(ROLE_RIGHTS[grant.role])
        return bool(carried) if right is None else right in carried

    def _within_scopes(self, rights: frozenset[Right]) -> frozenset[Right]:
        return rights if self.scopes is None else rights & self.scopes


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


def authorize(
    principal: Principal | None,
    right: Right,
    place: Place,
    now_us: int,
    footage: Footage | None = None,
) -> Decision:
    """Decide. A place where the principal holds no right at all is ``not_found`` to them.
    ``footage``: the minutes that are asked for, which may be lent to who holds nothing there.
    """
    if principal is None or principal.session_expires_us <= now_us:
        return Decision("sign_in_required")
    if principal.must_change_password:
        return Decision("password_change_required")
    if principal.must_enrol_totp:
        return Decision("totp_enrolment_required")
    rights = principal.rights_at(place, now_us)
    if right in rights:
        return Decision(None, Right.LIFT_MASKS in rights)
    if principal.desk_session is not None and right in principal.held_at(place, now_us):
        return Decision("full_sign_in_required")
    if footage is not None and principal.borrows(right, footage, now_us):
        return Decision(None)
    # The county has no secret existence: there it is plainly not allowed.
    return Decision("not_allowed" if rights or not place.area_path else "not_found")
