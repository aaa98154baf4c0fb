"""Every route of the API, as every role, from inside and from a foreign area, and as nobody.

A new route must say in :mod:`doors` who may use it, or this fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute

from gateway.api import processes
from gateway.api.access import SESSION_COOKIE
from gateway.api.alarm_rules import RuleForm
from gateway.attachments.rows import object_key, thumbnail_key
from gateway.audit import AuditRecord
from gateway.identifiers import now_us
from gateway.incidents.opening import NewIncident
from gateway.investigations.sealed import seal_bytes
from gateway.meetings.kept import keep
from gateway.people.service_tokens import new_service_token
from gateway.people.sign_in import token_hash
from tests.gateway.api.conftest import County, county, quick_passwords  # noqa: F401
from tests.gateway.api.searching import index, passage
from tests.gateway.sightings.making import a_sighting
from tests.gateway.walk.doors import CHAPTERS, DOORS, LOCAL_ROLES, PEOPLE, Access

HOUR_US = 3_600_000_000
# What a walk leaves behind must not be in the way of the next person.
_LAST = ("DELETE", "close", "reopen", "release", "withdraw", "cancel", "{meeting_id}/end",
         "{roll_call_id}/end")  # fmt: skip
PLATFORM = "plf_of_the_village"
ABOVE = "plf_above"
CHANNEL = "42088100001320000002"
STRANGER = "42088100001320000009"
_VERY_LAST = (
    "/api/platforms/{platform_id}",
    "/api/users/{user_id}",
    "/api/cameras/{camera_id}",
    "/api/desks/{desk_id}",
)


def routes_of(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """(method, path) of every route, those of included routers too."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from routes_of(included.routes)
            continue
        path = getattr(route, "path", "?")
        for method in getattr(route, "methods", None) or ["WEBSOCKET"]:
            if not (method == "HEAD" and not path.startswith("/s/")):
                yield method, path


def test_every_route_is_known_here(county: County) -> None:  # noqa: F811
    assert set(routes_of(county.app.routes)) == set(DOORS)


@dataclass
class Walk:
    """A county with one of everything in the village, and who is signed in."""

    county: County
    names: dict[str, str] = field(default_factory=dict)
    clients: dict[str | None, httpx.AsyncClient] = field(default_factory=dict)

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.format(**self.names) if "{" in value else value
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return value

    async def ask(
        self, client: httpx.AsyncClient, method: str, path: str, access: Access
    ) -> httpx.Response:
        kind = path.split("/")[2] if path.count("/") > 1 else ""
        names = {**self.names, "document_id": self.names.get(kind, "")}
        body = access.body(self.names) if callable(access.body) else self.fill(access.body)
        return await client.request(
            method,
            path.replace("{path:path}", "").format(**names),
            params=self.fill(access.query),
            json=body,
            # From elsewhere than loopback: /metrics is open to this machine itself.
            headers={"X-Forwarded-For": "10.0.0.9"},
        )

    async def make(self, person: str, path: str, **body: Any) -> Any:
        response = await self.clients[person].post(path, json=body)
        assert response.status_code == 201, response.text
        return response.json()


