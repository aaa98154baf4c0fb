"""A page that says too much too often: what it costs the others."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.newest import Newest
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import Shard, a_shard


@pytest.fixture
async def shard(rows: Rows) -> AsyncIterator[Shard]:
    async with a_shard(rows) as made:
        yield made


async def test_a_page_that_switches_its_camera_all_the_time_is_heeded_twice_a_second(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    other = await shard.join(meeting_id, b)
    page = await shard.join(meeting_id, a, camera=True, microphone=True)
    room = shard.rooms.rooms[meeting_id]
    taken = []
    changed = room._notices.changed
    monkeypatch.setattr(room._notices, "changed", lambda who: (taken.append(who), changed(who))[1])
    begun_s = time.monotonic()
    for number in range(150):
        await page.say(type="device", camera=number % 2 == 0)
    await page.say(type="device", camera=True, microphone=True)
    # Its last word is heeded, however many came before.
    await other.until(
        lambda: room.members[a].device.microphone and not room.members[a].devices.waits
    )
    assert len([who for who in taken if who == a]) <= 3 + 2 * (time.monotonic() - begun_s)
    await other.listens_to(page)


async def test_a_page_that_turns_its_tiles_all_the_time_gets_its_last_wish(shard: Shard) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    page, other = await shard.join(meeting_id, a), await shard.join(meeting_id, b, camera=True)
    for number in range(100):
        await page.look((f"v{number % 3}", b))
    await page.look(("v2", b))
    await page.sees(other, "v2")
    await page.hears("tiles", slots=[
        {"slot": "v2", "participant_id": b, "kind": "camera", "layer": ""}
    ])  # fmt: skip
    told = [one for one in page.told if one["type"] == "tiles"]
    assert len(told) < 50


async def test_who_answers_a_roll_call_a_hundred_times_is_written_down_once(shard: Shard) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a)
    roll_call_id = shard.rows.write(
        "roll_calls.begin", meeting_id=meeting_id, area_id=None, title="点名", user_id="x",
        late_after_s=300,
    )  # fmt: skip
    shard.rows.write("roll_calls.call", roll_call_id=roll_call_id, participant_id=a)
    await shard.rooms.reconcile()
    await page.hears("called")
    for _ in range(100):
        await page.say(type="answer_call")
    await page.say(type="ping")
    await page.hears("pong")
    await page.hears("answered", counted=True)
    assert len([one for one in page.told if one["type"] == "answered"]) == 1


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=60))
def test_the_newest_word_is_taken_and_never_two_within_the_pause(
    steps: list[tuple[bool, float]],
) -> None:
    newest: Newest[int] = Newest(0.5)
    now_s, said, taken_s = 10.0, 0, []
    for speaks, passed_s in steps:
        now_s += passed_s
        if speaks:
            said += 1
            newest.put(said)
        due = newest.due(now_s)
        if due is not None:
            assert due == said
            taken_s.append(now_s)
    assert all(after - before > 0.5 - 1e-9 for before, after in itertools.pairwise(taken_s))
    now_s += 0.5
    assert newest.waits == (newest.due(now_s) == said)
