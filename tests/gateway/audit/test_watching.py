"""What was really watched is put together, and told until it is durable."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.watching import FootageWatched, Watched, WatchedLog, merged, watched_live

SECOND_US = 1_000_000
ranges = st.lists(
    st.tuples(st.integers(0, 10**9), st.integers(1, 10**8)).map(lambda one: (one[0], sum(one)))
)


class Writer:
    """A register that is away at first. A :class:`recorder.rows.RowWriter`."""

    def __init__(self, away: int = 0, why: type[Exception] = ConnectionError) -> None:
        self.away = away
        self.why = why
        self.written: list[dict[str, Any]] = []
        self.got = asyncio.Event()

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        assert operation == "watching.report"
        if self.away:
            self.away -= 1
            raise self.why("the writer is being restarted")
        self.written += arguments["watched"]
        self.got.set()


@given(ranges, st.integers(1, 10))
def test_merged_ranges_cover_all_and_are_few(
    given_ranges: list[tuple[int, int]], limit: int
) -> None:
    union = merged(given_ranges, limit)
    assert len(union) <= limit
    assert union == sorted(union)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(union))
    for start, end in given_ranges:
        assert any(low <= start and end <= high for low, high in union)


@pytest.mark.parametrize("why", [ConnectionError, RuntimeError])
async def test_what_was_watched_is_told_until_it_is_durable(
    why: type[Exception], monkeypatch: Any
) -> None:
    monkeypatch.setattr("gateway.audit.watching._RETRY_S", 0.01)
    writer = Writer(2, why)
    log = WatchedLog(writer)
    running = asyncio.create_task(log.run())
    for number in range(3):
        log.add(watched_live(f"ses_{number}", "usr_1", "cam_1", 5, "main", "ended_by_viewer"))
    await asyncio.wait_for(writer.got.wait(), 30)
    running.cancel()
    await log.close()
    assert [one["session_id"] for one in writer.written] == ["ses_0", "ses_1", "ses_2"]
    assert writer.written[0]["start_us"] == 5
    assert writer.written[0]["detail"]["why"] == "ended_by_viewer"


async def test_a_stopping_process_tells_what_is_left_and_does_not_hang() -> None:
    writer = Writer(away=1)
    log = WatchedLog(writer)
    log.add(Watched("live", "ses_1", "usr_1", "cam_1", 1, 2, {}))
    await log.close()
    assert writer.written == [], "the writer was away; the sweep tells"
    await log.close()
    assert len(writer.written) == 1


async def test_footage_is_told_when_its_session_ends() -> None:
    writer = Writer()
    log = WatchedLog(writer)
    watched = FootageWatched(log)
    for start in (0, 2, 4, 100):
        begin = start * SECOND_US
        watched.note("ses_1", "usr_1", "cam_1", begin, begin + 2 * SECOND_US)
    watched.note("ses_2", "usr_2", "cam_1", 0, SECOND_US)
    watched.ended(["ses_1"])
    await log.flush()
    (told,) = writer.written
    assert (told["session_id"], told["camera_id"]) == ("ses_1", "cam_1")
    assert (told["start_us"], told["end_us"]) == (0, 102 * SECOND_US)
    assert told["detail"]["seconds"] == 8
    assert told["detail"]["ranges"] == [[0, 6 * SECOND_US], [100 * SECOND_US, 102 * SECOND_US]]
    watched.report_all()
    await log.flush()
    assert [one["session_id"] for one in writer.written] == ["ses_1", "ses_2"]


@pytest.mark.parametrize("pause", ["IDLE_S", "LONGEST_S"])
async def test_footage_is_told_when_it_pauses_or_goes_on_for_long(
    pause: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(FootageWatched, pause, 0.0)
    monkeypatch.setattr("gateway.audit.watching._LOOK_S", 0.01)
    writer = Writer()
    log = WatchedLog(writer)
    watched = FootageWatched(log)
    tasks = [asyncio.create_task(one) for one in (log.run(), watched.run())]
    watched.note("ses_1", "usr_1", "cam_1", 0, SECOND_US)
    await asyncio.wait_for(writer.got.wait(), 30)
    for task in tasks:
        task.cancel()
