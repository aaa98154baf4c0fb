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
    # Read what was reported and how it was handled.
    INCIDENTS = "incidents"
    # Act on an incident that is given to one's unit.
    HANDLE = "handle"
    # Open incidents, give them to units, urge, merge, extend, close.
    DISPATCH = "dispatch"
    # Report from the field, with one's position while on duty.
    REPORT = "report"
    # Publish notices to the place and all below it.
    ANNOUNCE = "announce"
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
    AGENT = "agent"
    HANDLER = "handler"
    FIELD_WORKER = "field_worker"
    SYSTEM_ADMIN = "system_admin"


_OPERATING = frozenset(
    {
        Right.LIVE,
        Right.PLAYBACK,
        Right.SEARCH,
        Right.PTZ,
        Right.TALK,
        Right.BOOKMARK,
        Right.MEET,
        Right.INCIDENTS,
        Right.HANDLE,
    }
)

# All that a sign-in by PIN carries.
AT_THE_DESK = _OPERATING | {Right.DISPATCH}

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
        Right.INCIDENTS,
    }
)

ROLE_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.LIVE, Right.MEET}),
    Role.OPERATOR: _OPERATING,
    Role.INVESTIGATOR: _INVESTIGATING,
    # The second person, who approves what an investigator asks for.
    Role.SUPERVISOR: _INVESTIGATING | {Right.APPROVE},
    Role.AREA_ADMIN: _OPERATING
    | {
        Right.RESTREAM,
        Right.CONFIGURE,
        Right.GRANT,
        Right.USERS,
        Right.APPROVE,
        Right.CONVENE,
        Right.DISPATCH,
        Right.REPORT,
        Right.ANNOUNCE,
    },
    # Who watches the watchers needs no picture for it.
    Role.AUDITOR: frozenset({Right.AUDIT}),
    # Reads everything and changes nothing, not even a bookmark.
    Role.INSPECTOR: frozenset({Right.LIVE, Right.PLAYBACK, Right.AUDIT, Right.INCIDENTS}),
    # Another platform.
    Role.INTEGRATOR: frozenset({Right.LIVE, Right.PLAYBACK, Right.RESTREAM}),
    # The television of a village office, which nobody watches over: it sees no camera.
    Role.SITE: frozenset({Right.MEET}),
    Role.CONVENER: frozenset({Right.MEET, Right.CONVENE}),
    # A seat of the hotline, or of the command centre.
    Role.AGENT: frozenset(
        {
            Right.LIVE,
            Right.PLAYBACK,
            Right.MEET,
            Right.INCIDENTS,
            Right.HANDLE,
            Right.DISPATCH,
            Right.ANNOUNCE,
        }
    ),
    # Of a unit that has to do with no camera: the waterworks.
    Role.HANDLER: frozenset({Right.HANDLE}),
    Role.FIELD_WORKER: frozenset({Right.REPORT, Right.MEET}),
    Role.SYSTEM_ADMIN: frozenset(Right),
}

# Roles that make sense for the whole county only.
COUNTY_ROLES = frozenset({Role.SYSTEM_ADMIN})

# Who steers a camera gives way to a higher number. A grant without one has this.
PTZ_PRIORITY = 50
