"""``gridsight check`` says what of a meeting's objects is missing, altered, or nobody's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.api import processes
from gateway.meetings.check import check_meetings
from gateway.meetings.kept import keep
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import People, meeting_people


@pytest.fixture
async def people(county: County, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    async with meeting_people(county) as made:
        yield made


async def test_every_object_is_named_and_every_name_has_its_object(people: People) -> None:
    services = people.county.services
    store = services.storage.store

    async def differences() -> list[tuple[str, str]]:
        found = [one async for one in check_meetings(services.reader, store)]
        return sorted((one.kind, one.subject.split()[0]) for one in found)

    meeting_id, site = await people.running()
    path = f"/api/meetings/{meeting_id}/files"
    kept = (await people.chair.post(path, params={"name": "a"}, content=b"abc")).json()
    board = await people.ask(people.chair, "POST", f"/{meeting_id}/roll-calls", 201)
    await keep(store, f"meetings/{meeting_id}/x.jpg", b"jpeg")
    await people.county.write(
        "roll_calls.picture", roll_call_id=board["id"], participant_id=site,
        key=f"meetings/{meeting_id}/x.jpg", at_us=1,
    )  # fmt: skip
    assert await differences() == []
    key = f"meetings/{meeting_id}/files/{kept['id']}"
    await store.delete([key, f"meetings/{meeting_id}/x.jpg"])
    await keep(store, "meetings/of-nobody", b"x")
    assert await differences() == [
        ("object_missing", "meeting"), ("object_missing", "roll"),
        ("object_unindexed", "meetings/of-nobody"),
    ]  # fmt: skip
    await keep(store, key, b"abcd")
    assert ("object_size", "meeting") in await differences()
