"""Notices: published to areas and all below, read by the people there, confirmed by their sites."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.database.notice_tables import notices
from gateway.identifiers import now_us
from gateway.notices.news import NoticeEar, NoticeNews, watch_notices
from gateway.people.grants import principal_of_user
from tests.gateway.api.accounts import alter, audited
from tests.gateway.api.conftest import County

HOUR_US = 3_600_000_000
PATH = "/api/notices"


@pytest.fixture
async def people(county: County) -> County:
    """A town publishes; a clerk, a worker and a television are in its village."""
    await county.user("leader", "area_admin", county.root)
    await county.user("town", "area_admin", county.town)
    await county.user("clerk", "operator", county.village)
    await county.user("worker", "field_worker", county.village)
    await county.user("television", "site", county.village)
    await county.user("stranger", "operator", county.other_town)
    return county


async def does(
    county: County, name: str, method: str, path: str = "", **body: Any
) -> httpx.Response:
    async with await county.sign_in(name) as client:
        answer: httpx.Response = await client.request(method, f"{PATH}{path}", json=body or None)
    return answer


async def asks(county: County, name: str, path: str = "", **query: Any) -> Any:
    async with await county.sign_in(name) as client:
        answer = await client.get(f"{PATH}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def publish(county: County, name: str = "town", **more: Any) -> httpx.Response:
    body = {
        "title": "防汛",
        "words": "今晚有<b>暴雨</b>，沿河住户转移",
        "area_ids": [county.village],
        "until_us": now_us() + HOUR_US,
        **more,
    }
    return await does(county, name, "POST", **body)


async def published(county: County, **more: Any) -> str:
    answer = await publish(county, **more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def unread(county: County, name: str) -> int:
    return int((await asks(county, name, "/current"))["unread"])


async def test_a_notice_reaches_the_people_of_the_area_and_of_those_below(people: County) -> None:
    notice_id = await published(people, area_ids=[people.town])
    for name in ("clerk", "worker", "town"):
        (item,) = (await asks(people, name))["items"]
        assert (item["id"], item["addressed"], item["read_us"]) == (notice_id, True, None)
        assert await unread(people, name) == 1
    assert (await asks(people, "stranger"))["items"] == []
    assert (await does(people, "stranger", "GET", f"/{notice_id}")).status_code == 404


async def test_who_stands_above_sees_it_and_is_not_asked_to_read_it(people: County) -> None:
    await published(people)
    (item,) = (await asks(people, "leader"))["items"]
    assert not item["addressed"]
    assert await unread(people, "leader") == 0


async def test_words_are_kept_as_text(people: County) -> None:
    notice_id = await published(people)
    words = (await asks(people, "clerk", f"/{notice_id}"))["words"]
    assert words == "今晚有<b>暴雨</b>，沿河住户转移"


async def test_one_publishes_only_where_one_may_announce(people: County) -> None:
    assert (await publish(people, "clerk")).status_code == 403
    assert (await publish(people, "town", area_ids=[people.other_town])).status_code == 404
    both = [people.village, people.other_town]
    assert (await publish(people, "town", area_ids=both)).status_code == 404
    assert (await publish(people, "leader", area_ids=both)).status_code == 201
    areas = (await asks(people, "town", "/areas"))["items"]
    assert {one["id"] for one in areas} == {people.town, people.village}


async def test_it_says_for_which_area_it_was_published(people: County) -> None:
    notice_id = await published(people)
    document = await asks(people, "clerk", f"/{notice_id}")
    assert document["publisher_area"] == ["钟祥县", "石牌镇"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": " \u3000"},
        {"words": "   "},
        {"area_ids": []},
        {"until_us": 1},
        {"until_us": 2**60},
        {"priority": "loud"},
    ],
)
async def test_what_makes_no_notice_is_refused(people: County, wrong: dict[str, Any]) -> None:
    answer = await publish(people, **wrong)
    assert answer.status_code == 422
    assert (await asks(people, "clerk"))["items"] == []


async def test_before_it_begins_only_who_publishes_there_knows_of_it(people: County) -> None:
    later = now_us() + HOUR_US
    notice_id = await published(people, from_us=later, until_us=later + HOUR_US)
    assert (await asks(people, "clerk"))["items"] == []
    assert (await does(people, "clerk", "GET", f"/{notice_id}")).status_code == 404
    (item,) = (await asks(people, "town", side="managed"))["items"]
    assert item["state"] == "coming"
    assert (await asks(people, "town"))["items"] == []


async def test_what_is_over_is_unread_by_nobody(people: County) -> None:
    notice_id = await published(people, priority="emergency")
    alter(people, sa.update(notices).values(until_us=now_us() - 1))
    assert await unread(people, "clerk") == 0
    assert (await asks(people, "clerk", "/current"))["emergencies"] == []
    (item,) = (await asks(people, "clerk"))["items"]
    assert (item["id"], item["state"]) == (notice_id, "over")


async def test_a_receipt_counts_once_and_is_on_record(people: County) -> None:
    notice_id = await published(people)
    first = (await does(people, "clerk", "POST", f"/{notice_id}/read")).json()["read_us"]
    again = (await does(people, "clerk", "POST", f"/{notice_id}/read")).json()["read_us"]
    assert first is not None
    assert again == first
    assert await unread(people, "clerk") == 0
    assert await unread(people, "worker") == 1
    (record,) = await audited(people, "notice.read")
    assert record["user_name"] == "clerk"
    assert record["detail"]["notice"] == notice_id


async def test_who_publishes_there_sees_who_has_read_it_and_when(people: County) -> None:
    notice_id = await published(people, area_ids=[people.town])
    await does(people, "clerk", "POST", f"/{notice_id}/read")
    await does(people, "leader", "POST", f"/{notice_id}/read")
    whole = await asks(people, "town", f"/{notice_id}/coverage")
    # The town's own, the clerk, the worker; who stands above is not counted.
    assert (whole["people"], whole["read"]) == (3, 1)
    assert [(one["name"], one["people"], one["read"]) for one in whole["areas"]] == [
        ("石牌镇", 1, 0),
        ("彭墩村", 2, 1),
    ]
    village = whole["areas"][1]
    assert village["first_read_us"] == village["last_read_us"] is not None
    waiting, read = (await asks(people, "town", f"/{notice_id}/coverage/{people.village}"))["items"]
    assert (waiting["name"], waiting["read_us"]) == ("worker!", None)
    assert (read["name"], read["read_us"]) == ("clerk!", village["last_read_us"])


async def test_coverage_is_for_who_publishes_in_all_its_areas(people: County) -> None:
    notice_id = await published(people, name="leader", area_ids=[people.village, people.other_town])
    for name, status in (("clerk", 403), ("town", 404), ("leader", 200)):
        answer = await does(people, name, "GET", f"/{notice_id}/coverage")
        assert answer.status_code == status, name
    assert (await asks(people, "town", side="managed"))["items"] == []


async def test_an_emergency_is_shown_and_confirmed_by_the_sites_screen(people: County) -> None:
    notice_id = await published(people, priority="emergency")
    at_site = f"/{notice_id}/sites/{people.village}"
    (shown,) = (await asks(people, "television", "/current"))["emergencies"]
    site = {"area_id": people.village, "shown_us": None, "confirmed_us": None}
    assert shown["sites"] == [site]
    await does(people, "television", "PUT", at_site, confirmed=False)
    await does(people, "television", "PUT", at_site, confirmed=True)
    answer = await does(people, "television", "PUT", at_site, confirmed=False)
    assert answer.status_code == 200
    (shown,) = (await asks(people, "television", "/current"))["emergencies"]
    assert shown["sites"][0]["shown_us"] <= shown["sites"][0]["confirmed_us"]
    whole = await asks(people, "town", f"/{notice_id}/coverage")
    assert (whole["sites"], whole["confirmed"]) == (1, 1)
    assert whole["areas"][0]["site"]["confirmed_by"] == "television!"
    # A television reads nothing: the people of the village are not fewer for it.
    assert (whole["people"], whole["read"]) == (2, 0)


async def test_nobody_confirms_for_another_site(people: County) -> None:
    notice_id = await published(people, priority="emergency")
    for name, site in (("leader", people.village), ("clerk", people.town)):
        path = f"/{notice_id}/sites/{site}"
        answer = await does(people, name, "PUT", path, confirmed=True)
        assert answer.status_code == 404, name
    whole = await asks(people, "town", f"/{notice_id}/coverage")
    assert (whole["sites"], whole["confirmed"]) == (1, 0)


async def test_a_site_that_it_did_not_go_to_confirms_nothing(people: County) -> None:
    notice_id = await published(people, name="leader", priority="emergency")
    path = f"/{notice_id}/sites/{people.town}"
    answer = await does(people, "town", "PUT", path, confirmed=True)
    assert answer.status_code == 404


async def test_what_is_withdrawn_holds_no_more_and_says_why(people: County) -> None:
    notice_id = await published(people, priority="emergency")
    assert (
        await does(people, "clerk", "POST", f"/{notice_id}/withdraw", note="x")
    ).status_code == 403
    assert (
        await does(people, "town", "POST", f"/{notice_id}/withdraw", note=" ")
    ).status_code == 422
    answer = await does(people, "town", "POST", f"/{notice_id}/withdraw", note="写错了村名")
    assert answer.json()["state"] == "withdrawn"
    assert await unread(people, "clerk") == 0
    assert (await asks(people, "television", "/current"))["emergencies"] == []
    seen = await asks(people, "clerk", f"/{notice_id}")
    assert (seen["state"], seen["withdrawal_note"]) == ("withdrawn", "写错了村名")
    assert (await does(people, "clerk", "POST", f"/{notice_id}/read")).status_code == 409
    again = await does(people, "town", "POST", f"/{notice_id}/withdraw", note="又一次")
    assert again.status_code == 409
    assert [one["detail"]["note"] for one in await audited(people, "notice.withdraw")] == [
        "写错了村名"
    ]


async def test_files_are_seen_by_whom_it_is_for_alone(people: County) -> None:
    async with await people.sign_in("town") as client:
        pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
        file = (await client.post("/api/attachments?name=a.pdf", content=pdf)).json()
    notice_id = await published(people, file_ids=[file["id"]])
    (kept,) = (await asks(people, "clerk", f"/{notice_id}"))["files"]
    assert kept["name"] == "a.pdf"
    for name, status in (("clerk", 200), ("stranger", 404)):
        async with await people.sign_in(name) as client:
            answer = await client.get(f"/api/attachments/{file['id']}/content")
        assert answer.status_code == status, name


async def test_a_file_of_somebody_else_is_not_published(people: County) -> None:
    async with await people.sign_in("leader") as client:
        pdf = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
        file = (await client.post("/api/attachments?name=a.pdf", content=pdf)).json()
    assert (await publish(people, file_ids=[file["id"]])).status_code == 404
    assert (await asks(people, "clerk"))["items"] == []


async def test_the_list_goes_on_where_it_ended(people: County) -> None:
    made = [await published(people, title=f"第{number}号") for number in range(3)]
    first = await asks(people, "clerk", limit=2)
    rest = await asks(people, "clerk", limit=2, cursor=first["next_cursor"])
    ids = [one["id"] for one in first["items"] + rest["items"]]
    assert ids == made[::-1]
    assert rest["next_cursor"] is None
    await does(people, "clerk", "POST", f"/{made[1]}/read")
    waiting = await asks(people, "clerk", only="unread")
    assert {one["id"] for one in waiting["items"]} == {made[0], made[2]}


async def test_news_come_once_to_whom_it_is_for_and_of_each_receipt_to_who_publishes(
    people: County,
) -> None:
    watch = watch_notices(people.services.reader)
    heard: list[NoticeNews] = []
    ears = {name: NoticeEar() for name in ("clerk", "town", "stranger")}

    async def events() -> dict[str, list[str]]:
        heard.clear()
        with watch.listening(heard.append):
            heard.clear()
            await watch.look_once()
        told: dict[str, list[str]] = {}
        for name, ear in ears.items():
            async with people.services.reader.connect() as connection:
                principal = await principal_of_user(
                    connection, people.users[name], now_us() + HOUR_US
                )
            assert principal is not None
            messages = [ear.hear(principal, one) for one in heard]
            told[name] = [one["event"] for one in messages if one is not None]
        return told

    notice_id = await published(people)
    assert await events() == {"clerk": ["published"], "town": ["published"], "stranger": []}
    await does(people, "clerk", "POST", f"/{notice_id}/read")
    assert await events() == {"clerk": [], "town": ["changed"], "stranger": []}
    await does(people, "town", "POST", f"/{notice_id}/withdraw", note="已解除")
    assert await events() == {"clerk": ["withdrawn"], "town": ["withdrawn"], "stranger": []}
    assert await events() == {"clerk": [], "town": [], "stranger": []}
