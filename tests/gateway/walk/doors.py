"""Every route of the API, and who may use it: the table that the walk goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.identifiers import now_us
from gateway.people.roles import ROLE_RIGHTS, Right, Role

# Where a right is asked:
# "camera", "area", "account": at one of the first town; to people of another town it is unknown.
# "somewhere": anywhere at all. "county": for everything. "signed_in": everybody has their own.
# "own": what is one person's (``owner``) alone; others know nothing of it.
# "public": nobody needs to sign in. "ticket": another process asks for a ticket.
Place = Literal[
    "public", "ticket", "signed_in", "own", "camera", "area", "account", "somewhere", "county"
]
Body = dict[str, Any] | Callable[[dict[str, str]], dict[str, Any]] | None

ALLOWED = frozenset({200, 201, 202, 204})
# Allowed, but there is no media process in this test.
NO_PROCESS = frozenset({503})
NOT_FOUND = frozenset({404})
REFUSED = frozenset({403})

LOCAL_ROLES = [role for role in Role if role is not Role.SYSTEM_ADMIN]
# Nobody; who may everything; each role in the town of the camera; each in another town.
PEOPLE = [None, "system_admin", *LOCAL_ROLES, *(f"foreign_{role}" for role in LOCAL_ROLES)]


@dataclass(frozen=True)
class Access:
    """Who may: with any of which rights, at which place; and a request that is otherwise fine.

    ``hidden``: who holds other rights there is not told of it either. ``answers``: what some people
    get instead of what follows from the rest.
    """

    place: Place
    right: Right | tuple[Right, ...] | None = None
    body: Body = None
    query: dict[str, str] = field(default_factory=dict)
    allowed: frozenset[int] = ALLOWED
    hidden: bool = False
    owner: str = "investigator"
    answers: dict[str | None, frozenset[int]] = field(default_factory=dict)

    @property
    def rights(self) -> frozenset[Right]:
        """Any of these will do."""
        if isinstance(self.right, tuple):
            return frozenset(self.right)
        return frozenset() if self.right is None else frozenset({self.right})

    def expected(self, person: str | None) -> frozenset[int]:
        """The statuses that this person may get."""
        if person in self.answers:
            return self.answers[person]
        if self.place in ("public", "ticket"):
            return self.allowed
        if person is None:
            return frozenset({401})
        if self.place == "own":
            return self.allowed if person == self.owner else NOT_FOUND
        if person == "system_admin" or self.place == "signed_in":
            return self.allowed
        foreign = person.startswith("foreign_")
        held = ROLE_RIGHTS[Role(person.removeprefix("foreign_"))]
        holds = not self.rights or bool(self.rights & held)
        if self.place == "county":
            return REFUSED
        if self.place == "somewhere":
            return self.allowed if holds else REFUSED
        if self.place == "account" and not holds:
            # Who manages no account at all is told so; it says nothing about this one.
            return NOT_FOUND if self.hidden else REFUSED
        if foreign:
            return NOT_FOUND
        if holds:
            return self.allowed
        return NOT_FOUND if self.hidden else REFUSED


CAMERA_FORM = {"name": "新", "area_id": "{village}", "main_url": "rtsp://127.0.0.1:1/new"}
DOCUMENT = {"name": "四分屏", "shared": True, "document": {"grid": "2x2"}}
PLAYBACK = {"camera_ids": ["{camera}"], "start_us": 1, "end_us": 2}
RESTREAM = {"camera_id": "{camera}", "expires_in_s": 60, "addresses": ["10.0.0.0/8"]}
TIMELINE = {"camera_id": "{camera}", "start_us": "1", "end_us": "2"}
DAYS = {"camera_id": "{camera}", "from": "2026-11-01", "to": "2026-11-02"}
PERIOD = {"start_us": "1", "end_us": "2"}
CHANGE = {**TIMELINE, "points": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]}
HOLD = {"camera_id": "{camera}", "start_us": 1, "end_us": 2, "reason": "walk"}
BULK = {"select": {"camera_ids": ["{camera}"]}, "change": {"record": "off"}}
TOKEN = {"user_id": "{user_id}", "name": "平台", "scopes": ["live"], "expires_in_days": 1}
# Refused for what it is, but only after the question who asks; and without hashing a password.
WRONG = {"password": ""}
NOT_THEIRS = {"password": "not theirs"}
PLATFORM_FORM = {"kind": "onvif", "name": "录像机", "area_id": "{village}", "host": "127.0.0.1"}
SHARES = {"area_ids": ["{village}"], "camera_ids": ["{camera}"]}
CODE = {"kind": "camera", "id": "{camera}", "code": "34020000001327000042"}
WRONG_BOTH = {"password": "", "code": "000000"}
INVALID = frozenset({422})
# Outside the window that is asked about.
CLIP = {"camera_id": "{camera}", "start_us": 1, "end_us": 2}
# What looks at footage must be a viewer's business; members of a case see what is in it.
CASE_MEMBERS: dict[str | None, frozenset[int]] = {"system_admin": ALLOWED}
CASE_LEADS: dict[str | None, frozenset[int]] = {"system_admin": REFUSED}
VISIBLE_GRANT: dict[str | None, frozenset[int]] = {"auditor": REFUSED, "inspector": REFUSED}

ASKED_OF_DEVICE = Access("area", Right.CONFIGURE, allowed=NO_PROCESS)


def _export(names: dict[str, str]) -> dict[str, Any]:
    # So new that it may not be in the index yet: that there is no footage does not matter.
    end_us = now_us()
    return {"camera_ids": [names["camera"]], "start_us": end_us - 1_000_000, "end_us": end_us}


def _in_an_hour(_: dict[str, str]) -> dict[str, Any]:
    return {"expires_us": now_us() + 3_600_000_000}


SIGNING_IN: dict[tuple[str, str], Access] = {
    ("GET", "/api/sign-in"): Access("public"),
    # None is configured.
    ("POST", "/api/sign-in/oidc"): Access("public", body={}, allowed=NOT_FOUND),
    ("GET", "/api/sign-in/oidc/callback"): Access(
        "public", query={"state": "x", "code": "y"}, allowed=frozenset({303, 404})
    ),
    ("POST", "/api/desk/switch"): Access(
        "public", body={"user_id": "{user_id}", "pin": "194682"}, allowed=REFUSED
    ),
    ("POST", "/api/session"): Access(
        "public", body={"name": "nobody", "password": "x"}, allowed=frozenset({401, 429})
    ),
    ("GET", "/api/session"): Access("signed_in"),
    ("DELETE", "/api/session"): Access("signed_in"),
    ("POST", "/api/session/password"): Access(
        "signed_in", body={"old_password": "?" * 2000, "new_password": "?"}, allowed=INVALID
    ),
}
OWN_ACCOUNT: dict[tuple[str, str], Access] = {
    ("GET", "/api/account"): Access("signed_in"),
    ("POST", "/api/account/totp"): Access("signed_in", body=WRONG, allowed=INVALID),
    ("POST", "/api/account/totp/confirm"): Access(
        "signed_in", body={"code": "000000"}, allowed=frozenset({409})
    ),
    ("POST", "/api/account/totp/remove"): Access("signed_in", body=WRONG_BOTH, allowed=INVALID),
    ("POST", "/api/account/recovery-codes"): Access("signed_in", body=WRONG_BOTH, allowed=INVALID),
    ("PUT", "/api/account/pin"): Access(
        "signed_in", body={**WRONG, "pin": "194682"}, allowed=INVALID
    ),
    ("DELETE", "/api/account/pin"): Access("signed_in"),
    ("DELETE", "/api/account/identities/{identity_id}"): Access("signed_in", allowed=NOT_FOUND),
    ("GET", "/api/sessions"): Access("signed_in"),
    ("DELETE", "/api/sessions/{session_id}"): Access("account", Right.USERS),
    ("POST", "/api/sessions/close"): Access("account", Right.USERS, {"user_id": "{user_id}"}),
    ("GET", "/api/purposes"): Access("signed_in"),
    ("PUT", "/api/purposes/shift"): Access("signed_in", body={"code": "patrol"}),
    ("DELETE", "/api/purposes/shift"): Access("signed_in"),
}
PEOPLE_AND_GRANTS: dict[tuple[str, str], Access] = {
    ("GET", "/api/users"): Access("somewhere", Right.USERS),
    ("POST", "/api/users"): Access(
        "area", Right.USERS, {"name": "newcomer", "area_id": "{village}"}
    ),
    ("PATCH", "/api/users/{user_id}"): Access("account", Right.USERS, {"display_name": "x"}),
    ("DELETE", "/api/users/{user_id}"): Access("account", Right.USERS),
    ("GET", "/api/users/{user_id}/cameras"): Access(
        "account", (Right.USERS, Right.AUDIT), hidden=True
    ),
    ("GET", "/api/users/{user_id}/security"): Access("account", Right.USERS),
    ("POST", "/api/users/{user_id}/unlock"): Access("account", Right.USERS),
    ("POST", "/api/users/{user_id}/totp/reset"): Access("account", Right.USERS),
    ("GET", "/api/grants"): Access("signed_in"),
    ("POST", "/api/grants"): Access(
        "area", Right.GRANT, {"user_id": "{user_id}", "role": "viewer", "area_id": "{village}"}
    ),
    ("DELETE", "/api/grants/{grant_id}"): Access(
        "area", Right.GRANT, hidden=True, answers=VISIBLE_GRANT
    ),
    ("GET", "/api/tokens"): Access("somewhere", Right.USERS),
    ("POST", "/api/tokens"): Access("account", Right.USERS, TOKEN),
    ("DELETE", "/api/tokens/{token_id}"): Access("account", Right.USERS),
    ("GET", "/api/desks"): Access("signed_in"),
    ("POST", "/api/desks"): Access("area", Right.USERS, {"name": "值班台", "area_id": "{village}"}),
    ("PATCH", "/api/desks/{desk_id}"): Access("area", Right.USERS, {"name": "一号台"}),
    ("DELETE", "/api/desks/{desk_id}"): Access("area", Right.USERS),
    ("DELETE", "/api/desks/{desk_id}/people/{user_id}"): Access("area", Right.USERS),
    ("GET", "/api/desks/{desk_id}/items"): Access("area", Right.LIVE),
    ("POST", "/api/desks/{desk_id}/items"): Access("area", Right.LIVE, {"text": "灯坏了"}),
    ("POST", "/api/desks/{desk_id}/items/{item_id}/close"): Access(
        "area", Right.LIVE, {"resolution": "好了"}
    ),
    ("GET", "/api/desks/{desk_id}/handovers"): Access("area", Right.LIVE),
    ("POST", "/api/desks/{desk_id}/handovers"): Access(
        "area",
        Right.LIVE,
        {"to_user_id": "{user_id}", "summary": "x", **NOT_THEIRS},
        allowed=INVALID,
    ),
    # It is for one person, and by another.
    ("POST", "/api/handovers/{handover_id}/take"): Access(
        "own",
        body=NOT_THEIRS,
        allowed=INVALID,
        # They know the area and look at nothing there.
        answers=dict.fromkeys(
            (role for role in LOCAL_ROLES if Right.LIVE not in ROLE_RIGHTS[role]), REFUSED
        ),
    ),
    ("POST", "/api/handovers/{handover_id}/withdraw"): Access(
        "area", Right.SYSTEM, answers={"system_admin": REFUSED, "operator": ALLOWED}
    ),
}
AREAS_AND_CAMERAS: dict[tuple[str, str], Access] = {
    ("GET", "/api/areas"): Access("signed_in"),
    ("GET", "/api/areas/search"): Access("signed_in", query={"query": "spz"}),
    ("POST", "/api/areas"): Access(
        "area", Right.CONFIGURE, {"parent_id": "{village}", "name": "一组"}
    ),
    ("PATCH", "/api/areas/{area_id}"): Access("area", Right.CONFIGURE, {"name": "彭墩"}),
    ("DELETE", "/api/areas/{area_id}"): Access("area", Right.CONFIGURE, allowed=frozenset({409})),
    ("GET", "/api/cameras"): Access("signed_in"),
    ("POST", "/api/cameras"): Access("area", Right.CONFIGURE, CAMERA_FORM),
    ("GET", "/api/cameras/{camera_id}"): Access("camera"),
    ("PATCH", "/api/cameras/{camera_id}"): Access("camera", Right.CONFIGURE, {"name": "村口二"}),
    ("DELETE", "/api/cameras/{camera_id}"): Access("camera", Right.CONFIGURE),
    ("POST", "/api/cameras/bulk"): Access("camera", Right.CONFIGURE, BULK),
    ("GET", "/api/cameras/{camera_id}/devices"): Access("camera", Right.CONFIGURE),
    ("POST", "/api/cameras/{camera_id}/replace"): Access(
        "camera", Right.CONFIGURE, {"main_url": "rtsp://127.0.0.1:1/other"}
    ),
    ("GET", "/api/cameras/{camera_id}/people"): Access("camera", (Right.GRANT, Right.AUDIT)),
    ("GET", "/api/cameras/{camera_id}/masks"): Access("camera", Right.LIVE),
    ("PUT", "/api/cameras/{camera_id}/masks"): Access(
        "camera", Right.CONFIGURE, {"version": 0, "masks": []}, allowed=frozenset({200, 409})
    ),
    ("GET", "/api/cameras/{camera_id}/zones"): Access("camera", Right.LIVE),
    ("PUT", "/api/cameras/{camera_id}/zones"): Access(
        "camera", Right.CONFIGURE, {"version": 0, "zones": []}, allowed=frozenset({200, 409})
    ),
    ("GET", "/api/zones/events"): Access(
        "camera", Right.LIVE, query={"camera_id": "{camera}", **PERIOD}
    ),
    ("GET", "/api/cameras/{camera_id}/masks/history"): Access(
        "camera", (Right.CONFIGURE, Right.AUDIT)
    ),
    ("POST", "/api/cameras/{camera_id}/clock/accept"): Access(
        "camera", Right.CONFIGURE, allowed=NO_PROCESS
    ),
    ("GET", "/api/url-templates"): Access("somewhere", Right.CONFIGURE),
    ("POST", "/api/cameras/test"): Access(
        "somewhere", Right.CONFIGURE, {"main_url": "rtsp://127.0.0.1:1/"}
    ),
    ("GET", "/api/sheets/{kind}.{form}"): Access("somewhere", Right.CONFIGURE),
    ("POST", "/api/sheets/{kind}/imports"): Access("somewhere", Right.CONFIGURE),
    # Somebody else's, or nobody's: imports are one's own.
    ("GET", "/api/imports/{import_id}"): Access("signed_in", allowed=NOT_FOUND),
    ("POST", "/api/imports/{import_id}/apply"): Access("signed_in", allowed=NOT_FOUND),
    ("DELETE", "/api/imports/{import_id}"): Access("signed_in", allowed=NOT_FOUND),
    ("GET", "/api/imports/{import_id}/passwords.csv"): Access("signed_in", allowed=NOT_FOUND),
}
PROBE_MANY = {
    "kind": "onvif",
    "targets": [{"host": "10.0.0.1", "port": 1}],
    "username": "admin",
    "password": "p",
}
PLATFORMS: dict[tuple[str, str], Access] = {
    ("GET", "/api/platform-kinds"): Access("somewhere", Right.CONFIGURE),
    ("GET", "/api/platforms"): Access("somewhere", Right.CONFIGURE),
    ("POST", "/api/platforms"): Access("area", Right.CONFIGURE, PLATFORM_FORM),
    ("GET", "/api/platforms/{platform_id}"): Access("area", Right.CONFIGURE),
    ("PATCH", "/api/platforms/{platform_id}"): Access("area", Right.CONFIGURE, {"name": "硬盘机"}),
    ("DELETE", "/api/platforms/{platform_id}"): Access("area", Right.CONFIGURE),
    ("GET", "/api/platforms/{platform_id}/channels"): Access("area", Right.CONFIGURE),
    ("POST", "/api/platforms/{platform_id}/cameras"): Access(
        "area", Right.CONFIGURE, {"area_id": "{village}", "channels": [{"code": "{channel}"}]}
    ),
    ("GET", "/api/platforms/{above_id}/shares"): Access("area", Right.SYSTEM),
    ("PUT", "/api/platforms/{above_id}/shares"): Access("area", Right.SYSTEM, SHARES),
    ("GET", "/api/platforms/{above_id}/codes"): Access("area", Right.SYSTEM),
    ("PUT", "/api/platforms/{above_id}/codes"): Access("area", Right.SYSTEM, CODE),
    ("POST", "/api/platforms/{platform_id}/refresh"): ASKED_OF_DEVICE,
    ("GET", "/api/platforms/{platform_id}/time"): ASKED_OF_DEVICE,
    ("POST", "/api/platforms/{platform_id}/time"): ASKED_OF_DEVICE,
    ("POST", "/api/platforms/{platform_id}/reboot"): ASKED_OF_DEVICE,
    ("POST", "/api/platforms/probe"): Access(
        "somewhere", Right.CONFIGURE, {"kind": "onvif", "host": "10.0.0.1"}, allowed=NO_PROCESS
    ),
    ("POST", "/api/platforms/probe-many"): Access("somewhere", Right.CONFIGURE, PROBE_MANY),
    ("POST", "/api/platforms/discovery"): Access("somewhere", Right.CONFIGURE, {}),
    ("GET", "/api/platforms/applicants"): Access("county", Right.SYSTEM),
    ("DELETE", "/api/platforms/applicants/{kind}/{code}"): Access("county", Right.SYSTEM),
    ("GET", "/api/cameras/{camera_id}/encoder"): Access(
        "camera", Right.CONFIGURE, allowed=NO_PROCESS
    ),
    ("PATCH", "/api/cameras/{camera_id}/encoder"): Access(
        "camera", Right.CONFIGURE, {"variant": "main", "gop_pictures": 50}, allowed=NO_PROCESS
    ),
}
PATROL = {"name": "夜巡", "steps": [{"preset": "1"}, {"preset": "2", "dwell_s": 20}]}
SWITCH = {"name": "村口交换机", "area_id": "{village}", "networks": ["10.1.2.0/24"]}
ALARM_RULE = {"name": "夜间", "area_id": "{village}", "steps": [{"roles": ["operator"]}]}
STEERED = Access("camera", Right.PTZ, {"action": "stop"}, allowed=NO_PROCESS)
NAMED = Access("camera", Right.PTZ, {"name": "路口"}, allowed=NO_PROCESS)
OPERATING: dict[tuple[str, str], Access] = {
    ("GET", "/api/cameras/{camera_id}/ptz"): Access("camera", Right.LIVE),
    ("POST", "/api/cameras/{camera_id}/ptz"): STEERED,
    ("POST", "/api/cameras/{camera_id}/ptz/take"): Access(
        "camera", Right.PTZ, {}, allowed=NO_PROCESS
    ),
    ("DELETE", "/api/cameras/{camera_id}/ptz"): Access("camera", Right.PTZ, allowed=NO_PROCESS),
    ("PUT", "/api/cameras/{camera_id}/ptz/home"): Access(
        "camera", Right.CONFIGURE, {"preset": "1", "after_s": 60}
    ),
    ("GET", "/api/cameras/{camera_id}/presets"): Access("camera", Right.LIVE, allowed=NO_PROCESS),
    ("POST", "/api/cameras/{camera_id}/presets"): NAMED,
    ("PUT", "/api/cameras/{camera_id}/presets/{token}"): NAMED,
    ("PATCH", "/api/cameras/{camera_id}/presets/{token}"): Access(
        "camera", Right.PTZ, {"name": "路口"}
    ),
    ("DELETE", "/api/cameras/{camera_id}/presets/{token}"): Access(
        "camera", Right.PTZ, allowed=NO_PROCESS
    ),
    ("GET", "/api/cameras/{camera_id}/patrols"): Access("camera", Right.LIVE),
    ("POST", "/api/cameras/{camera_id}/patrols"): Access("camera", Right.CONFIGURE, PATROL),
    ("PUT", "/api/patrols/{patrol_id}"): Access("camera", Right.CONFIGURE, PATROL),
    ("POST", "/api/patrols/{patrol_id}/start"): Access("camera", Right.PTZ),
    ("POST", "/api/patrols/{patrol_id}/stop"): Access("camera", Right.PTZ),
    ("DELETE", "/api/patrols/{patrol_id}"): Access("camera", Right.CONFIGURE),
    # It looks at what it can, and says so line by line.
    ("POST", "/api/cameras/{camera_id}/diagnosis"): Access("camera", Right.CONFIGURE),
    ("GET", "/api/device-events"): Access("signed_in"),
    ("GET", "/api/alarms"): Access("signed_in"),
    ("GET", "/api/alarms/{alarm_id}"): Access("camera", Right.LIVE),
    ("POST", "/api/alarms/{alarm_id}/acknowledge"): Access("camera", Right.BOOKMARK, {}),
    ("POST", "/api/alarms/{alarm_id}/snooze"): Access("camera", Right.BOOKMARK, {"until_us": None}),
    ("POST", "/api/alarms/{alarm_id}/escalate"): Access(
        "camera", Right.BOOKMARK, {"words": "没有人应答"}, allowed=frozenset({200, 409})
    ),
    ("GET", "/api/alarm-rules"): Access("somewhere", Right.CONFIGURE),
    ("GET", "/api/alarm-rules/channels"): Access("somewhere", Right.CONFIGURE),
    ("POST", "/api/alarm-rules"): Access("area", Right.CONFIGURE, ALARM_RULE),
    ("PUT", "/api/alarm-rules/{alarm_rule_id}"): Access("area", Right.CONFIGURE, ALARM_RULE),
    ("DELETE", "/api/alarm-rules/{alarm_rule_id}"): Access("area", Right.CONFIGURE),
    ("GET", "/api/switches"): Access("somewhere", Right.CONFIGURE),
    ("POST", "/api/switches"): Access("area", Right.CONFIGURE, SWITCH),
    ("PUT", "/api/switches/{switch_id}"): Access("area", Right.CONFIGURE, SWITCH),
    ("DELETE", "/api/switches/{switch_id}"): Access("area", Right.CONFIGURE),
}
LOOKING: dict[tuple[str, str], Access] = {
    ("POST", "/api/live"): Access(
        "camera", Right.LIVE, {"camera_id": "{camera}"}, allowed=NO_PROCESS
    ),
    ("POST", "/api/cameras/{camera_id}/talk"): Access("camera", Right.TALK, {}, allowed=NO_PROCESS),
    ("GET", "/api/cameras/{camera_id}/snapshot.jpg"): Access(
        "camera", Right.LIVE, allowed=NO_PROCESS
    ),
    ("POST", "/api/restreams"): Access(
        "camera", Right.RESTREAM, RESTREAM, allowed=frozenset({409})
    ),
    ("GET", "/api/restreams"): Access("signed_in"),
    ("DELETE", "/api/restreams/{restream_id}"): Access("camera", Right.RESTREAM),
    ("GET", "/api/timeline"): Access("camera", Right.PLAYBACK, query=TIMELINE),
    ("GET", "/api/timeline/device"): Access("camera", Right.PLAYBACK, query=TIMELINE),
    ("GET", "/api/timeline/days"): Access("camera", Right.PLAYBACK, query=DAYS),
    ("POST", "/api/playback"): Access("camera", Right.PLAYBACK, PLAYBACK, allowed=NO_PROCESS),
    ("GET", "/api/sightings"): Access("somewhere", Right.SEARCH, query=PERIOD),
    ("GET", "/api/sightings/checkpoints"): Access("somewhere", Right.SEARCH),
    ("GET", "/api/sightings/{sighting_id}/pictures/{number}"): Access("camera", Right.SEARCH),
}
EVIDENCE: dict[tuple[str, str], Access] = {
    ("GET", "/api/cases"): Access("signed_in"),
    ("POST", "/api/cases"): Access(
        "area",
        Right.HOLD,
        {"number": "新", "title": "x", "area_id": "{village}"},
        allowed=frozenset({201, 409}),
    ),
    ("GET", "/api/cases/{case_id}"): Access("own", answers=CASE_MEMBERS),
    ("PATCH", "/api/cases/{case_id}"): Access("own", body={"title": "y"}, answers=CASE_LEADS),
    ("POST", "/api/cases/{case_id}/notes"): Access("own", body={"text": "n"}, answers=CASE_LEADS),
    ("POST", "/api/cases/{case_id}/items"): Access(
        "own", body={"camera_id": "{camera}", "start_us": 1, "end_us": 2}, answers=CASE_LEADS
    ),
    ("DELETE", "/api/cases/{case_id}/items/{item_id}"): Access("own", answers=CASE_LEADS),
    ("PUT", "/api/cases/{case_id}/members/{name}"): Access("own", body={}, answers=CASE_LEADS),
    ("DELETE", "/api/cases/{case_id}/members/{name}"): Access("own", answers=CASE_LEADS),
    ("POST", "/api/cases/{case_id}/close"): Access(
        "own", body={"note": "fertig", "release_holds": False}, answers=CASE_LEADS
    ),
    ("POST", "/api/cases/{case_id}/reopen"): Access("own", answers=CASE_LEADS),
    ("GET", "/api/holds"): Access("signed_in"),
    ("POST", "/api/holds"): Access("camera", Right.HOLD, HOLD),
    ("PATCH", "/api/holds/{hold_id}"): Access("camera", Right.HOLD, _in_an_hour),
    ("POST", "/api/holds/{hold_id}/release"): Access(
        "camera", Right.HOLD, {"reason": "x"}, allowed=frozenset({200, 409})
    ),
    ("GET", "/api/exports"): Access("signed_in"),
    ("POST", "/api/exports"): Access("camera", Right.EXPORT, _export),
    ("GET", "/api/exports/{export_id}"): Access("own", answers=CASE_MEMBERS),
    ("POST", "/api/exports/{export_id}/download"): Access(
        "own", body={}, allowed=frozenset({409}), answers={"system_admin": frozenset({409})}
    ),
    ("POST", "/api/exports/{export_id}/cancel"): Access(
        "own", answers={"system_admin": frozenset({200, 409})}
    ),
    ("GET", "/api/evidence/key"): Access("signed_in"),
    ("GET", "/api/evidence/verifier.html"): Access("signed_in"),
}
KEPT: dict[tuple[str, str], Access] = {
    ("GET", "/api/bookmarks"): Access("signed_in"),
    ("POST", "/api/bookmarks"): Access(
        "camera", Right.BOOKMARK, {"camera_id": "{camera}", "at_us": 1}
    ),
    # Somebody else's bookmark: only who configures the area may touch it, and who may not play the
    # camera back is not told of it.
    **{
        (method, "/api/bookmarks/{bookmark_id}"): Access(
            "camera",
            Right.CONFIGURE,
            {"note": "!"} if method == "PATCH" else None,
            answers={
                role: NOT_FOUND for role in LOCAL_ROLES if Right.PLAYBACK not in ROLE_RIGHTS[role]
            },
        )
        for method in ("PATCH", "DELETE")
    },
    ("GET", "/api/layouts"): Access("signed_in"),
    ("POST", "/api/layouts"): Access("signed_in", body=DOCUMENT),
    # Another user's shared layout: everybody sees it, only a system administrator replaces it.
    ("PUT", "/api/layouts/{document_id}"): Access("county", Right.USERS, DOCUMENT),
    ("DELETE", "/api/layouts/{document_id}"): Access("county", Right.USERS),
    ("GET", "/api/tours"): Access("signed_in"),
    ("POST", "/api/tours"): Access("signed_in", body=DOCUMENT),
    ("PUT", "/api/tours/{document_id}"): Access("county", Right.USERS, DOCUMENT),
    ("DELETE", "/api/tours/{document_id}"): Access("county", Right.USERS),
    ("GET", "/api/wall/{screen}"): Access("signed_in"),
    ("PUT", "/api/wall/{screen}"): Access("signed_in", body={"document": {}}),
}
ANALYSIS: dict[tuple[str, str], Access] = {
    ("GET", "/api/analysis"): Access("somewhere", (Right.SEARCH, Right.CONFIGURE)),
    ("PATCH", "/api/cameras/{camera_id}/analysis"): Access(
        "camera", Right.CONFIGURE, {"mode": "off"}
    ),
    ("GET", "/api/analysis/boxes"): Access(
        "camera", Right.LIVE, query={"camera_id": "{camera}"}, allowed=NO_PROCESS
    ),
    ("GET", "/api/analysis/jobs"): Access("somewhere", (Right.SEARCH, Right.CONFIGURE)),
    ("POST", "/api/analysis/jobs"): Access(
        "camera", Right.SEARCH, {"camera_ids": ["{camera}"], "start_us": 1, "end_us": 2}
    ),
    ("GET", "/api/analysis/jobs/{job_id}"): Access("camera", (Right.SEARCH, Right.CONFIGURE)),
    # Somebody else's; and once it is called off it is over.
    ("DELETE", "/api/analysis/jobs/{job_id}"): Access(
        "camera", Right.CONFIGURE, allowed=frozenset({204, 409})
    ),
}
RUNNING: dict[tuple[str, str], Access] = {
    ("GET", "/api/audit"): Access("somewhere", Right.AUDIT),
    ("GET", "/api/audit.csv"): Access("somewhere", Right.AUDIT),
    ("GET", "/api/audit/actions"): Access("somewhere", Right.AUDIT),
    ("GET", "/api/audit/report"): Access("somewhere", Right.AUDIT, query=PERIOD),
    ("GET", "/api/audit/report.csv"): Access("somewhere", Right.AUDIT, query=PERIOD),
    ("GET", "/api/audit/state"): Access("somewhere", Right.AUDIT),
    ("GET", "/api/retention"): Access("somewhere", (Right.AUDIT, Right.CONFIGURE)),
    ("GET", "/api/retention.csv"): Access("somewhere", (Right.AUDIT, Right.CONFIGURE)),
    ("POST", "/api/retention/proof"): Access("somewhere", (Right.AUDIT, Right.CONFIGURE)),
    ("GET", "/api/forecast"): Access("somewhere", (Right.AUDIT, Right.CONFIGURE)),
    ("GET", "/api/forecast/days"): Access("somewhere", (Right.AUDIT, Right.CONFIGURE)),
    ("GET", "/api/forecast/cameras/{camera_id}"): Access(
        "somewhere", (Right.AUDIT, Right.CONFIGURE), allowed=ALLOWED | NOT_FOUND
    ),
    ("GET", "/api/forecast.{form}"): Access("somewhere", (Right.AUDIT, Right.CONFIGURE)),
    ("GET", "/api/system"): Access("county", Right.SYSTEM),
    ("GET", "/metrics"): Access("county", Right.SYSTEM),
    ("GET", "/healthz"): Access("public", allowed=frozenset({200, 503})),
    ("GET", "/trusted"): Access("public"),
    ("GET", "/docs"): Access("public"),
    ("GET", "/docs/style.css"): Access("public"),
    ("GET", "/openapi.json"): Access("public"),
    # The process behind it asks for a ticket; here there is none.
    **{
        (method, "/s/{name}/{path:path}"): Access("ticket", allowed=NOT_FOUND)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    },
    # Codecs of meetings: the process asks for the device's token.
    **{
        (method, path): Access("ticket", allowed=NOT_FOUND | {409})
        for method in ("POST", "PATCH", "DELETE", "OPTIONS")
        for path in ("/m/{meeting_id}/{way}", "/m/{meeting_id}/{way}/{resource_id}")
    },
    ("GET", "/{path:path}"): Access("public", allowed=frozenset({200, 503})),
    # Refused in test_every_door.py.
    ("WEBSOCKET", "/api/events"): Access("signed_in"),
    ("WEBSOCKET", "/s/{name}/{path:path}"): Access("ticket"),
}

# Members of the case may; who may approve is told so, others know nothing of it.
APPROVERS: dict[str | None, frozenset[int]] = {
    "system_admin": REFUSED, "supervisor": REFUSED, "area_admin": REFUSED,
}  # fmt: skip
ASKER: dict[str | None, frozenset[int]] = {"investigator": ALLOWED}
DECIDED = frozenset({200, 409})
MEMBER_DECIDES: dict[str | None, frozenset[int]] = {"investigator": DECIDED}


def _searched(_: dict[str, str]) -> dict[str, Any]:
    at_us = now_us()
    return {"start_us": at_us - 3_600_000_000, "end_us": at_us}


def _asked(names: dict[str, str]) -> dict[str, Any]:
    return {
        "kind": "trail", "case_id": names["case_id"], "reason": "老人走失",
        "expires_us": now_us() + 3_600_000_000,
    }  # fmt: skip


def _asked_for_help(names: dict[str, str]) -> dict[str, Any]:
    at_us = now_us()
    return {
        "case_id": names["case_id"], "title": "走失老人", "words": "黑色棉袄",
        "start_us": at_us - 3_600_000_000, "end_us": at_us,
        "deadline_us": at_us + 3_600_000_000, "area_ids": [names["village"]],
    }  # fmt: skip


def _in_two_hours(_: dict[str, str]) -> dict[str, Any]:
    return {"deadline_us": now_us() + 7_200_000_000, "note": "再查一夜"}


# Who may approve in all areas that are asked, the members of the case, and the clerks there.
KNOWS_OF_IT: dict[str | None, frozenset[int]] = {"investigator": ALLOWED}
NO_APPROVER = {"supervisor": REFUSED, "area_admin": REFUSED, "system_admin": REFUSED}

ASSISTING: dict[tuple[str, str], Access] = {
    ("GET", "/api/assist"): Access("signed_in"),
    ("GET", "/api/assist/areas"): Access("somewhere", Right.SEARCH),
    # Nothing was sent.
    ("POST", "/api/assist/photos"): Access("somewhere", Right.SEARCH, allowed=INVALID),
    ("GET", "/api/assist/photos/{assist_photo_id}/picture"): Access(
        "area", Right.PLAYBACK, hidden=True
    ),
    ("POST", "/api/assist"): Access(
        "somewhere",
        Right.SEARCH,
        _asked_for_help,
        answers={
            "system_admin": REFUSED,
            # Others know nothing of the case.
            **dict.fromkeys(
                (
                    person
                    for person in PEOPLE
                    if person not in (None, "system_admin", "investigator")
                    and Right.SEARCH in ROLE_RIGHTS[Role(person.removeprefix("foreign_"))]
                ),
                NOT_FOUND,
            ),
        },
    ),
    ("GET", "/api/assist/{assist_id}"): Access("area", Right.PLAYBACK, hidden=True),
    ("GET", "/api/assist/{assist_id}/areas/{asked_area}"): Access(
        "area", Right.PLAYBACK, hidden=True
    ),
    ("POST", "/api/assist/{assist_id}/areas/{asked_area}/clips"): Access(
        "area", Right.PLAYBACK, CLIP, hidden=True, allowed=INVALID
    ),
    ("POST", "/api/assist/{assist_id}/areas/{asked_area}/answer"): Access(
        "area", Right.PLAYBACK, {"state": "not_seen"}, hidden=True
    ),
    ("GET", "/api/assist/{assist_id}/summary.xlsx"): Access(
        "area", Right.APPROVE, hidden=True, answers=KNOWS_OF_IT
    ),
    ("POST", "/api/assist/{assist_id}/remind"): Access(
        "own", body={}, allowed=DECIDED, answers=NO_APPROVER
    ),
    ("POST", "/api/assist/{assist_id}/extend"): Access(
        "own", body=_in_two_hours, allowed=frozenset({200, 422}), answers=NO_APPROVER
    ),
    # It is open: of approving another tells tests/gateway/api/test_assist.py.
    ("POST", "/api/assist/{assist_id}/approve"): Access(
        "area", Right.APPROVE, {}, hidden=True, allowed=frozenset({409}),
        answers={"investigator": REFUSED},
    ),
    ("POST", "/api/assist/{assist_id}/refuse"): Access(
        "area", Right.APPROVE, {"note": "理由不足"}, hidden=True, allowed=frozenset({409}),
        answers={"investigator": REFUSED},
    ),
    # What it came to is for the asker alone to say; nothing else is, so that others go on.
    ("POST", "/api/assist/{assist_id}/close"): Access(
        "own", body={"outcome": "nothing", "note": "x"}, allowed=INVALID,
        answers=dict.fromkeys((one for one in PEOPLE if one is not None), INVALID),
    ),
}  # fmt: skip

SEARCHING: dict[tuple[str, str], Access] = {
    ("POST", "/api/search"): Access("somewhere", Right.SEARCH, _searched),
    ("POST", "/api/search/change"): Access("camera", Right.SEARCH, CHANGE, allowed=NO_PROCESS),
    ("GET", "/api/search/passages/{passage_id}"): Access("camera", Right.SEARCH),
    ("GET", "/api/search/passages/{passage_id}/crop"): Access("camera", Right.SEARCH),
    ("POST", "/api/search/looks"): Access(
        "camera", Right.SEARCH, {"camera_id": "{camera}"}, allowed=NO_PROCESS
    ),
    # Somebody's own, and gone in an hour.
    ("GET", "/api/search/looks/{look_id}/picture"): Access("own"),
    ("POST", "/api/search/passages/{passage_id}/also-seen"): Access(
        "camera",
        Right.SEARCH,
        {"request_id": "{trail_request}"},
        answers={**APPROVERS, "operator": NOT_FOUND},
    ),
    ("GET", "/api/search/requests"): Access("signed_in"),
    ("POST", "/api/search/requests"): Access("own", body=_asked, answers={"system_admin": REFUSED}),
    ("GET", "/api/search/requests/{request_id}"): Access(
        "area", Right.APPROVE, hidden=True, answers=ASKER
    ),
    ("GET", "/api/search/requests/{request_id}/matches"): Access("own", answers=APPROVERS),
    ("POST", "/api/search/requests/{request_id}/break-glass"): Access(
        "own", body={"reason": "人命关天"}, allowed=DECIDED, answers=APPROVERS
    ),
    ("POST", "/api/search/requests/{request_id}/review"): Access(
        "area",
        Right.APPROVE,
        {"justified": True, "note": "属实"},
        hidden=True,
        allowed=DECIDED,
        answers={"investigator": REFUSED},
    ),
    ("POST", "/api/search/requests/{request_id}/approve"): Access(
        "area",
        Right.APPROVE,
        {},
        hidden=True,
        allowed=DECIDED,
        answers={"investigator": REFUSED},
    ),
    ("POST", "/api/search/requests/{request_id}/refuse"): Access(
        "area",
        Right.APPROVE,
        {"note": "理由不足"},
        hidden=True,
        allowed=DECIDED,
        answers={"investigator": REFUSED},
    ),
    ("POST", "/api/search/requests/{request_id}/end"): Access(
        "area", Right.APPROVE, {}, hidden=True, allowed=DECIDED, answers=MEMBER_DECIDES
    ),
    ("GET", "/api/search/photos"): Access(
        "own", query={"request_id": "{photo_request}"}, answers=APPROVERS
    ),
    # Nothing was sent.
    ("POST", "/api/search/photos"): Access(
        "own", query={"request_id": "{photo_request}"}, allowed=INVALID, answers=APPROVERS
    ),
    ("GET", "/api/search/photos/{photo_id}"): Access("own", answers=APPROVERS),
    ("GET", "/api/search/photos/{photo_id}/picture"): Access("own", answers=APPROVERS),
    ("DELETE", "/api/search/photos/{photo_id}"): Access("own", answers=APPROVERS),
    ("GET", "/api/search/trails"): Access("signed_in"),
    ("POST", "/api/search/trails"): Access(
        "own", body={"request_id": "{trail_request}", "title": "去向"}, answers=APPROVERS
    ),
    ("GET", "/api/search/trails/{trail_id}"): Access("own"),
    ("PATCH", "/api/search/trails/{trail_id}"): Access("own", body={"title": "去向二"}),
    ("POST", "/api/search/trails/{trail_id}/points"): Access(
        "own", body={"passage_id": "{passage_id}"}, allowed=DECIDED
    ),
    ("POST", "/api/search/trails/{trail_id}/attach"): Access("own", body={}),
    ("DELETE", "/api/search/trails/{trail_id}/points/{point_id}"): Access("own"),
    ("DELETE", "/api/search/trails/{trail_id}"): Access("own"),
}

# The meeting is the town's, and the town sits in it as a site: who may meet there knows of it, who
# convenes there leads it.
SITS: dict[str | None, frozenset[int]] = dict.fromkeys(
    (role for role in LOCAL_ROLES if ROLE_RIGHTS[role] & {Right.MEET}), REFUSED
)
LEADS = {one: status for one, status in SITS.items() if one not in ("area_admin", "convener")}
NOT_JOINED = frozenset({409})
# Whoever may hold footage in the town may hold the town's recordings, and read what there is.
HOLDS = {
    one: status
    for one, status in LEADS.items()
    if one is not None and not ROLE_RIGHTS[Role(one)] & {Right.HOLD}
}
INVITED = {"only_area_ids": ["{village}"]}


def _led(body: Body = None, allowed: frozenset[int] = ALLOWED) -> Access:
    return Access("area", Right.CONVENE, body, hidden=True, allowed=allowed, answers=LEADS)


def _known(
    body: Body = None,
    allowed: frozenset[int] = ALLOWED,
    admin: frozenset[int] | None = None,
) -> Access:
    answers: dict[str | None, frozenset[int]] = {} if admin is None else {"system_admin": admin}
    return Access("area", Right.MEET, body, hidden=True, allowed=allowed, answers=answers)


def _held(body: Body = None) -> Access:
    return Access(
        "area",
        (Right.CONVENE, Right.HOLD),
        body,
        # Somebody has done so before.
        allowed=ALLOWED | NOT_JOINED,
    )


def _passed(names: dict[str, str]) -> dict[str, Any]:
    return {"area_ids": [names["village"]], "reason": "学习", **_in_an_hour(names)}


RECORDED = "/api/meetings/{meeting_id}/recordings"
RECORDINGS: dict[tuple[str, str], Access] = {
    ("GET", "/api/meeting-recordings"): Access("signed_in"),
    ("GET", RECORDED): _led(),
    ("GET", f"{RECORDED}/{{recording_id}}"): Access(
        "area", (Right.CONVENE, Right.HOLD), hidden=True, answers=HOLDS
    ),
    ("POST", f"{RECORDED}/{{recording_id}}/playback"): _led({}, NO_PROCESS),
    # It still runs.
    ("POST", f"{RECORDED}/{{recording_id}}/render"): _led({}, NOT_JOINED),
    ("POST", f"{RECORDED}/{{recording_id}}/download"): _led(allowed=NOT_JOINED),
    ("PUT", f"{RECORDED}/{{recording_id}}/hold"): _held({"reason": "诉讼"}),
    ("DELETE", f"{RECORDED}/{{recording_id}}/hold"): _held(),
    ("POST", f"{RECORDED}/stop"): _led(),
    ("POST", RECORDED): _led(),
    ("GET", "/api/meetings/{meeting_id}/passes"): _led(),
    ("POST", "/api/meetings/{meeting_id}/passes"): _led(_passed),
    ("DELETE", "/api/meetings/{meeting_id}/passes/{pass_id}"): _led(),
}
MEETING: dict[tuple[str, str], Access] = {
    ("GET", "/api/meetings"): Access("signed_in"),
    ("GET", "/api/meetings/people"): Access("signed_in"),
    ("POST", "/api/meetings"): Access(
        "area", Right.CONVENE, {"title": "例会", "area_id": "{village}"}
    ),
    ("GET", "/api/meetings/{meeting_id}"): _known(),
    ("PATCH", "/api/meetings/{meeting_id}"): _led({"title": "防汛"}),
    ("POST", "/api/meetings/{meeting_id}/start"): _led(allowed=NO_PROCESS),
    ("POST", "/api/meetings/{meeting_id}/lock"): _led(),
    ("POST", "/api/meetings/{meeting_id}/unlock"): _led(),
    ("POST", "/api/meetings/{meeting_id}/remind"): _led(),
    ("POST", "/api/meetings/{meeting_id}/link"): _led({}),
    ("DELETE", "/api/meetings/{meeting_id}/link"): _led(),
    ("POST", "/api/meetings/{meeting_id}/invite"): _led(INVITED),
    # The seat is a site's, and no recording.
    ("POST", "/api/meetings/{meeting_id}/participants/{participant_id}/playback"): _led(
        {"state": "playing"}, frozenset({409})
    ),
    # It is not their code, and not their key.
    ("POST", "/api/meetings/{meeting_id}/guests"): Access(
        "public", body={"code": "x", "name": "客"}, allowed=frozenset({404, 429})
    ),
    ("POST", "/api/meetings/{meeting_id}/guests/join"): Access(
        "public", body={"guest_token": "x"}, allowed=frozenset({404, 429})
    ),
    ("POST", "/api/meetings/{meeting_id}/guests/hand"): Access(
        "public", body={"raised": True}, allowed=INVALID
    ),
    ("GET", "/api/meetings/{meeting_id}/guests/messages"): Access("public", allowed=INVALID),
    ("POST", "/api/meetings/{meeting_id}/guests/messages"): Access(
        "public", body={"text": "x"}, allowed=INVALID
    ),
    # Who leads it from above was not invited, and sits nowhere.
    ("POST", "/api/meetings/{meeting_id}/join"): _known({}, NO_PROCESS, NOT_JOINED),
    ("POST", "/api/meetings/{meeting_id}/raise_hand"): _known({}, NOT_JOINED),
    ("POST", "/api/meetings/{meeting_id}/lower_hand"): _known({}, NOT_JOINED),
    ("POST", "/api/meetings/{meeting_id}/participants/{participant_id}/refuse"): _known(
        {}, admin=NOT_FOUND
    ),
    ("POST", "/api/meetings/{meeting_id}/participants/{participant_id}/role"): _led(
        {"role": "observer"}
    ),
    ("POST", "/api/meetings/{meeting_id}/participants/{participant_id}/pin"): _led({}),
    ("POST", "/api/meetings/{meeting_id}/participants/{participant_id}/{command_name}"): _led(),
    ("POST", "/api/meetings/{meeting_id}/admit"): _led({}),
    ("POST", "/api/meetings/{meeting_id}/mute_all"): _led({}),
    ("POST", "/api/meetings/{meeting_id}/lower_hands"): _led(),
    ("POST", "/api/meetings/{meeting_id}/layout"): _led({"layout": "grid"}),
    ("POST", "/api/meetings/{meeting_id}/polling"): _led({"interval_s": 10}),
    ("DELETE", "/api/meetings/{meeting_id}"): _led(allowed=NOT_JOINED),
    ("POST", "/api/meetings/{meeting_id}/end"): _led(),
}

CALLS = "/api/meetings/{meeting_id}/roll-calls"
CALL = f"{CALLS}/{{roll_call_id}}"
LINE = {"text": "同意"}
CHECKED = {"area_id": "{town}", "microphone": "good"}
PAPERS: dict[tuple[str, str], Access] = {
    ("GET", CALLS): _known(),
    # One is on.
    ("POST", CALLS): _led({}, frozenset({201, 409})),
    ("GET", CALL): _known(),
    ("GET", f"{CALL}.xlsx"): _led(),
    ("GET", f"{CALL}/print"): _led(),
    ("POST", f"{CALL}/call"): _led({}),
    ("POST", f"{CALL}/answers/{{participant_id}}"): _led({"tick": "present"}),
    # None was taken.
    ("GET", f"{CALL}/answers/{{participant_id}}/snapshot.jpg"): _led(allowed=NOT_FOUND),
    ("POST", f"{CALL}/round"): _led({}, frozenset({202, 409})),
    ("POST", "/api/meetings/{meeting_id}/answer"): _known({}, NOT_JOINED),
    ("GET", "/api/meetings/{meeting_id}/participants/{participant_id}/snapshot.jpg"): _led(
        allowed=NO_PROCESS
    ),
    ("GET", "/api/meetings/{meeting_id}/attendance"): _led(),
    ("GET", "/api/meetings/{meeting_id}/attendance.xlsx"): _led(),
    ("GET", "/api/meetings/{meeting_id}/messages"): _known(),
    ("POST", "/api/meetings/{meeting_id}/messages"): _known(LINE),
    ("DELETE", "/api/meetings/{meeting_id}/messages/{message_id}"): _led(),
    ("GET", "/api/meetings/{meeting_id}/files"): _known(),
    # Nothing was sent.
    ("POST", "/api/meetings/{meeting_id}/files"): Access(
        "area", Right.MEET, query={"name": "x"}, hidden=True, allowed=INVALID
    ),
    ("GET", "/api/meetings/{meeting_id}/files/{file_id}"): _known(),
    ("DELETE", "/api/meetings/{meeting_id}/files/{file_id}"): _led(),
    ("GET", "/api/meetings/{meeting_id}/agenda"): _known(),
    ("PUT", "/api/meetings/{meeting_id}/agenda"): _led({"items": [{"title": "汛情"}]}),
    ("POST", "/api/meetings/{meeting_id}/agenda/{agenda_id}/start"): _led(
        allowed=ALLOWED | NOT_FOUND
    ),
    ("POST", "/api/meetings/{meeting_id}/agenda/stop"): _led(),
    ("GET", "/api/meetings/{meeting_id}/subtitles"): _known(),
    ("GET", "/api/meetings/{meeting_id}/minutes"): _known(),
    ("POST", "/api/meetings/{meeting_id}/minutes"): _led(LINE),
    ("PUT", "/api/meetings/{meeting_id}/minutes/{minute_id}"): _led(LINE),
    ("DELETE", "/api/meetings/{meeting_id}/minutes/{minute_id}"): _led(),
    ("POST", f"{CALL}/end"): _led({}),
    ("GET", "/api/sites"): Access("signed_in"),
    # Its hours and its devices are its own: who is above it is not it.
    ("PUT", "/api/sites/{site_id}"): Access(
        "area", Right.MEET, {"hours": []}, answers={"system_admin": NOT_FOUND}
    ),
    ("GET", "/api/site-checks"): Access("area", Right.CONVENE, query={"area_id": "{village}"}),
    ("POST", "/api/site-checks"): Access(
        "area", Right.MEET, CHECKED, answers={"system_admin": NOT_FOUND}
    ),
    ("POST", "/api/site-checks/probe"): Access("somewhere", Right.MEET, allowed=NO_PROCESS),
    ("POST", "/api/site-checks/ask"): Access("area", Right.CONVENE, {"area_id": "{village}"}),
}

A_FILE = "/api/attachments/{attachment_id}"
BROUGHT: dict[tuple[str, str], Access] = {
    # Nothing was sent.
    ("POST", "/api/attachments"): Access(
        "somewhere",
        (Right.REPORT, Right.HANDLE, Right.DISPATCH, Right.ANNOUNCE, Right.SEARCH),
        query={"name": "x"},
        allowed=INVALID,
    ),
    # It is attached to nothing yet.
    ("GET", A_FILE): Access("own"),
    ("GET", f"{A_FILE}/content"): Access("own"),
    ("GET", f"{A_FILE}/thumbnail"): Access("own"),
    ("DELETE", A_FILE): Access("own"),
}

CLIENT_ID = "walk" * 5
A_REPORT = {"id": CLIENT_ID, "words": "路灯不亮", "made_phone_us": 1, "sent_phone_us": 1}
AN_UPLOAD = {"id": CLIENT_ID, "name": "x.jpg", "size_bytes": 100}
REPORTS = Access("somewhere", Right.REPORT)
UPLOAD = "/api/field/uploads/{upload_id}"
FIELD: dict[tuple[str, str], Access] = {
    # Known by its id from the second time on.
    ("POST", "/api/field/reports"): Access(
        "somewhere", Right.REPORT, A_REPORT, allowed=frozenset({200, 201})
    ),
    ("GET", "/api/field/reports"): Access("signed_in"),
    ("GET", "/api/field/reports/{report_id}"): Access("area", Right.INCIDENTS, hidden=True),
    # That it was begun opens nothing.
    ("POST", "/api/field/uploads"): Access(
        "somewhere", (Right.REPORT, Right.HANDLE), AN_UPLOAD, allowed=frozenset({201})
    ),
    ("GET", UPLOAD): Access("own", owner="field_worker"),
    # It is no piece, and not all there.
    ("PATCH", UPLOAD): Access("own", owner="field_worker", allowed=INVALID),
    ("POST", f"{UPLOAD}/finish"): Access(
        "own", owner="field_worker", body={}, allowed=frozenset({409})
    ),
    ("GET", "/api/field/tasks"): Access("signed_in"),
    ("GET", "/api/field/tasks/{incident_id}"): Access("area", Right.INCIDENTS, hidden=True),
    # No unit has it; who reads it is told that it is not for them.
    ("POST", "/api/field/tasks/{incident_id}/{step}"): Access(
        "area", Right.INCIDENTS, {}, hidden=True, allowed=frozenset({403, 409, 422})
    ),
    ("GET", "/api/field/duty"): Access("signed_in"),
    ("PUT", "/api/field/duty"): REPORTS,
    ("POST", "/api/field/position"): Access(
        "somewhere",
        Right.REPORT,
        {"longitude": 112.4, "latitude": 31.0},
        allowed=frozenset({204, 409}),
    ),
    ("DELETE", "/api/field/duty"): REPORTS,
    ("GET", "/api/field/live"): Access("signed_in"),
    # No media process is here to take it.
    ("POST", "/api/field/live"): Access(
        "somewhere", (Right.REPORT, Right.HANDLE), {"sdp": "v=0"}, allowed=frozenset({503})
    ),
    ("PUT", "/api/field/live"): Access(
        "somewhere", (Right.REPORT, Right.HANDLE), allowed=frozenset({200, 409})
    ),
    ("DELETE", "/api/field/live"): Access("somewhere", (Right.REPORT, Right.HANDLE)),
    ("GET", "/api/field/lives"): Access("somewhere", Right.LIVE),
    ("GET", "/api/field/workers"): Access("somewhere", Right.INCIDENTS),
    ("GET", "/api/field/grids"): REPORTS,
    ("GET", "/api/field/categories"): REPORTS,
    ("GET", "/api/field/grids/{code}"): Access("somewhere", Right.REPORT, allowed=NOT_FOUND),
    ("GET", "/api/field/grids/sheet"): Access(
        "area", Right.CONFIGURE, query={"area_id": "{village}"}
    ),
}

AN_INCIDENT = "/api/incidents/{incident_id}"
INCIDENT_FORM = {
    "origin": "call", "origin_id": "walk", "area_id": "{village}", "title": "井盖丢失"
}  # fmt: skip
SHIFT = {"area_id": "{village}", "user_id": "{user_id}", "start_us": 1, "end_us": 2}
# Who reads none there is not told that there is one.
UNREAD: dict[str | None, frozenset[int]] = {
    role: NOT_FOUND for role in LOCAL_ROLES if Right.INCIDENTS not in ROLE_RIGHTS[role]
}
HAVE_TO_DO = (
    Right.INCIDENTS, Right.HANDLE, Right.DISPATCH, Right.REPORT, Right.USERS, Right.CONFIGURE
)  # fmt: skip
STATISTICS = {"by": "area", "start_us": "1", "end_us": "2"}
INCIDENTS: dict[tuple[str, str], Access] = {
    ("GET", "/api/incidents"): Access("signed_in"),
    ("POST", "/api/incidents"): Access("area", (Right.DISPATCH, Right.HANDLE), INCIDENT_FORM),
    ("GET", AN_INCIDENT): Access("area", Right.INCIDENTS, hidden=True),
    ("POST", f"{AN_INCIDENT}/steps"): Access(
        "area", Right.DISPATCH, {"kind": "comment", "words": "问过了"}, answers=UNREAD
    ),
    ("GET", "/api/incident-categories"): Access("somewhere", HAVE_TO_DO),
    ("POST", "/api/incident-categories"): Access("county", body={"name": "防汛"}),
    ("PATCH", "/api/incident-categories/{category_id}"): Access("county", body={"name": "防火"}),
    ("GET", "/api/units"): Access("somewhere", HAVE_TO_DO),
    ("POST", "/api/units"): Access("area", Right.USERS, {"name": "村委会", "area_id": "{village}"}),
    ("PATCH", "/api/units/{unit_id}"): Access("area", Right.USERS, {"phone": "110"}),
    # It has an incident by then.
    ("DELETE", "/api/units/{unit_id}"): Access("area", Right.USERS, allowed=frozenset({204, 409})),
    ("GET", "/api/duty"): Access("somewhere", HAVE_TO_DO, query={"start_us": "1", "end_us": "2"}),
    ("PUT", "/api/duty/{shift_id}"): Access("area", Right.DISPATCH, SHIFT),
    ("DELETE", "/api/duty/{shift_id}"): Access("area", Right.DISPATCH),
    ("GET", "/api/agents"): Access("somewhere", HAVE_TO_DO),
    ("PUT", "/api/agents/self"): Access(
        "area", Right.DISPATCH, {"area_id": "{village}", "state": "ready"}
    ),
    ("GET", "/api/incident-statistics"): Access("somewhere", Right.INCIDENTS, query=STATISTICS),
    ("GET", "/api/incident-statistics/sheet"): Access(
        "somewhere", Right.INCIDENTS, query=STATISTICS
    ),
}

A_CHANNEL = "/api/integrations/channels/{outbox_channel_id}"
INTEGRATIONS: dict[tuple[str, str], Access] = {
    ("GET", "/api/integrations/channels"): Access("county"),
    ("POST", "/api/integrations/channels"): Access(
        "county", body={"name": "12345", "address": "https://example.com/hook"}
    ),
    ("PATCH", A_CHANNEL): Access("county", body={"topics": ["incidents"]}),
    ("POST", f"{A_CHANNEL}/secret"): Access("county"),
    ("POST", f"{A_CHANNEL}/test"): Access("county"),
    ("DELETE", A_CHANNEL): Access("county"),
    ("GET", "/api/integrations/deliveries"): Access("county"),
    # Nothing was given up.
    ("POST", "/api/integrations/deliveries/resend"): Access(
        "county", body={"delivery_ids": ["msg_1"]}, allowed=NOT_FOUND
    ),
}

SCREEN = {"name": "指挥大屏", "area_id": "{village}", "scenes": [{"name": "平时"}]}
SCREENS: dict[tuple[str, str], Access] = {
    ("GET", "/api/screens"): Access("somewhere", Right.LIVE),
    ("POST", "/api/screens"): Access("area", Right.CONFIGURE, SCREEN),
    ("GET", "/api/screens/{screen_id}"): Access("area", Right.LIVE),
    ("PUT", "/api/screens/{screen_id}"): Access(
        "area", Right.CONFIGURE, {**SCREEN, "version": 1}, allowed=frozenset({200, 409})
    ),
    ("DELETE", "/api/screens/{screen_id}"): Access("area", Right.CONFIGURE),
    ("GET", "/api/goals"): Access("somewhere", Right.LIVE),
    ("GET", "/api/map"): Access("somewhere", Right.LIVE),
    ("GET", "/api/map/cameras"): Access("somewhere", Right.LIVE),
    ("GET", "/api/map/outlines"): Access("somewhere", Right.LIVE),
    ("GET", "/api/map/tiles/{zoom}/{column}/{row}"): Access(
        "somewhere", Right.LIVE, allowed=NOT_FOUND
    ),
}


def _published(names: dict[str, str]) -> dict[str, Any]:
    return {"title": "停水", "words": "检修", "area_ids": [names["village"]],
            "until_us": now_us() + 3_600_000_000}  # fmt: skip


A_NOTICE = "/api/notices/{notice_id}"
NOTICES: dict[tuple[str, str], Access] = {
    ("GET", "/api/notices"): Access("signed_in"),
    ("GET", "/api/notices/current"): Access("signed_in"),
    ("GET", "/api/notices/areas"): Access("somewhere", Right.ANNOUNCE),
    ("POST", "/api/notices"): Access("area", Right.ANNOUNCE, _published),
    ("GET", A_NOTICE): Access("area"),
    ("POST", f"{A_NOTICE}/read"): Access("area"),
    # As its hours, this is for who sits there alone.
    ("PUT", f"{A_NOTICE}/sites/{{site_id}}"): Access(
        "area", Right.MEET, {"confirmed": True}, answers={"system_admin": NOT_FOUND}
    ),
    ("GET", f"{A_NOTICE}/coverage"): Access("area", Right.ANNOUNCE),
    ("GET", f"{A_NOTICE}/coverage/{{area_id}}"): Access("area", Right.ANNOUNCE),
    # Once.
    ("POST", f"{A_NOTICE}/withdraw"): Access(
        "area", Right.ANNOUNCE, {"note": "已恢复供电"}, allowed=frozenset({200, 409})
    ),
}

HEALTH_OF = "/api/health/cameras/{camera_id}"
HEALTH: dict[tuple[str, str], Access] = {
    ("GET", "/api/health/counts"): Access("somewhere", Right.LIVE),
    ("GET", "/api/health/cameras"): Access("somewhere", Right.LIVE),
    ("GET", "/api/health/report.xlsx"): Access("somewhere", Right.LIVE),
    # It shows nothing now, and nothing was kept.
    ("POST", f"{HEALTH_OF}/reference"): Access("camera", Right.CONFIGURE, allowed=NO_PROCESS),
    ("GET", f"{HEALTH_OF}/picture.jpg"): Access("camera", Right.LIVE, allowed=NOT_FOUND),
}

CHAPTERS = {
    "camera health": HEALTH,
    "notices": NOTICES,
    "screens": SCREENS,
    "integrations": INTEGRATIONS,
    "the field": FIELD,
    "incidents": INCIDENTS,
    "what people bring": BROUGHT,
    "papers of meetings": PAPERS,
    "recordings of meetings": RECORDINGS,
    "meeting": MEETING,
    "searching": SEARCHING,
    "assisting": ASSISTING,
    "signing in": SIGNING_IN,
    "own account": OWN_ACCOUNT,
    "people and grants": PEOPLE_AND_GRANTS,
    "areas and cameras": AREAS_AND_CAMERAS,
    "platforms": PLATFORMS,
    "operating": OPERATING,
    "looking": LOOKING,
    "evidence": EVIDENCE,
    "kept": KEPT,
    "analysis": ANALYSIS,
    "running": RUNNING,
}
DOORS = {door: access for chapter in CHAPTERS.values() for door, access in chapter.items()}
