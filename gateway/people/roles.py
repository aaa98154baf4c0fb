"""Rights and the roles that carry them. A grant gives a role in an area and all below it."""

from __future__ import annotations

from enum import StrEnum

WHOLE_COUNTY = "*"


class Right(StrEnum):
    """What may be done with the cameras of an area, or with the system."""

    LIVE = "live"
    PLAYBACK = "playback"
    EXPORT = "export"
    PTZ = "ptz"
    BOOKMARK = "bookmark"
    LIFT_MASKS = "lift_masks"
    RESTREAM = "restream"
    CONFIGURE = "configure"
    AUDIT = "audit"
    SYSTEM = "system"
    USERS = "users"


class Role(StrEnum):
    """The roles that can be granted."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    INVESTIGATOR = "investigator"
    AREA_ADMIN = "area_admin"
    AUDITOR = "auditor"
    SYSTEM_ADMIN = "system_admin"


ROLE_RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.LIVE}),
    Role.OPERATOR: frozenset({Right.LIVE, Right.PLAYBACK, Right.PTZ, Right.BOOKMARK}),
    Role.INVESTIGATOR: frozenset(
        {Right.LIVE, Right.PLAYBACK, Right.EXPORT, Right.BOOKMARK, Right.LIFT_MASKS}
    ),
    Role.AREA_ADMIN: frozenset(
        {
            Right.LIVE,
            Right.PLAYBACK,
            Right.PTZ,
            Right.BOOKMARK,
            Right.RESTREAM,
            Right.CONFIGURE,
        }
    ),
    # Who watches the watchers needs no picture for it.
    Role.AUDITOR: frozenset({Right.AUDIT}),
    Role.SYSTEM_ADMIN: frozenset(Right),
}

# Roles that make sense for the whole county only.
COUNTY_ROLES = frozenset({Role.SYSTEM_ADMIN})
