"""Rights and the roles that carry them. A grant gives a role in an area and all below it."""

from __future__ import annotations

from enum import StrEnum

WHOLE_COUNTY = "*"


class Right(StrEnum):
    """What may be done with the cameras of an area, or with the system."""

    LIVE = "live"
    PLAYBACK = "playback"
    SEARCH = "search"
    EXPORT = "export"
    PTZ = "ptz"
    TALK = "talk"
    BOOKMARK = "bookmark"
    LIFT_MASKS = "lift_masks"
    HOLD = "hold"
    APPROVE = "approve"
    RESTREAM = "restream"
    # Join a meeting that one is invited to.
    MEET = "meet"
    # Call meetings of what is below, and lead those of the place.
    CONVENE = "convene"
    CONFIGURE = "configure"
    GRANT = "grant"
    AUDIT = "audit"
    USERS = "users"
    SYSTEM = "system"


class Role(StrEnum):
    """The roles that can be granted."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    INVESTIGATOR = "investigator"
    SUPERVISOR = "supervisor"
    AREA_ADMIN = "area_admin"
    AUDITOR = "auditor"
    INSPECTOR = "inspector"
    INTEGRATOR = "integrator"
    SITE = "site"
    CONVENER = "convener"
    SYSTEM_ADMIN = "system_admin"


# Also all that a sign-in by PIN carries.
AT_THE_DESK = frozenset(
    {
        Right.LIVE,
        Right.PLAYBACK,
        Right.SEARCH,
        Right.PTZ,
        Right.TALK,
        Right.BOOKMARK,
        Right.MEET,
    }
)

_INVESTIGATING = frozenset(
    {
        Right.LIVE,
        Right.PLAYBACK,
        Right.SEARCH,
        Right.EXPORT,
        Right.BOOKMARK,
        Right.LIFT_MASKS,
        Right.HOLD,
        Right.MEET,
    }
)

ROLE_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.LIVE, Right.MEET}),
    Role.OPERATOR: AT_THE_DESK,
    Role.INVESTIGATOR: _INVESTIGATING,
    # The second person, who approves what an investigator asks for.
    Role.SUPERVISOR: _INVESTIGATING | {Right.APPROVE},
    Role.AREA_ADMIN: AT_THE_DESK
    | {
        Right.RESTREAM,
        Right.CONFIGURE,
        Right.GRANT,
        Right.USERS,
        Right.APPROVE,
        Right.CONVENE,
    },
    # Who watches the watchers needs no picture for it.
    Role.AUDITOR: frozenset({Right.AUDIT}),
    # Reads everything and changes nothing, not even a bookmark.
    Role.INSPECTOR: frozenset({Right.LIVE, Right.PLAYBACK, Right.AUDIT}),
    # Another platform.
    Role.INTEGRATOR: frozenset({Right.LIVE, Right.PLAYBACK, Right.RESTREAM}),
    # The television of a village office, which nobody watches over: it sees no camera.
    Role.SITE: frozenset({Right.MEET}),
    Role.CONVENER: frozenset({Right.MEET, Right.CONVENE}),
    Role.SYSTEM_ADMIN: frozenset(Right),
}

# Roles that make sense for the whole county only.
COUNTY_ROLES = frozenset({Role.SYSTEM_ADMIN})

# Who steers a camera gives way to a higher number. A grant without one has this.
PTZ_PRIORITY = 50