@pytest.fixture
async def walk(county: County, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    # There is no other process, and a walk has many steps.
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    made = Walk(county)
    for person in PEOPLE:
        if person is not None:
            role = person.removeprefix("foreign_")
            where = county.other_town if person.startswith("foreign_") else county.town
            await county.user(person, role, "*" if role == "system_admin" else where)
        made.clients[person] = await county.sign_in(person)
    victim = await county.user("victim", "viewer", county.village, home=county.village)
    await _one_of_everything(made, victim)
    yield made
    for client in made.clients.values():
        await client.aclose()


async def _one_of_everything(walk: Walk, victim: str) -> None:
    county = walk.county  # noqa: F811
    admin = county.users["system_admin"]
    documents = {
        kind: await county.write(
            "documents.put",
            kind=kind,
            document_id=None,
            columns={
                "name": "共享",
                "shared": True,
                "document": {},
                "owner_id": await county.user(f"owner of {kind}", None),
            },
        )
        for kind in ("layouts", "tours")
    }
    bookmark = await county.write(
        "bookmarks.create",
        camera_id=county.camera,
        at_us=1,
        end_us=None,
        note="白色面包车",
        author_id=admin,
    )
    restream = await county.write(
        "restreams.create",
        camera_id=county.camera,
        variant="main",
        token_hash="0" * 64,
        addresses=[],
        user_id=admin,
        user_name="system_admin",
        expires_us=2**60,
    )
    desk = await county.write(
        "desks.create",
        name="值班台",
        area_id=county.village,
        token_hash="1" * 64,
        registered_by=admin,
    )
    item = await county.write(
        "desk_items.open", desk_id=desk, text="门没关", opened_by=county.users["operator"]
    )
    handover = await county.write(
        "handovers.give",
        desk_id=desk,
        desk_name="值班台",
        shift_start_us=1,
        given_by=county.users["operator"],
        given_method="password",
        taken_by=county.users["investigator"],
        summary="平安",
    )
    token = await county.write(
        "tokens.create",
        user_id=victim,
        token_hash="2" * 64,
        name="平台",
        scopes=["live"],
        addresses=[],
        expires_us=now_us() + HOUR_US,
        created_by=admin,
    )
    await _a_platform(county)
    sighting = await a_sighting(county, PLATFORM, county.camera)
    operated = await _what_is_operated(county)
    (passage_id,) = await index(county, passage(county.camera, 10))
    stretch = {"camera_id": county.camera, "start_us": 1, "end_us": 2}
    job = {"id": "anj_walk", "start_us": 1, "end_us": 2, "again": False, "created_by": admin}
    await county.write("analysis.ask", job=job, stretches=[stretch])
    session = await county.sign_in("victim")
    await session.aclose()
    grants = await walk.clients["system_admin"].get("/api/grants", params={"user_id": victim})
    sign_ins = await walk.clients["system_admin"].get("/api/sessions", params={"user_id": victim})
    case = await walk.make(
        "investigator", "/api/cases", number="1", title="白色面包车", area_id=county.village
    )
    minutes = {"camera_id": county.camera, "start_us": 1, "end_us": 2}
    in_case = await walk.make("investigator", f"/api/cases/{case['id']}/items", **minutes)
    hold = await walk.make("investigator", "/api/holds", **minutes, reason="x")
    export = await walk.make(
        "investigator",
        "/api/exports",
        camera_ids=[county.camera],
        start_us=now_us() - 1_000_000,
        end_us=now_us(),
    )
    assisted = await _who_is_asked(walk, case["id"])
    searched = await _what_is_searched_for(walk, case["id"], int(passage_id))
    met = await _a_meeting(county)
    brought = await _a_file(county, county.users["investigator"])
    walk.names = {
        **dict.fromkeys(("zoom", "column", "row"), "1"),
        "camera": county.camera,
        "camera_id": county.camera,
        "village": county.village,
        "area_id": county.village,
        "bookmark_id": bookmark,
        "sighting_id": sighting,
        "number": "0",
        "restream_id": restream,
        "user_id": victim,
        "grant_id": grants.json()["items"][0]["id"],
        "session_id": sign_ins.json()["items"][0]["id"],
        "token_id": token,
        "desk_id": desk,
        "item_id": item,
        "case_item_id": in_case["id"],
        "handover_id": handover["id"],
        "case_id": case["id"],
        "hold_id": hold["id"],
        "export_id": export["id"],
        "job_id": job["id"],
        "import_id": "imp_of_somebody_else",
        "identity_id": "idn_of_nobody",
        "platform_id": PLATFORM,
        "above_id": ABOVE,
        "channel": CHANNEL,
        "code": STRANGER,
        "kind": "areas",
        "form": "csv",
        "name": "shard-1",
        "path": "",
        "screen": "left",
        **documents,
        **searched,
        **operated,
        **met,
        **await _an_incident(county),
        "attachment_id": brought,
        "step": "accept",
        **await _from_the_field(county),
        **assisted,
        "outbox_channel_id": await _a_channel(county),
        "screen_id": await _a_screen(county),
        "notice_id": await _a_notice(county),
    }


async def _a_notice(county: County) -> str:  # noqa: F811
    made: str = await county.write(
        "notices.publish", notice_id="ntc_1", user_id=county.users["system_admin"], file_ids=[],
        areas=[{"area_id": county.town, "path": f"{county.root}/{county.town}/", "name": "石牌镇"}],
        title="停电", words="明日停电", priority="emergency", publisher_path="", from_us=now_us(),
        until_us=now_us() + HOUR_US,
    )  # fmt: skip
    return made


async def _a_screen(county: County) -> str:  # noqa: F811
    """Of the village, with nothing on it."""
    document = {"scenes": [{"name": "平时", "widgets": []}], "tour_s": None, "alarm": None}
    made: str = await county.write(
        "screens.add", name="大屏", area_id=county.village, document=document, changed_by="x"
    )
    return made


async def _a_channel(county: County) -> str:  # noqa: F811
    """That is told of nothing."""
    columns = {
        "id": "och_walk", "name": "旧系统", "kind": "webhook", "address": "https://example.com/",
        "topics": [], "enabled": True, "secret_sealed": "-", "created_by": "usr_1",
    }  # fmt: skip
    await county.write("outbox_channels.add", columns=columns)
    return "och_walk"


async def _an_incident(county: County) -> dict[str, str]:  # noqa: F811
    """Of the village, where nobody is responsible; a unit and a duty there."""
    new = NewIncident("call", "1", county.village, "井盖丢失", opened_name="值班员")
    incident = await county.write("incidents.open", new=new.to_message())
    columns = {"name": "村委会", "area_id": county.village, "parent_id": None}
    unit = await county.write("units.put", unit_id=None, columns=columns, member_ids=[])
    category = await county.write(
        "incident_categories.put", category_id=None, columns={"name": "防火"}
    )
    shift = {
        "area_id": county.village, "unit_id": None, "user_id": county.users["operator"],
        "post": "leader", "start_us": 1, "end_us": 2, "phone": "", "note": "",
    }  # fmt: skip
    return {
        "incident_id": incident,
        "unit_id": unit,
        "category_id": category,
        "shift_id": await county.write("duty.put", shift_id=None, columns=shift),
    }


async def _a_file(county: County, user_id: str) -> str:  # noqa: F811
    """A document that somebody brought and attached to nothing."""
    columns = {
        "id": "att_walk", "kind": "photo", "media_type": "image/jpeg", "name": "路灯.jpg",
        "sha256": "0" * 64, "size_bytes": 4, "has_thumbnail": True, "created_by": user_id,
    }  # fmt: skip
    await county.write("attachments.announce", columns=columns)
    for key in (object_key("att_walk"), thumbnail_key("att_walk")):
        await keep(county.services.storage.store, key, b"jpeg")
    await county.write("attachments.keep", file_id="att_walk")
    return "att_walk"


async def _who_is_asked(walk: Walk, case_id: str) -> dict[str, str]:
    """A request that the village's clerks are asked by the investigator, with a photo."""
    county, asker = walk.county, walk.county.users["investigator"]  # noqa: F811
    await county.write(
        "assist.add_photo", photo_id="aph_1", user_id=asker, limit=5, name="张", width=1, height=1,
        picture_sealed=seal_bytes(county.services.secret, b"jpeg", "assist photo:aph_1"),
    )  # fmt: skip
    path = f"{county.root}/{county.town}/{county.village}/"
    assist_id = await county.write(
        "assist.ask", request_id="ast_1", case_id=case_id, user_id=asker, desk_id=None,
        areas=[{"area_id": county.village, "path": path, "name": "彭墩村"}], photo_ids=["aph_1"],
        is_approved=True, title="走失老人", words="黑色棉袄", plate="", start_us=now_us() - HOUR_US,
        end_us=now_us(), deadline_us=now_us() + HOUR_US,
    )  # fmt: skip
    return {"assist_id": assist_id, "assist_photo_id": "aph_1", "asked_area": county.village}


async def _from_the_field(county: County) -> dict[str, str]:  # noqa: F811
    """A report out of the village by somebody else, and an upload that was begun."""
    columns = {
        "client_id": "c" * 16, "area_id": county.village, "grid_id": None, "category": None,
        "words": "路灯不亮", "place_words": "", "longitude": None, "latitude": None,
        "accuracy_m": None, "flags": [], "made_phone_us": 1, "made_us": 1, "skew_ms": 0,
        "received_us": 1, "files": 0, "user_id": await county.user("reporter", None),
    }  # fmt: skip
    record = AuditRecord("report.make").to_message()
    report_id, _ = await county.write("field.report", columns=columns, record=record)
    upload = {"client_id": "d" * 16, "name": "x", "size_bytes": 9}
    upload_id = await county.write(
        "field.begin_upload",
        columns={**upload, "user_id": county.users["field_worker"]},
        expires_us=2**60,
    )
    return {"report_id": report_id, "upload_id": upload_id}


async def _what_is_searched_for(walk: Walk, case_id: str, passage_id: int) -> dict[str, str]:
    """Of the investigator's case: a request that waits, and a trail and a photo of two others."""
    county, asker = walk.county, walk.county.users["investigator"]  # noqa: F811
    ids = {"passage_id": str(passage_id)}
    kinds = {"request_id": "trail", "trail_request": "trail", "photo_request": "photo"}
    for name, kind in kinds.items():
        ids[name] = await county.write(
            "investigations.ask", kind=kind, case_id=case_id, area_id=county.village,
            reason="老人走失", user_id=asker, desk_id=None, expires_us=now_us() + HOUR_US,
        )  # fmt: skip
        if name != "request_id":
            await county.write(
                "investigations.decide", request_id=ids[name], approve=True, note=None,
                user_id=county.users["supervisor"], desk_id=None,
            )  # fmt: skip
    ids["trail_id"] = await county.write(
        "investigations.begin_trail", request_id=ids["trail_request"], user_id=asker, title="去向"
    )
    ids["point_id"] = await county.write(
        "investigations.add_point", trail_id=ids["trail_id"], user_id=asker,
        passage_id=passage_id, camera_id=county.camera, first_us=1, last_us=2, best_us=1,
        object_class="person", box=[0.4, 0.3, 0.6, 0.9], note="",
    )  # fmt: skip
    secret = county.services.secret
    seen: dict[str, Any] = {"objects": [], "vector_kind": "test"}
    ids["photo_id"] = await county.write(
        "investigations.add_photo", photo_id="pho_1", request_id=ids["photo_request"],
        user_id=asker, name="", width=1, height=1, **seen,
        picture_sealed=seal_bytes(secret, b"jpeg", "photo:pho_1"),
        vectors_sealed=seal_bytes(secret, b"", "photo vectors:pho_1"),
    )  # fmt: skip
    ids["look_id"] = await county.write(
        "investigations.add_look", look_id="look_1", user_id=asker, camera_id=county.camera,
        at_us=1, **seen, vectors_sealed=seal_bytes(secret, b"", "look:look_1"),
        picture_sealed=seal_bytes(secret, b"jpeg", "look picture:look_1"),
    )  # fmt: skip
    return ids


async def _a_meeting(county: County) -> dict[str, str]:  # noqa: F811
    """It runs, on a shard that is not there; the town is invited as a site."""
    chair = await county.user("chair", None)
    columns = {
        "title": "例会", "area_id": county.town, "created_by": chair, "scheduled_us": now_us(),
        "planned_s": 3600, "starts_itself": False, "rings": False, "lobby": False,
        "muted_on_entry": False, "records": False,
    }  # fmt: skip
    meeting_id = await county.write(
        "meetings.create",
        columns=columns,
        chair={"user_id": chair, "name": "chair", "area_id": None},
    )
    site = {"kind": "site", "subject": county.town, "area_id": county.town, "name": "石牌镇"}
    (participant_id,) = await county.write(
        "meetings.invite", meeting_id=meeting_id, participants=[site], invited_by=chair
    )
    await county.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    recording_id = await county.write("meetings.record", meeting_id=meeting_id, on=True, by=chair)
    await county.write(
        "meetings.own_track", meeting_id=meeting_id, stream_id=f"{meeting_id}/program",
        kind="program", participant_id=None, codec="h264", shard="shard-1", at_us=now_us(),
    )  # fmt: skip
    far = await county.write("areas.create", parent_id=None, name="邻县")
    (pass_id,) = await county.write(
        "meetings.pass_on", meeting_id=meeting_id, area_ids=[far], live=False, reason="学习",
        by=chair, expires_us=now_us() + HOUR_US,
    )  # fmt: skip
    return {
        "meeting_id": meeting_id,
        "participant_id": participant_id,
        "recording_id": recording_id,
        "pass_id": pass_id,
        "command_name": "mute",
        "way": "whip",
        "resource_id": "nobody",
        "town": county.town,
        "site_id": county.town,
        **await _its_papers(county, meeting_id, chair),
    }


async def _its_papers(county: County, meeting_id: str, chair: str) -> dict[str, str]:  # noqa: F811
    """A roll call, a message, a file, an item of the agenda, a line of the minutes."""
    by = {"participant_id": None, "user_id": chair, "author": "chair"}
    message = await county.write(
        "meetings.say", meeting_id=meeting_id,
        columns={**by, "text": "到齐了", "to_participant_id": None},
    )  # fmt: skip
    await keep(county.services.storage.store, "meetings/x/files/mfi_walk", b"x")
    await county.write(
        "meetings.keep_file", meeting_id=meeting_id, limit_bytes=9,
        columns={
            **by, "id": "mfi_walk", "name": "通知.pdf", "size_bytes": 1, "sha256": "0" * 64,
            "key": "meetings/x/files/mfi_walk",
        },
    )  # fmt: skip
    line = {"at_us": 1, "kind": "note", "text": "x", "author": "chair", "user_id": chair}
    return {
        "roll_call_id": await county.write(
            "roll_calls.begin", meeting_id=meeting_id, area_id=None, title="", late_after_s=0,
            user_id=chair,
        ),
        "message_id": str(message),
        "file_id": "mfi_walk",
        "agenda_id": "mag_of_nothing",
        "minute_id": await county.write(
            "meetings.minute", meeting_id=meeting_id, minute_id=None, columns=line
        ),
    }  # fmt: skip


def rule_columns(area_id: str | None) -> dict[str, Any]:
    """Of a rule of alarms that tells nobody."""
    return {
        **RuleForm(name="夜间").model_dump(mode="json"),
        "area_id": area_id,
    }


async def _what_is_operated(county: County) -> dict[str, str]:  # noqa: F811
    """A patrol, an alarm, a rule of alarms and a switch of the village."""
    steps = [{"preset": one, "dwell_s": 10, "speed": 0.5} for one in ("1", "2")]
    patrol = await county.write(
        "patrols.create",
        camera_id=county.camera,
        columns={"name": "日巡", "steps": steps, "schedule": [], "utc_offset_minutes": 480},
    )
    switch = await county.write(
        "switches.create",
        columns={
            "name": "交换机",
            "area_id": county.village,
            "networks": [],
            "camera_ids": [],
            "management_host": None,
            "management_port": None,
        },
    )
    alarm = {
        "id": "alm_of_the_village",
        "kind": "camera_offline",
        "subject": f"camera:{county.camera}",
        "camera_id": county.camera,
        "area_id": county.village,
        "begin_us": 1,
        "folded_into": None,
        "detail": {},
    }
    await county.write("alarms.apply", opened=[alarm], changed=[], closed=[])
    rule = await county.write("alarm_rules.create", columns=rule_columns(county.village))
    return {
        "alarm_rule_id": rule,
        "patrol_id": patrol,
        "switch_id": switch,
        "alarm_id": "alm_of_the_village",
        "token": "1",
    }


async def _a_platform(county: County) -> None:  # noqa: F811
    """A device below with one channel, and one that is not known."""
    await county.write(
        "platforms.create",
        columns={
            "id": PLATFORM,
            "kind": "gb28181",
            "direction": "below",
            "name": "硬盘录像机",
            "code": "42088100001320000001",
            "area_id": county.village,
            "options": {},
            "enabled": True,
        },
    )
    await county.write(
        "platforms.create",
        columns={
            "id": ABOVE,
            "kind": "gb28181",
            "direction": "above",
            "name": "市局",
            "code": "42080000002000000001",
            "area_id": county.village,
            "host": "127.0.0.1",
            "port": 1,
            "options": {},
            "enabled": False,
        },
    )
    channel = {"code": CHANNEL, "kind": "camera", "name": "村口", "status": "on", "facts": {}}
    await county.write(
        "platforms.channels", platform_id=PLATFORM, channels=[channel], at_us=now_us()
    )
    stranger = {"kind": "gb28181", "code": STRANGER, "host": "10.0.0.7", "port": 5060}
    await county.write(
        "platforms.applicants",
        applicants=[
            {
                **stranger,
                "transport": "udp",
                "knows_password": False,
                "detail": "",
                "at_us": 1,
                "attempts": 1,
            }
        ],
    )


def _in_order(chapter: dict[tuple[str, str], Access]) -> list[tuple[str, str]]:
    doors = [door for door in chapter if door[0] != "WEBSOCKET"]
    return sorted(
        doors,
        key=lambda door: (
            door[0] == "DELETE" and door[1] in _VERY_LAST,
            any(word in "".join(door) for word in _LAST),
        ),
    )


@pytest.mark.parametrize("chapter", CHAPTERS)
async def test_each_person_gets_what_their_grants_say(walk: Walk, chapter: str) -> None:
    wrong = []
    for method, path in _in_order(CHAPTERS[chapter]):
        access = DOORS[method, path]
        walk.names["item_id"] = walk.names["case_item_id" if "cases" in path else "item_id"]
        # Somebody who can be made a member; else the process behind /s/.
        walk.names["name"] = "victim" if "members" in path else "shard-1"
        walk.names["kind"] = "gb28181" if "applicants" in path else "areas"
        done = False
        # Refusals first: what is allowed may delete what the others are refused.
        for person in sorted(PEOPLE, key=lambda one: access.expected(one) == access.allowed):
            expected = access.expected(person)
            response = await walk.ask(walk.clients[person], method, path, access)
            if done and expected == access.allowed and method != "GET":
                # The first has done it: it is gone, or there already.
                expected = expected | {404, 409}
            done = done or expected == access.allowed
            if response.status_code not in expected:
                wrong.append((method, path, person, response.status_code, response.text[:200]))
            elif response.status_code >= 400 and path.startswith("/api"):
                assert response.json()["error"]["code"]
            if path == "/api/session" and method == "DELETE" and person is not None:
                walk.clients[person] = await walk.county.sign_in(person)
    assert wrong == []


async def test_a_one_time_password_opens_nothing_but_its_change(walk: Walk) -> None:
    await walk.county.user("fresh", "system_admin", must_change=True)
    client = await walk.county.sign_in("fresh")
    wrong = []
    for (method, path), access in DOORS.items():
        if access.place in ("public", "ticket") or method == "WEBSOCKET":
            continue
        if path.startswith("/api/session") and "sessions" not in path:
            continue
        response = await walk.ask(client, method, path, access)
        error = response.json()["error"]["code"] if response.status_code == 403 else None
        if error != "password_change_required":
            wrong.append((method, path, response.status_code, response.text[:200]))
    await client.aclose()
    assert wrong == []


async def test_a_token_does_what_its_scopes_say_and_no_more(walk: Walk) -> None:
    """The account may everything, the token may look at live pictures."""
    token = new_service_token()
    await walk.county.write(
        "tokens.create",
        user_id=walk.county.users["system_admin"],
        token_hash=token_hash(token),
        name="平台",
        scopes=["live"],
        addresses=[],
        expires_us=now_us() + HOUR_US,
        created_by=walk.county.users["system_admin"],
    )
    client = walk.clients[None]
    client.headers["Authorization"] = f"Bearer {token}"
    wrong = []
    for (method, path), access in DOORS.items():
        if not access.rights or "live" in access.rights or method == "WEBSOCKET":
            continue
        response = await walk.ask(client, method, path, access)
        if response.status_code not in (403, 404):
            wrong.append((method, path, response.status_code, response.text[:200]))
    assert wrong == []
    seen = await client.get(f"/api/cameras/{walk.names['camera']}")
    assert seen.json()["rights"] == ["live"]


@pytest.mark.parametrize("forged", ["", "x", "gst_x", "A" * 5000, "\u00e9", "../../etc"])
async def test_a_forged_cookie_or_token_opens_nothing(walk: Walk, forged: str) -> None:
    client = walk.clients[None]
    raw = forged.encode()
    for headers in (
        {b"cookie": SESSION_COOKIE.encode() + b"=" + raw},
        {b"authorization": b"Bearer " + raw},
    ):
        response = await client.get("/api/cameras", headers=list(headers.items()))
        assert response.status_code == 401


def test_the_walk_goes_by_every_role() -> None:
    assert len(PEOPLE) == 2 * len(LOCAL_ROLES) + 2
