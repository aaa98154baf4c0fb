"""Assist requests: who may not look may ask who may, and is lent what they found until it ends."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from openpyxl import load_workbook
from PIL import Image

from gateway.api.withdrawal import Withdrawal
from gateway.assist.watch import AssistEar, AssistNews
from gateway.audit.watching import Watched
from gateway.database.assist_tables import assist_photos, assist_requests
from gateway.database.evidence_tables import holds
from gateway.database.tables import bookmarks, viewing_sessions
from gateway.identifiers import now_us
from gateway.people.authorize import AreaPlace, Footage, Lent, authorize
from gateway.people.grants import principal_of_user
from gateway.people.roles import Right
from gateway.settings.assist import AssistSettings
from tests.gateway.api.accounts import alter, audited, configure
from tests.gateway.api.conftest import County

S = 1_000_000
HOUR_US = 3600 * S
PATH = "/api/assist"


@pytest.fixture
async def people(county: County) -> County:
    """An investigator of one town asks the village of another."""
    await county.user("asker", "investigator", county.other_town)
    await county.user("clerk", "operator", county.village)
    await county.user("chief", "supervisor", county.root)
    await county.user("town", "supervisor", county.other_town)
    await county.user("stranger", "operator", county.other_town)
    return county


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 240), (20, 90, 160)).save(file, "JPEG")
    return file.getvalue()


class Ask:
    """One request and what people do with it."""

    def __init__(self, county: County, start_us: int | None = None) -> None:
        self.county = county
        self.start_us = start_us or now_us() - 2 * HOUR_US
        self.id = ""
        self.case_id = ""

    async def send(self, *area_ids: str, **more: Any) -> httpx.Response:
        async with await self.county.sign_in("asker") as client:
            if not self.case_id:
                made = await client.post(
                    "/api/cases",
                    json={"number": "2026-1", "title": "走失", "area_id": self.county.other_town},
                )
                self.case_id = made.json()["id"]
            body = {
                "case_id": self.case_id,
                "title": "走失老人",
                "words": "黑色棉袄，灰裤子",
                "start_us": self.start_us,
                "end_us": self.start_us + HOUR_US,
                "deadline_us": now_us() + HOUR_US,
                "area_ids": list(area_ids or (self.county.village,)),
                **more,
            }
            answer = await client.post(PATH, json=body)
        self.id = answer.json().get("id", "")
        return answer

    async def does(self, name: str, deed: str, **body: Any) -> httpx.Response:
        async with await self.county.sign_in(name) as client:
            return await client.post(f"{PATH}/{self.id}/{deed}", json=body)

    async def reads(self, name: str, path: str = "") -> httpx.Response:
        async with await self.county.sign_in(name) as client:
            return await client.get(f"{PATH}/{self.id}{path}")

    async def clip(self, first_s: int = 60, last_s: int = 90) -> dict[str, Any]:
        answer = await self.does(
            "clerk",
            f"areas/{self.county.village}/clips",
            camera_id=self.county.camera,
            start_us=self.start_us + first_s * S,
            end_us=self.start_us + last_s * S,
            note="往东走",
        )
        assert answer.status_code == 201, answer.text
        (area,) = answer.json()["areas"]
        found: dict[str, Any] = area["clips"][-1]
        return found

    async def answers(self, state: str, **body: Any) -> httpx.Response:
        return await self.does("clerk", f"areas/{self.county.village}/answer", state=state, **body)

    async def plays(self, name: str, clip: dict[str, Any], **more: Any) -> httpx.Response:
        body = {
            "camera_ids": [clip["camera_id"]],
            "start_us": clip["start_us"],
            "end_us": clip["end_us"],
            "clip_id": clip["id"],
            **more,
        }
        async with await self.county.sign_in(name) as client:
            return await client.post("/api/playback", json=body)


@pytest.fixture
async def asked(people: County) -> Ask:
    """A request of the village that was approved."""
    ask = Ask(people)
    assert (await ask.send()).json()["state"] == "waiting"
    assert (await ask.does("chief", "approve", note="同意")).json()["state"] == "open"
    return ask


async def scalar(county: County, statement: Any) -> Any:
    async with county.services.reader.connect() as connection:
        return await connection.scalar(statement)


def past(ask: Ask) -> None:
    """As if its deadline had been a moment ago; nobody has written down that it is over."""
    alter(
        ask.county,
        sa.update(assist_requests)
        .where(assist_requests.c.id == ask.id)
        .values(deadline_us=now_us() - 1),
    )


class TestAsking:
    async def test_who_may_not_look_waits_for_approval(self, people: County) -> None:
        ask = Ask(people)
        assert (await ask.send()).json()["state"] == "waiting"
        assert (await ask.reads("clerk")).status_code == 404
        assert (await ask.does("town", "approve")).status_code == 404
        own = await ask.does("asker", "approve")
        assert own.status_code in (403, 404)
        assert (await ask.does("chief", "approve")).json()["state"] == "open"
        assert (await ask.reads("clerk")).json()["words"] == "黑色棉袄，灰裤子"

    async def test_who_may_look_everywhere_asks_at_once(self, people: County) -> None:
        ask = Ask(people)
        assert (await ask.send(people.other_town)).json()["state"] == "open"

    async def test_what_is_refused_is_told_to_no_clerk(self, people: County) -> None:
        ask = Ask(people)
        await ask.send()
        assert (await ask.does("chief", "refuse", note="理由不足")).json()["state"] == "refused"
        assert (await ask.reads("clerk")).status_code == 404

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"end_us": 1}, "end_us"),
            ({"deadline_us": 1}, "deadline_us"),
            ({"deadline_us": now_us() + 30 * 24 * HOUR_US}, "deadline_us"),
            ({"area_ids": ["area_of_nobody"]}, "area_ids"),
            ({"words": ""}, "words"),
            ({"title": " "}, "title"),
        ],
    )
    async def test_says_what_is_wrong(
        self, people: County, wrong: dict[str, Any], field: str
    ) -> None:
        answer = await Ask(people).send(**wrong)
        assert answer.status_code == 422
        assert field in answer.text

    async def test_has_limits_that_are_configured(self, people: County) -> None:
        configure(people, assist=AssistSettings(areas_limit=1, photo_bytes_limit=1024))
        answer = await Ask(people).send(people.village, people.town)
        assert "at most 1 areas" in answer.text
        async with await people.sign_in("asker") as client:
            sent = await client.post(f"{PATH}/photos?name=a.jpg", content=jpeg() + b"\0" * 1024)
        assert sent.status_code == 413

    async def test_an_operator_of_no_case_asks_nobody(self, asked: Ask) -> None:
        async with await asked.county.sign_in("stranger") as client:
            answer = await client.post(
                PATH,
                json={
                    "case_id": asked.case_id, "title": "x", "words": "y",
                    "start_us": asked.start_us, "end_us": asked.start_us + S,
                    "deadline_us": now_us() + HOUR_US, "area_ids": [asked.county.village],
                },
            )  # fmt: skip
        assert answer.status_code == 404


class TestPhoto:
    async def photo(self, county: County) -> str:
        async with await county.sign_in("asker") as client:
            sent = await client.post(f"{PATH}/photos?name=张.jpg", content=jpeg())
        assert sent.status_code == 201, sent.text
        photo_id: str = sent.json()["id"]
        return photo_id

    async def test_is_sealed_and_shown_to_who_is_asked(self, people: County) -> None:
        ask = Ask(people)
        photo_id = await self.photo(people)
        await ask.send(photo_ids=[photo_id])
        await ask.does("chief", "approve")
        sealed = await scalar(people, sa.select(assist_photos.c.picture_sealed))
        assert "JFIF" not in sealed
        shown = await ask.reads("clerk", f"/../photos/{photo_id}/picture")
        assert Image.open(io.BytesIO(shown.content)).size == (320, 240)
        assert (await ask.reads("stranger", f"/../photos/{photo_id}/picture")).status_code == 404
        (record,) = await audited(people, "assist.photo_show")
        assert record["user_name"] == "clerk"
        assert record["case_id"] == ask.case_id

    async def test_is_unreadable_at_the_deadline_and_then_deleted(self, people: County) -> None:
        ask = Ask(people)
        photo_id = await self.photo(people)
        await ask.send(photo_ids=[photo_id])
        await ask.does("chief", "approve")
        past(ask)
        for name in ("asker", "clerk"):
            gone = await ask.reads(name, f"/../photos/{photo_id}/picture")
            assert gone.status_code == 404
        assert await people.write("assist.sweep") == [ask.id]
        assert await scalar(people, sa.select(sa.func.count()).select_from(assist_photos)) == 0
        assert (await ask.reads("asker")).json()["state"] == "expired"
        (record,) = await audited(people, "assist.expire")
        assert record["case_id"] == ask.case_id

    async def test_that_was_never_sent_goes_after_an_hour(self, people: County) -> None:
        await self.photo(people)
        await people.write("assist.sweep")
        count = sa.select(sa.func.count()).select_from(assist_photos)
        assert await scalar(people, count) == 1
        alter(people, sa.update(assist_photos).values(created_us=now_us() - HOUR_US))
        await people.write("assist.sweep")
        assert await scalar(people, count) == 0

    async def test_that_is_none_is_refused(self, people: County) -> None:
        async with await people.sign_in("asker") as client:
            sent = await client.post(f"{PATH}/photos?name=a.jpg", content=b"<html>no photo</html>")
        assert sent.status_code in (415, 422)


class TestAnswering:
    async def test_seen_needs_a_clip_which_is_bookmarked_and_held(self, asked: Ask) -> None:
        county = asked.county
        assert "Attach a clip" in (await asked.answers("seen")).text
        clip = await asked.clip()
        seen = (await asked.answers("seen", note="往东走")).json()
        assert seen["areas"][0]["state"] == "seen"
        held = await scalar(county, sa.select(holds.c.case_id))
        assert held == asked.case_id
        marked = await scalar(county, sa.select(bookmarks.c.at_us))
        assert marked == clip["start_us"]

    async def test_the_same_clip_twice_is_one(self, asked: Ask) -> None:
        assert (await asked.clip())["id"] == (await asked.clip())["id"]
        count = sa.select(sa.func.count()).select_from(holds)
        assert await scalar(asked.county, count) == 1

    async def test_missing_tells_the_gaps_by_themselves(self, asked: Ask) -> None:
        work = (await asked.reads("clerk", f"/areas/{asked.county.village}")).json()
        (camera,) = work["cameras"]
        assert camera["recorded_us"] == 0
        assert [one["cause"] for one in camera["gaps"]] == ["not_recorded"]
        told = (await asked.answers("missing")).json()["areas"][0]["missing"]
        assert told == camera["gaps"]

    async def test_clerks_of_other_places_know_of_nothing(self, asked: Ask) -> None:
        for path in ("", f"/areas/{asked.county.village}"):
            assert (await asked.reads("stranger", path)).status_code == 404

    async def test_how_much_was_looked_through_is_what_was_played(self, asked: Ask) -> None:
        county = asked.county
        before_us = asked.start_us - 600 * S
        watched = Watched(
            "playback", "ses_1", county.users["clerk"], county.camera,
            before_us, asked.start_us + 900 * S,
            {"seconds": 1500, "ranges": [[before_us, asked.start_us + 900 * S]]},
        )  # fmt: skip
        message = {
            name: getattr(watched, name)
            for name in ("action", "session_id", "user_id", "camera_id", "start_us", "end_us")
        } | {"detail": watched.detail, "report_id": watched.report_id}
        for _ in range(2):
            await county.write("watching.report", watched=[message])
        (area,) = (await asked.answers("not_seen")).json()["areas"]
        assert (area["cameras"], area["cameras_looked"]) == (1, 1)
        assert (area["looked_us"], area["whole_us"]) == (900 * S, 3600 * S)
        assert area["looked_by"] == ["clerk!"]

    async def test_is_over_with_its_request(self, asked: Ask) -> None:
        past(asked)
        assert (await asked.answers("not_seen")).status_code == 404


class TestLending:
    async def test_the_asker_plays_the_clip_and_nothing_else(self, asked: Ask) -> None:
        clip = await asked.clip()
        # There is no footage server in this test: that is asked last.
        assert (await asked.plays("asker", clip)).status_code == 503
        wider = await asked.plays("asker", clip, end_us=clip["end_us"] + S)
        assert wider.status_code == 422
        plain = await asked.plays("asker", clip, clip_id=None)
        assert plain.status_code == 404
        assert (await asked.plays("stranger", clip)).status_code == 404

    @pytest.mark.parametrize("how", ["deadline", "close", "case"])
    async def test_ends_with_the_request_whatever_ends_it(self, asked: Ask, how: str) -> None:
        clip = await asked.clip()
        county = asked.county
        await county.write(
            "viewing.open", records=[], id="ses_clip", user_id=county.users["asker"],
            token_hash=None, process="footage-1", action="playback", camera_ids=[clip["camera_id"]],
            may_lift_masks=False, clip_id=clip["id"],
        )  # fmt: skip
        watch = Withdrawal(county.services)
        assert await watch.look() == []
        if how == "deadline":
            past(asked)
        elif how == "close":
            closed = await asked.does("asker", "close", outcome="found", note="已找到")
            assert closed.json()["state"] == "closed"
        else:
            async with await county.sign_in("asker") as client:
                await client.post(
                    f"/api/cases/{asked.case_id}/close",
                    json={"note": "结案", "release_holds": False},
                )
        assert await watch.look() == ["ses_clip"]
        ended = await scalar(county, sa.select(viewing_sessions.c.ended_us))
        assert ended is not None
        assert (await asked.plays("asker", clip)).status_code == 404

    async def test_decides_by_minutes_in_the_one_decision(self, asked: Ask) -> None:
        county = asked.county
        at_us = now_us()
        async with county.services.reader.connect() as connection:
            asker = await principal_of_user(connection, county.users["asker"], at_us + HOUR_US)
        assert asker is not None
        place = AreaPlace(f"{county.root}/{county.town}/{county.village}/")
        lent = replace(asker, lent=(Lent("clip_1", Footage(county.camera, 10, 20), at_us + 1),))
        inside, wider = Footage(county.camera, 12, 20), Footage(county.camera, 12, 21)
        decision = authorize(lent, Right.PLAYBACK, place, at_us, inside)
        assert (decision.allowed, decision.may_lift_masks) == (True, False)
        assert not authorize(lent, Right.PLAYBACK, place, at_us, wider).allowed
        assert not authorize(lent, Right.PLAYBACK, place, at_us).allowed
        assert not authorize(lent, Right.EXPORT, place, at_us, inside).allowed
        assert not authorize(lent, Right.PLAYBACK, place, at_us + 1, inside).allowed
        assert not authorize(
            lent, Right.PLAYBACK, place, at_us, Footage(county.other_camera, 12, 20)
        ).allowed


class TestGoingOn:
    async def test_is_extended_with_a_reason_and_closed_with_a_result(self, asked: Ask) -> None:
        later = now_us() + 20 * HOUR_US
        extended = (await asked.does("asker", "extend", deadline_us=later, note="再查一夜")).json()
        assert extended["deadline_us"] == later
        assert (
            await asked.does("asker", "extend", deadline_us=later - S, note="x")
        ).status_code == 422
        await asked.answers("not_seen", note="都看过了")
        closed = (await asked.does("asker", "close", outcome="not_found", note="未找到")).json()
        assert (closed["state"], closed["outcome"], closed["result"]) == (
            "closed", "not_found", "未找到",
        )  # fmt: skip
        assert [one["kind"] for one in closed["steps"]] == [
            "close", "answer", "extend", "approve", "ask",
        ]  # fmt: skip
        assert (await asked.does("asker", "close", outcome="found", note="x")).status_code == 409

    async def test_reminds_who_has_not_answered_once_a_minute(self, asked: Ask) -> None:
        told = (await asked.does("asker", "remind", note="请尽快")).json()
        assert told["areas"][0]["reminded_us"] is not None
        assert (await asked.does("asker", "remind")).status_code == 409

    async def test_nobody_else_ends_it(self, asked: Ask) -> None:
        assert (await asked.does("clerk", "close", outcome="found", note="x")).status_code == 404
        refused = await asked.does("chief", "close", outcome="found", note="x")
        assert refused.status_code == 403

    async def test_the_answers_are_a_sheet(self, asked: Ask) -> None:
        await asked.clip()
        await asked.answers("seen")
        sheet = await asked.reads("asker", "/summary.xlsx?language=zh")
        lines = list(load_workbook(io.BytesIO(sheet.content)).active.values)  # type: ignore[union-attr]
        assert lines[1][1].endswith("彭墩村")
        assert lines[1][2] == "发现"
        assert (await asked.reads("clerk", "/summary.xlsx")).status_code == 404

    async def test_every_area_may_be_asked_by_who_searches(self, people: County) -> None:
        async with await people.sign_in("asker") as client:
            areas = (await client.get(f"{PATH}/areas")).json()
        assert people.village in {one["id"] for one in areas["items"]}

    async def test_is_listed_where_it_waits_for_an_answer(self, asked: Ask) -> None:
        async with await asked.county.sign_in("clerk") as client:
            page = (await client.get(PATH)).json()
            assert (page["unanswered"], page["items"][0]["case"]) == (1, None)
        await asked.answers("not_seen")
        async with await asked.county.sign_in("clerk") as client:
            assert (await client.get(PATH)).json()["unanswered"] == 0


class TestNews:
    async def hears(self, ask: Ask, name: str, ear: AssistEar) -> dict[str, Any] | None:
        heard: list[AssistNews] = []
        services = ask.county.services
        await services.assist.look_once()
        with services.assist.listening(heard.append):
            pass
        async with services.reader.connect() as connection:
            user_id = ask.county.users[name]
            principal = await principal_of_user(connection, user_id, now_us() + HOUR_US)
        assert principal is not None
        (news,) = [one for one in heard if one.request_id == ask.id]
        return ear.hear(principal, news)

    async def test_tells_clerks_that_they_are_asked_urged_and_not_any_more(
        self, asked: Ask
    ) -> None:
        ear = AssistEar()
        told = await self.hears(asked, "clerk", ear)
        assert told is not None
        assert (told["event"], told["title"]) == ("asked", "走失老人")
        assert await self.hears(asked, "clerk", ear) is None
        await asked.does("asker", "remind")
        urged = await self.hears(asked, "clerk", ear)
        assert urged is not None
        assert urged["event"] == "reminded"
        await asked.does("asker", "close", outcome="found", note="已找到")
        over = await self.hears(asked, "clerk", ear)
        assert over is not None
        assert (over["event"], over["title"]) == ("ended", None)

    async def test_tells_nobody_else(self, asked: Ask) -> None:
        assert await self.hears(asked, "stranger", AssistEar()) is None

    async def test_tells_who_asked_of_each_answer(self, asked: Ask) -> None:
        ear = AssistEar()
        await self.hears(asked, "asker", ear)
        await asked.answers("not_seen")
        told = await self.hears(asked, "asker", ear)
        assert told is not None
        assert told["event"] == "changed"
