"""Roll calls, chat, files, agenda, minutes, sites: through the API."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from openpyxl import load_workbook

from gateway.api import processes
from gateway.identifiers import now_us
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import People, meeting_people


@pytest.fixture
async def people(county: County, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    async with meeting_people(county) as made:
        yield made


async def test_a_roll_call_finds_one_present_one_late_and_one_absent(people: People) -> None:
    county = people.county
    second = await county.write("areas.create", parent_id=county.town, name="九里村")
    await county.write("areas.create", parent_id=county.town, name="长滩村")
    await county.user("late", "site", second)
    meeting_id = await people.called()
    await people.ask(people.chair, "POST", f"/{meeting_id}/invite", area_ids=[county.town])
    await county.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    calls = f"/{meeting_id}/roll-calls"
    await people.sits(people.village, meeting_id)
    board = await people.ask(people.chair, "POST", calls, 201, late_after_s=0, title="早会")
    assert [row["name"] for row in board["rows"]] == ["石牌镇", "九里村", "彭墩村", "长滩村"]
    assert board["tally"]["waiting"] == 4
    call = f"{calls}/{board['id']}"
    await people.ask(people.chair, "POST", calls, 409)
    await people.ask(people.village, "POST", f"{call}/call", 403)
    # Nobody answers before they are called.
    refused = await people.ask(people.village, "POST", f"/{meeting_id}/answer", 409)
    assert refused["error"]["code"] == "not_called"
    called = await people.ask(people.chair, "POST", f"{call}/call")
    assert not called["connected"]
    async with await county.sign_in("late") as late:
        await people.sits(late, meeting_id)
        await people.ask(people.chair, "POST", f"{call}/call")
        await people.ask(late, "POST", f"/{meeting_id}/answer", 204)
    called = await people.ask(people.chair, "POST", f"{call}/call")
    assert called["connected"]
    board = await people.ask(people.chair, "GET", call)
    # Connected is what a machine sees. It is not present.
    assert (board["rows"][2]["connected"], board["rows"][2]["state"]) == (True, "called")
    assert board["current_id"] == called["participant_id"]
    await people.ask(people.village, "POST", f"/{meeting_id}/answer", 204)
    town = board["rows"][0]["participant_id"]
    board = await people.ask(
        people.chair, "POST", f"{call}/answers/{town}", tick="present", note="电话确认"
    )
    states = [row["state"] for row in board["rows"]]
    assert states == ["present", "late", "late", "waiting"]
    board = await people.ask(people.chair, "POST", f"{call}/end")
    assert [row["state"] for row in board["rows"]][-1] == "absent"
    assert board["tally"] == {
        "waiting": 0, "called": 0, "present": 1, "late": 2, "left_early": 0, "absent": 1,
    }  # fmt: skip
    await people.ask(people.chair, "POST", f"{call}/call", 409)
    sheet = await people.chair.get(f"/api/meetings{call}.xlsx")
    book = load_workbook(io.BytesIO(sheet.content)).active
    assert book is not None
    lines = [[cell.value for cell in row] for row in book.iter_rows()]
    assert [line[3] for line in lines] == ["结果", "出席", "迟到", "迟到", "缺席"]
    assert [line[1] for line in lines[2:]] == ["石牌镇"] * 3
    assert lines[1][-1] == "电话确认"
    page = await people.ask(people.chair, "GET", f"{call}/print?language=en")
    assert [one["count"] for one in page["tally"]] == [1, 2, 1]
    assert [group["name"] for group in page["groups"]] == ["钟祥县", "石牌镇"]
    assert (await people.village.get(f"/api/meetings{call}.xlsx")).status_code == 403
    assert await people.register("meeting.roll_call_sheet")


async def test_a_roll_call_of_an_area_calls_that_area(people: People) -> None:
    county = people.county
    meeting_id = await people.called()
    await people.ask(people.chair, "POST", f"/{meeting_id}/invite", area_ids=[county.town])
    await county.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    calls = f"/{meeting_id}/roll-calls"
    board = await people.ask(people.chair, "POST", calls, 201, area_id=county.village)
    assert [row["name"] for row in board["rows"]] == ["彭墩村"]
    await people.ask(people.chair, "POST", f"{calls}/{board['id']}/end")
    await people.ask(people.chair, "POST", calls, 404, area_id=county.other_town)
    other, _ = await people.running()
    await people.ask(people.chair, "GET", f"/{other}/roll-calls/{board['id']}", 404)
    await people.ask(people.chair, "POST", f"/{other}/roll-calls/{board['id']}/end", 404)


async def test_a_look_at_a_camera_in_a_meeting_is_on_record_at_that_camera(people: People) -> None:
    county = people.county
    meeting_id, site = await people.running()
    brought = {
        "kind": "camera", "subject": county.camera, "camera_id": county.camera, "name": "村口",
        "area_id": None,
    }  # fmt: skip
    (camera,) = await county.write(
        "meetings.invite", meeting_id=meeting_id, participants=[brought], invited_by="x"
    )
    for participant_id in (camera, site):
        # No media process runs here: nothing is shown, and the look was on record before that.
        path = f"/{meeting_id}/participants/{participant_id}/snapshot.jpg"
        await people.ask(people.chair, "GET", path, 503)
    records = await people.register("meeting.picture")
    assert [record["camera_id"] for record in records] == [county.camera, None]


async def test_attendance_says_who_was_there_and_how_long(people: People) -> None:
    meeting_id, _ = await people.running()
    joined = await people.sits(people.village, meeting_id)
    await people.county.write(
        "meetings.departed", participant_id=joined["participant_id"],
        session_id=joined["session_id"], at_us=now_us() + 90_000_000, reason="left",
    )  # fmt: skip
    path = f"/{meeting_id}/attendance"
    board = await people.ask(people.chair, "GET", path)
    (village, chair) = board["items"]
    assert (village["name"], village["times"]) == ("彭墩村", 1)
    assert village["last_us"] - village["first_us"] >= 90_000_000
    assert (chair["first_us"], chair["last_us"], chair["connected_us"]) == (None, None, 0)
    await people.ask(people.village, "GET", path, 403)
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    sheet = await people.chair.get(
        f"/api/meetings/{meeting_id}/attendance.xlsx", params={"language": "en"}
    )
    book = load_workbook(io.BytesIO(sheet.content)).active
    assert book is not None
    lines = [[cell.value for cell in row] for row in book.iter_rows()]
    assert [(line[2], line[7], line[9]) for line in lines[1:]] == [
        ("彭墩村", "1", "left"), ("convener!", "0", "invited"),
    ]  # fmt: skip


async def test_what_is_said_to_one_is_read_by_two(people: People) -> None:
    county = people.county
    meeting_id, site = await people.running()
    await people.sits(people.village, meeting_id)
    said = await people.ask(people.village, "POST", f"/{meeting_id}/messages", 201, text=" 收到 ")
    assert (said["name"], said["text"], said["participant_id"]) == ("彭墩村", "收到", site)
    await county.user("wang", "viewer", county.village, home=county.village)
    wang = {"user_ids": [county.users["wang"]]}
    await people.ask(people.chair, "POST", f"/{meeting_id}/invite", **wang)
    await people.ask(
        people.chair, "POST", f"/{meeting_id}/messages", 201, text="私下", to_participant_id=site
    )
    for who, texts in (
        (people.chair, ["收到", "私下"]),
        (people.village, ["收到", "私下"]),
        (await county.sign_in("wang"), ["收到"]),
    ):
        items = (await people.ask(who, "GET", f"/{meeting_id}/messages"))["items"]
        assert [one["text"] for one in items] == texts
    newer = await people.ask(people.chair, "GET", f"/{meeting_id}/messages?after={said['id']}")
    assert [one["text"] for one in newer["items"]] == ["私下"]
    gone = f"/{meeting_id}/messages/{said['id']}"
    await people.ask(people.village, "DELETE", gone, 403)
    await people.ask(people.chair, "DELETE", gone, 204)
    items = (await people.ask(people.village, "GET", f"/{meeting_id}/messages"))["items"]
    assert (items[0]["text"], items[0]["removed"]) == ("", True)


async def test_a_file_goes_out_as_it_came_in_and_only_to_be_kept(people: People) -> None:
    meeting_id, _ = await people.running()
    path = f"/api/meetings/{meeting_id}/files"
    page = b"<script>alert(1)</script>"
    kept = await people.village.post(path, params={"name": "../../通知.html"}, content=page)
    assert kept.status_code == 201, kept.text
    assert kept.json()["name"] == "通知.html"
    got = await people.chair.get(f"{path}/{kept.json()['id']}")
    assert got.content == page
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["content-security-policy"] == "sandbox"
    assert (await people.stranger.get(f"{path}/{kept.json()['id']}")).status_code == 404
    assert len(await people.register("meeting.file_download")) == 1
    limit = people.county.services.settings.meetings.file_bytes_limit
    huge = await people.village.post(path, params={"name": "x"}, content=b"0" * (limit + 1))
    assert huge.status_code == 413
    taken = f"/{meeting_id}/files/{kept.json()['id']}"
    await people.ask(people.village, "DELETE", taken, 403)
    await people.ask(people.chair, "DELETE", taken, 204)
    assert (await people.chair.get(f"{path}/{kept.json()['id']}")).status_code == 404
    store = people.county.services.storage.store
    assert [item.key async for item in store.list("meetings/")] == []


async def test_an_agenda_is_dealt_with_item_by_item(people: People) -> None:
    meeting_id, _ = await people.running()
    path = f"/{meeting_id}/agenda"
    items = [{"title": "汛情通报", "planned_s": 600}, {"title": "部署", "speaker": "张镇长"}]
    (first, second) = (await people.ask(people.chair, "PUT", path, items=items))["items"]
    await people.ask(people.village, "PUT", path, 403, items=[])
    await people.ask(people.chair, "POST", f"{path}/{first['id']}/start")
    (one, two) = (await people.ask(people.chair, "POST", f"{path}/{second['id']}/start"))["items"]
    assert one["ended_us"] == two["started_us"]
    turned = [{"id": second["id"], "title": "部署"}, {"id": first["id"], "title": "通报"}]
    (one, two) = (await people.ask(people.chair, "PUT", path, items=turned))["items"]
    assert (one["id"], one["started_us"] is None) == (second["id"], False)
    assert two["title"] == "通报"
    (one, two) = (await people.ask(people.chair, "POST", f"{path}/stop"))["items"]
    assert None not in (one["ended_us"], two["ended_us"])
    await people.ask(people.village, "POST", f"{path}/stop", 403)
    (one,) = (await people.ask(people.chair, "PUT", path, items=turned[:1]))["items"]
    assert (await people.ask(people.village, "GET", path))["items"] == [one]


async def test_minutes_are_lines_at_moments_of_the_meeting(people: People) -> None:
    meeting_id, _ = await people.running()
    path = f"/{meeting_id}/minutes"
    at_us = now_us()
    later = await people.ask(people.chair, "POST", path, 201, text="散会", at_us=at_us + 5)
    first = await people.ask(
        people.chair, "POST", path, 201, text="同意", kind="decision", at_us=at_us
    )
    await people.ask(people.village, "POST", path, 403, text="x")
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    # Minutes are put right when the meeting is over.
    changed = await people.ask(
        people.chair, "PUT", f"{path}/{first['id']}", text="一致同意", kind="decision"
    )
    assert (changed["at_us"], changed["author"]) == (at_us, "convener!")
    await people.ask(people.chair, "DELETE", f"{path}/{later['id']}", 204)
    lines = (await people.ask(people.village, "GET", path))["items"]
    assert [line["text"] for line in lines] == ["一致同意"]


async def test_who_is_asked_to_test_hears_it_and_may_try_the_way(people: People) -> None:
    county = people.county
    asked: list[frozenset[str]] = []
    with county.services.site_checks.listening(asked.append):
        await people.chair.post("/api/site-checks/ask", json={"area_id": county.village})
    (paths,) = asked
    assert [path.rstrip("/").rpartition("/")[2] for path in paths] == [county.village]
    opened = (await people.village.post("/api/site-checks/probe")).json()
    assert opened["url"].startswith("/s/shard-1/meeting/probe?ticket=")
    ticket = people.ticket(opened)
    # It names no meeting: at a meeting's door it opens nothing.
    assert (ticket.action, ticket.meeting_id) == ("meeting", "")
    await county.user("auditor", "auditor", county.town)
    async with await county.sign_in("auditor") as auditor:
        assert (await auditor.post("/api/site-checks/probe")).status_code == 403


async def test_a_site_names_its_own_hours_and_tests_its_own_devices(people: People) -> None:
    county = people.county
    hours = [{"days": [0, 1], "from_min": 480, "until_min": 1080}]
    path = f"/api/sites/{county.village}"
    # Nobody opens a village's microphone from above.
    assert (await people.chair.put(path, json={"hours": hours})).status_code == 404
    assert (await people.village.put(path, json={"hours": hours})).status_code == 204
    night = [{"days": [0], "from_min": 1200, "until_min": 300}]
    assert (await people.village.put(path, json={"hours": night})).status_code == 422
    (own,) = (await people.village.get("/api/sites")).json()["items"]
    assert (own["area_id"], own["hours"], own["check_id"]) == (county.village, hours, None)
    of_town = {"area_id": county.town}
    asked = await people.chair.post("/api/site-checks/ask", json=of_town)
    assert asked.json() == {"sites": 2, "asked": 2}
    assert (await people.chair.post("/api/site-checks/ask", json=of_town)).json()["asked"] == 0
    assert (await people.village.post("/api/site-checks/ask", json=of_town)).status_code == 404
    (own,) = (await people.village.get("/api/sites")).json()["items"]
    found = {
        "area_id": county.village, "check_id": own["check_id"], "microphone": "good",
        "camera": "failed", "network": "poor",
        "detail": {"round_trip_ms": 80, "why": {"camera": "被占用"}},
    }  # fmt: skip
    assert (await people.village.post("/api/site-checks", json=found)).status_code == 201
    assert (await people.village.post("/api/site-checks", json=found)).status_code == 404
    elsewhere = {**found, "area_id": county.other_town, "check_id": None}
    assert (await people.village.post("/api/site-checks", json=elsewhere)).status_code == 404
    board = (await people.chair.get("/api/site-checks", params=of_town)).json()["items"]
    # Along the tree.
    assert [one["area_id"] for one in board] == [county.town, county.village]
    village = board[1]
    assert (village["camera"], village["speaker"]) == ("failed", None)
    assert village["detail"]["why"] == {"camera": "被占用"}
    town = next(one for one in board if one["area_id"] == county.town)
    assert (town["done_us"], town["asked_us"] is None) == (None, False)
    # Who looks again is told what is new.
    newer = {**of_town, "since_us": village["done_us"]}
    (again,) = (await people.chair.get("/api/site-checks", params=newer)).json()["items"]
    assert again == village
    newer["since_us"] += 1
    assert (await people.chair.get("/api/site-checks", params=newer)).json()["items"] == []
    unasked = {**found, "check_id": None, "camera": "good"}
    assert (await people.village.post("/api/site-checks", json=unasked)).status_code == 201
    meeting_id, _ = await people.running()
    (row,) = (await people.chair.get(f"/api/site-checks?meeting_id={meeting_id}")).json()["items"]
    assert row["camera"] == "good"


async def test_subtitles_are_read_by_who_reads_the_minutes(people: People) -> None:
    meeting_id, village = await people.running()
    for number in range(3):
        at_us = 1_000_000 * number
        told = {"meeting_id": meeting_id, "participant_id": village, "at_us": at_us}
        await people.county.write("meetings.subtitle", end_us=at_us + 1, text="好", **told)
        # Told twice, kept once.
        await people.county.write(
            "meetings.subtitle", end_us=at_us + 500_000, text=f"第{number}句", **told
        )
    path = f"/{meeting_id}/subtitles"
    page = await people.ask(people.village, "GET", path)
    assert [one["text"] for one in page["items"]] == ["第0句", "第1句", "第2句"]
    assert page["items"][0]["participant_id"] == village
    assert page["next_us"] is None
    later = await people.ask(people.chair, "GET", f"{path}?from_us=1500000")
    assert [one["at_us"] for one in later["items"]] == [2_000_000]
    await people.ask(people.stranger, "GET", path, 404)
