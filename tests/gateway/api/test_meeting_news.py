"""That a meeting calls somebody is told to them, and to nobody else, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.api import processes
from gateway.api.access import find_caller
from gateway.api.meeting_news import MeetingEar, MeetingNews
from gateway.people.authorize import Principal
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import People, meeting_people


class Listener:
    """Hears with somebody's ear."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self._ear = MeetingEar()
        self.heard: list[dict[str, Any]] = []

    def take(self, news: MeetingNews) -> None:
        message = self._ear.hear(self.principal, news)
        if message is not None:
            self.heard.append(message)

    def events(self) -> list[str]:
        said, self.heard = [one["event"] for one in self.heard], []
        return said


@pytest.fixture
async def people(county: County, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    async with meeting_people(county) as made:
        yield made


async def listener(people: People, client: Any) -> Listener:
    asks: Any = SimpleNamespace(headers={}, cookies=dict(client.cookies))
    principal = await find_caller(asks, people.county.services)
    assert principal is not None
    return Listener(principal)


async def test_a_ring_is_heard_by_who_is_called_once(people: People) -> None:
    watch = people.county.services.meetings
    village = await listener(people, people.village)
    stranger = await listener(people, people.stranger)
    chair = await listener(people, people.chair)
    with (
        watch.listening(village.take),
        watch.listening(stranger.take),
        watch.listening(chair.take),
    ):
        meeting_id = await people.called()
        await watch.look_once()
        assert village.events() == []
        invite = {"only_area_ids": [people.county.village]}
        await people.ask(people.chair, "POST", f"/{meeting_id}/invite", **invite)
        await watch.look_once()
        assert village.events() == ["changed"]
        await people.ask(people.chair, "POST", f"/{meeting_id}/start")
        await watch.look_once()
        ring = village.heard[-1]
        assert (ring["event"], ring["meeting_id"]) == ("ring", meeting_id)
        assert ring["seats"][0]["state"] == "ringing"
        village.events()
        # Somebody else's business wakes nobody.
        await people.ask(people.chair, "POST", f"/{meeting_id}/lock")
        await watch.look_once()
        await watch.look_once()
        assert village.events() == []
        assert chair.events() == ["changed"] * 4
        await people.ask(people.chair, "POST", f"/{meeting_id}/remind")
        await watch.look_once()
        assert village.events() == ["ring"]
        await people.ask(people.chair, "POST", f"/{meeting_id}/end")
        await watch.look_once()
        assert village.events() == ["ended"]
        assert stranger.events() == []


async def test_who_is_taken_out_hears_no_more(people: People) -> None:
    watch = people.county.services.meetings
    meeting_id, site = await people.running()
    village = await listener(people, people.village)
    with watch.listening(village.take):
        await watch.look_once()
        assert village.events() == ["ring"]
        await people.ask(people.chair, "POST", f"/{meeting_id}/participants/{site}/remove")
        await watch.look_once()
        assert village.events() == ["ended"]
        await people.ask(people.chair, "PATCH", f"/{meeting_id}", title="秘密")
        await watch.look_once()
        assert village.events() == []


async def test_who_opens_a_page_hears_at_once_what_rings(people: People) -> None:
    watch = people.county.services.meetings
    await people.running()
    await watch.look_once()
    village = await listener(people, people.village)
    with watch.listening(village.take):
        assert village.events() == ["ring"]
