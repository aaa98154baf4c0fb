"""What a room saw reaches the rows, in order, whatever the writer does meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.meetings.journal import Journal, observe
from recorder.rows import RowError
from tests.gateway.meetings.a_county import Rows


class Writer:
    """Refuses as often as it is told to, and remembers."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.facts: list[tuple[str, Any]] = []
        self.changed = asyncio.Event()

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        assert operation == "meetings.observe"
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the writer is being restarted")
        self.facts += [(name, given["at_us"]) for name, given in arguments["facts"]]
        self.changed.set()
        return [[name, None] for name, _ in arguments["facts"]]


async def test_facts_go_out_in_order_and_in_batches() -> None:
    writer = Writer()
    journal = Journal(writer)
    for at_us in range(500):
        journal.note("meetings.arrived", at_us=at_us)
    await journal.flush()
    assert [at_us for _, at_us in writer.facts] == list(range(500))
    assert len(journal) == 0


async def test_a_writer_that_was_away_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.meetings.journal._RETRY_S", 0.0)
    writer = Writer(failures=2)
    journal = Journal(writer)
    journal.note("meetings.arrived", at_us=1)
    task = asyncio.create_task(journal.run())
    async with asyncio.timeout(30):
        await writer.changed.wait()
    task.cancel()
    assert writer.facts == [("meetings.arrived", 1)]


async def test_what_is_left_goes_out_at_the_end_and_a_dead_writer_does_not_hang_it() -> None:
    writer = Writer()
    journal = Journal(writer)
    journal.note("meetings.departed", at_us=1)
    await journal.close()
    assert writer.facts == [("meetings.departed", 1)]
    writer.failures = 1
    journal.note("meetings.departed", at_us=2)
    await journal.close()
    assert len(journal) == 1


def test_a_room_observes_nothing_but_what_rooms_see() -> None:
    with pytest.raises(RowError):
        observe(None, [["users.create", {}]])  # type: ignore[arg-type]


def test_one_fact_that_is_refused_harms_no_other(rows: Rows) -> None:
    meeting_id = rows.called()
    (a,) = rows.invite(meeting_id, "a")
    rows.write("meetings.start", meeting_id=meeting_id, shard="shard-1")
    rows.joined(meeting_id, a, "ses")
    left = {"participant_id": a, "session_id": "ses", "at_us": 2**60, "reason": "closed"}
    nowhere = {
        "meeting_id": meeting_id, "participant_id": "none", "kind": "camera", "why": "", "at_us": 1
    }  # fmt: skip
    # Neither refused by a rule nor by the database: the facts themselves make no sense.
    misshapen = {"participant_id": a, "nonsense": 1}
    unwritable = left | {"reason": {"no": "text"}}
    outcomes = rows.write(
        "meetings.observe",
        facts=[
            ["meetings.program", nowhere],
            ["meetings.arrived", misshapen],
            ["meetings.departed", unwritable],
            ["meetings.departed", left],
        ],
    )
    said = [(why or "").split(":")[0] for _, why in outcomes]
    assert said == ["meetings.program", "meetings.arrived", "meetings.departed", ""]
    assert rows.participant(a).state == "left"


async def test_one_fact_that_cannot_be_sent_holds_up_no_other() -> None:
    class Strict(Writer):
        async def write(self, operation: str, /, **arguments: Any) -> Any:
            if any("poison" in given for _, given in arguments["facts"]):
                raise TypeError("this cannot be packed")
            return await super().write(operation, **arguments)

    writer = Strict()
    journal = Journal(writer)
    told: list[Any] = []
    for at_us in range(10):
        poison = {"poison": object()} if at_us == 4 else {}
        journal.note("meetings.arrived", at_us=at_us, told=told.append, **poison)
    await journal.flush()
    assert [at_us for _, at_us in writer.facts] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert told.index(None) == 4 and len(told) == 10
    assert len(journal) == 0
