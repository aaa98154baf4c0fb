"""Every route, as every role, from inside and from a foreign area. A new route must say here who
may use it, or this fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import pytest
from starlette.routing import BaseRoute

from gateway.people.roles import ROLE_RIGHTS, Right, Role
from tests.gateway.api.conftest import County

Place = Literal["public", "ticket", "signed_in", "camera", "area", "somewhere", "county"]

ALLOWED = frozenset({200, 201, 204})
# Allowed, but there is no media process in this test.
NO_PROCESS = frozenset({503})


@dataclass(frozen=True)
class Access:
    """Who may: with which right, at which place; and a request that is otherwise fine."""

    place: Place
    right: Right | None = None
    body: dict[str, Any] | None = None
    query: dict[str, str] = field(default_factory=dict)
    allowed: frozenset[int] = ALLOWED


CAMERA_FORM = {"name": "新", "area_id": "{village}", "main_url": "rtsp://127.0.0.1:1/new"}
DOCUMENT = {"name": "四分屏", "shared": False, "document": {"grid": "2x2"}}
PLAYBACK = {"camera_ids": ["{camera}"], "start_us": 1, "end_us": 2}
RESTREAM = {"camera_id": "{camera}", "expires_in_s": 60, "addresses": ["10.0.0.0/8"]}
TIMELINE = {"camera_id": "{camera}", "start_us": "1", "end_us": "2"}
DAYS = {"camera_id": "{camera}", "from": "2026-11-01", "to": "2026-11-02"}
PERIOD = {"start_us": "1", "end_us": "2"}

ROUTES: dict[tuple[str, str], Access] = {
    ("POST", "/api/session"): Access(
        "public", body={"name": "nobody", "password": "x"}, allowed=frozenset({401, 429})
    ),
    ("GET", "/api/session"): Access("signed_in"),
    ("DELETE", "/api/session"): Access("signed_in"),
    ("POST", "/api/session/password"): Access(
        "signed_in", body={"old_password": "?", "new_password": "?"}, allowed=frozenset({422})
    ),
    ("GET", "/api/areas"): Access("signed_in"),
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
    ("POST", "/api/cameras/{camera_id}/clock/accept"): Access(
        "camera", Right.CONFIGURE, allowed=NO_PROCESS
    ),
    ("POST", "/api/cameras/test"): Access(
        "somewhere", Right.CONFIGURE, {"main_url": "rtsp://127.0.0.1:1/"}
    ),
    ("POST", "/api/live"): Access(
        "camera", Right.LIVE, {"camera_id": "{camera}"}, allowed=NO_PROCESS
    ),
    ("GET", "/api/cameras/{camera_id}/snapshot.jpg"): Access(
        "camera", Right.LIVE, allowed=NO_PROCESS
    ),
    ("POST", "/api/restreams"): Access(
        "camera", Right.RESTREAM, RESTREAM, allowed=frozenset({409})
    ),
    ("GET", "/api/restreams"): Access("signed_in"),
    ("DELETE", "/api/restreams/{restream_id}"): Access("camera", Right.RESTREAM),
    ("GET", "/api/timeline"): Access("camera", Right.PLAYBACK, query=TIMELINE),
    ("GET", "/api/timeline/days"): Access("camera", Right.PLAYBACK, query=DAYS),
    ("POST", "/api/playback"): Access("camera", Right.PLAYBACK, PLAYBACK, allowed=NO_PROCESS),
    ("GET", "/api/bookmarks"): Access("signed_in"),
    ("POST", "/api/bookmarks"): Access(
        "camera", Right.BOOKMARK, {"camera_id": "{camera}", "at_us": 1}
    ),
    # Somebody else's bookmark: only who configures the area may touch it.
    ("PATCH", "/api/bookmarks/{bookmark_id}"): Access("camera", Right.CONFIGURE, {"note": "!"}),
    ("DELETE", "/api/bookmarks/{bookmark_id}"): Access("camera", Right.CONFIGURE),
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
    ("GET", "/api/users"): Access("county", Right.USERS),
    ("POST", "/api/users"): Access("county", Right.USERS, {"name": "newcomer"}),
    ("PATCH", "/api/users/{user_id}"): Access("county", Right.USERS, {"display_name": "x"}),
    ("DELETE", "/api/users/{user_id}"): Access("county", Right.USERS),
    ("GET", "/api/audit"): Access("somewhere", Right.AUDIT),
    ("GET", "/api/audit.csv"): Access("somewhere", Right.AUDIT),
    ("GET", "/api/audit/actions"): Access("somewhere", Right.AUDIT),
    ("GET", "/api/audit/report"): Access("somewhere", Right.AUDIT, query=PERIOD),
    ("GET", "/api/audit/report.csv"): Access("somewhere", Right.AUDIT, query=PERIOD),
    ("GET", "/api/audit/state"): Access("somewhere", Right.AUDIT),
    ("GET", "/api/purposes"): Access("signed_in"),
    ("PUT", "/api/purposes/shift"): Access("signed_in", body={"code": "patrol"}),
    ("DELETE", "/api/purposes/shift"): Access("signed_in"),
    ("GET", "/api/system"): Access("county", Right.SYSTEM),
    ("GET", "/metrics"): Access("county", Right.SYSTEM),
    ("GET", "/healthz"): Access("public"),
    ("GET", "/docs"): Access("public"),
    ("GET", "/docs/style.css"): Access("public"),
    ("GET", "/openapi.json"): Access("public"),
    # The process behind it asks for a ticket; here there is none.
    **{
        (method, "/s/{name}/{path:path}"): Access("ticket", allowed=frozenset({404}))
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    },
    ("GET", "/{path:path}"): Access("public", allowed=frozenset({200, 503})),
    # Refused below, in test_events.py and test_passthrough.py.
    ("WEBSOCKET", "/api/events"): Access("signed_in"),
    ("WEBSOCKET", "/s/{name}/{path:path}"): Access("ticket"),
}

LOCAL_ROLES = [role for role in Role if role is not Role.SYSTEM_ADMIN]
PEOPLE = [None, "system_admin", *LOCAL_ROLES, *(f"foreign_{role}" for role in LOCAL_ROLES)]


def _routes(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _routes(included.routes)
            continue
        path = getattr(route, "path", "?")
        for method in getattr(route, "methods", None) or ["WEBSOCKET"]:
            if not (method == "HEAD" and not path.startswith("/s/")):
                yield method, path


def test_every_route_is_known_here(county: County) -> None:
    assert set(_routes(county.app.routes)) == set(ROUTES)


@dataclass
class Walk:
    """One county per person and route: nobody's write is another's state."""

    county: County
    names: dict[str, str]

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.format(**self.names) if "{" in value else value
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return value


@pytest.fixture
async def walk(county: County) -> Walk:
    owner = await county.user("owner", "system_admin")
    victim = await county.user("victim", None)
    bookmark = await county.write(
        "bookmarks.create",
        camera_id=county.camera,
        at_us=1,
        end_us=None,
        note="白色面包车",
        author_id=owner,
    )
    documents = {}
    for kind in ("layouts", "tours"):
        documents[kind] = await county.write(
            "documents.put",
            kind=kind,
            document_id=None,
            columns={"name": "共享", "shared": True, "owner_id": owner, "document": {}},
        )
    restream = await county.write(
        "restreams.create",
        camera_id=county.camera,
        variant="main",
        token_hash="0" * 64,
        addresses=[],
        user_id=owner,
        user_name="owner",
        expires_us=2**60,
    )
    await county.user("system_admin", "system_admin")
    for role in LOCAL_ROLES:
        await county.user(role, role, county.town)
        await county.user(f"foreign_{role}", role, county.other_town)
    names = {
        "camera": county.camera,
        "camera_id": county.camera,
        "village": county.village,
        "area_id": county.village,
        "bookmark_id": bookmark,
        "restream_id": restream,
        "user_id": victim,
        "screen": "left",
        "layouts": documents["layouts"],
        "tours": documents["tours"],
    }
    return Walk(county, names)


def _expected(access: Access, person: str | None) -> frozenset[int]:
    if access.place in ("public", "ticket"):
        return access.allowed
    if person is None:
        return frozenset({401})
    if person == "system_admin" or access.place == "signed_in":
        return access.allowed
    foreign = person.startswith("foreign_")
    held = ROLE_RIGHTS[Role(person.removeprefix("foreign_"))]
    if access.place == "county":
        return frozenset({403})
    if foreign and access.place != "somewhere":
        return frozenset({404})
    return access.allowed if access.right is None or access.right in held else frozenset({403})


def _refusal(access: Access, path: str, person: str | None) -> frozenset[int] | None:
    """What this person is refused with; None when they are not."""
    expected = _expected(access, person)
    local = person is not None and person in LOCAL_ROLES
    # Who may not play a camera back is not told of bookmarks on it.
    if "bookmark_id" in path and local and Right.PLAYBACK not in ROLE_RIGHTS[Role(str(person))]:
        return frozenset({404})
    return None if expected == access.allowed else expected


@pytest.mark.parametrize(("method", "path"), [key for key in ROUTES if key[0] != "WEBSOCKET"])
async def test_each_person_gets_what_their_grants_say(walk: Walk, method: str, path: str) -> None:
    access = ROUTES[method, path]
    once = method == "DELETE" or (method, path) == ("POST", "/api/users")
    done = False
    # Refusals first: what is allowed may delete what the others are refused.
    for person in sorted(PEOPLE, key=lambda one: _refusal(access, path, one) is None):
        client = await walk.county.sign_in(person)
        response = await _request(walk, client, method, path, access)
        await client.aclose()
        expected = _refusal(access, path, person) or access.allowed
        if once and done:
            expected = access.allowed | {404, 409}
        done = done or expected == access.allowed
        assert response.status_code in expected, (person, response.text)
        if response.status_code >= 400 and path.startswith("/api"):
            assert response.json()["error"]["code"]


async def _request(
    walk: Walk, client: httpx.AsyncClient, method: str, path: str, access: Access
) -> httpx.Response:
    names = {**walk.names, "name": "shard-1", "path": ""}
    kind = path.split("/")[2] if path.count("/") > 1 else ""
    names["document_id"] = walk.names.get(kind, "")
    # From elsewhere than loopback: /metrics is open to this machine itself.
    headers = {"X-Forwarded-For": "10.0.0.9"}
    return await client.request(
        method,
        path.replace("{path:path}", "").format(**names),
        params=walk.fill(access.query),
        json=walk.fill(access.body) if access.body is not None else None,
        headers=headers,
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        key
        for key, access in ROUTES.items()
        if access.place not in ("public", "ticket")
        and key[0] != "WEBSOCKET"
        and not key[1].startswith("/api/session")
    ],
)
async def test_a_one_time_password_opens_nothing_but_its_change(
    walk: Walk, method: str, path: str
) -> None:
    await walk.county.user("fresh", "system_admin", must_change=True)
    client = await walk.county.sign_in("fresh")
    response = await _request(walk, client, method, path, ROUTES[method, path])
    await client.aclose()
    assert response.status_code == 403, response.text
    assert response.json()["error"]["code"] == "password_change_required"
