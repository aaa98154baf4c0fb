"""A camera in a meeting is there by the right of who brought it, and goes with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api import meeting_cameras, processes, withdrawal
from gateway.api.meeting_cameras import withdraw_cameras
from gateway.api.services import Services
from gateway.api.withdrawal import withdraw_for_ever
from gateway.database.tables import grants
from gateway.identifiers import now_us
from tests.gateway.api.conftest import County
from tests.gateway.api.meeting_people import People, meeting_people

HOUR_US = 3_600_000_000


@pytest.fixture
async def people(county: County, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[People]:
    monkeypatch.setattr(processes, "_CONNECT_S", 0.05)
    # Somebody administers, whatever becomes of who convenes.
    await county.user("admin", "system_admin")
    async with meeting_people(county) as made:
        yield made


async def _grant(people: People, **limits: Any) -> None:
    county = people.county
    await county.write(
        "grants.add", user_id=county.users["convener"], role="viewer", area_id=county.town, **limits
    )


async def _bring(people: People, meeting_id: str) -> str:
    """The participant that the village's camera is."""
    invited = await people.ask(
        people.chair, "POST", f"/{meeting_id}/invite", camera_ids=[people.county.camera]
    )
    return str(invited["participant_ids"][0])


async def _state(people: People, meeting_id: str, participant_id: str) -> str:
    # The chair's own right to see the meeting may be gone.
    async with people.county.services.reader.connect() as connection:
        state = await connection.scalar(
            sa.text("SELECT state FROM meeting_participants WHERE id = :id AND meeting_id = :of"),
            {"id": participant_id, "of": meeting_id},
        )
    return str(state)


async def _grant_withdrawn(people: People) -> None:
    async with people.county.services.reader.connect() as connection:
        grant_id = await connection.scalar(
            sa.select(grants.c.id).where(
                grants.c.user_id == people.county.users["convener"], grants.c.role == "viewer"
            )
        )
    await people.county.write("grants.withdraw", grant_id=grant_id)


async def _account_disabled(people: People) -> None:
    user_id = people.county.users["convener"]
    await people.county.write("accounts.change", user_id=user_id, enabled=False)


async def _account_deleted(people: People) -> None:
    await people.county.write("accounts.delete", user_id=people.county.users["convener"])


async def _camera_moved(people: People) -> None:
    county = people.county
    columns = {"area_id": county.other_town}
    await county.write("cameras.change", camera_id=county.camera, columns=columns)


async def _camera_deleted(people: People) -> None:
    await people.county.write("cameras.delete", camera_id=people.county.camera)


@pytest.mark.parametrize(
    ("lose", "cause"),
    [
        (_grant_withdrawn, "not_allowed"),
        (_account_disabled, "account_closed"),
        (_account_deleted, "account_closed"),
        (_camera_moved, "not_found"),
        (_camera_deleted, "camera_gone"),
    ],
)
@pytest.mark.parametrize("running", [True, False])
async def test_a_camera_goes_when_its_bringer_may_not_look_any_more(
    people: People, lose: Callable[[People], Awaitable[None]], cause: str, running: bool
) -> None:
    await _grant(people)
    scheduled = {"scheduled_us": now_us() + HOUR_US}
    meeting_id = (await people.running())[0] if running else await people.called(**scheduled)
    camera = await _bring(people, meeting_id)
    if running:
        await people.ask(people.chair, "POST", f"/{meeting_id}/participants/{camera}/pin")
    services = people.county.services
    assert await withdraw_cameras(services) == []
    await lose(people)
    assert await withdraw_cameras(services) == [camera]
    assert await _state(people, meeting_id, camera) == "removed"
    assert await withdraw_cameras(services) == []
    (record,) = await people.register("meeting.camera_withdrawn")
    assert record["user_id"] == people.county.users["convener"]
    assert record["camera_id"] == people.county.camera
    detail = json.loads(record["detail"])
    assert (detail["cause"], detail["meeting"], detail["participant"]) == (
        cause, meeting_id, camera,
    )  # fmt: skip


async def test_a_camera_goes_in_the_moment_in_which_the_grant_runs_out(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    until_us = now_us() + HOUR_US
    await _grant(people, valid_until_us=until_us)
    meeting_id, _ = await people.running()
    camera = await _bring(people, meeting_id)
    monkeypatch.setattr(meeting_cameras, "now_us", lambda: until_us - 1)
    assert await withdraw_cameras(people.county.services) == []
    monkeypatch.setattr(meeting_cameras, "now_us", lambda: until_us)
    assert await withdraw_cameras(people.county.services) == [camera]


async def test_a_camera_is_brought_anew_by_somebody_who_may_look(people: People) -> None:
    await _grant(people)
    meeting_id, _ = await people.running()
    camera = await _bring(people, meeting_id)
    await _grant_withdrawn(people)
    assert await withdraw_cameras(people.county.services) == [camera]
    await people.county.user("officer", "area_admin", people.county.town)
    async with await people.county.sign_in("officer") as officer:
        invited = await people.ask(
            officer, "POST", f"/{meeting_id}/invite", camera_ids=[people.county.camera]
        )
    assert invited["participant_ids"] == [camera]
    # It is there by the right of who brought it last.
    assert await withdraw_cameras(people.county.services) == []
    assert await _state(people, meeting_id, camera) == "invited"


async def test_meetings_that_are_over_are_left_as_they_were(people: People) -> None:
    await _grant(people)
    meeting_id, _ = await people.running()
    camera = await _bring(people, meeting_id)
    await people.ask(people.chair, "POST", f"/{meeting_id}/end")
    await _account_disabled(people)
    assert await withdraw_cameras(people.county.services) == []
    assert await _state(people, meeting_id, camera) != "removed"


async def test_it_is_looked_at_as_soon_as_rights_have_changed(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _grant(people)
    meeting_id, _ = await people.running()
    camera = await _bring(people, meeting_id)
    await _grant_withdrawn(people)
    taken_out: asyncio.Queue[list[str]] = asyncio.Queue()

    async def withdraw(services: Services) -> list[str]:
        found = await withdraw_cameras(services)
        taken_out.put_nowait(found)
        return found

    monkeypatch.setattr(withdrawal, "withdraw_cameras", withdraw)
    people.county.services.rights_changed.set()
    task = asyncio.create_task(withdraw_for_ever(people.county.services))
    try:
        async with asyncio.timeout(60):
            assert await taken_out.get() == [camera]
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
