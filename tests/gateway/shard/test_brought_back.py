"""When a shard says that nothing is held on its machine any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.shard.brought_back import BroughtBack


class Recorder:
    """What is asked of a recorder: which sources it records, and which files wait in its spool."""

    def __init__(self, *files: str) -> None:
        self.spool: Any = self
        self.files = {name: SimpleNamespace(source=name.partition("#")[0]) for name in files}
        self.recorded_ids: set[str] = set()

    def files_of(self, source_id: str) -> list[Any]:
        return [one for one in self.files.values() if one.source == source_id]


class Rows:
    def __init__(self) -> None:
        self.told: list[list[str] | None] = []
        self.is_away = False

    async def write(
        self, operation: str, /, owners: list[str], source_ids: list[str] | None
    ) -> None:
        assert (operation, owners) == ("gaps.brought_back", ["shard-1", "shard-1.node-a"])
        if self.is_away:
            raise ConnectionError("no writer")
        self.told.append(source_ids)


def brought_back(recorder: Recorder, rows: Rows) -> BroughtBack:
    return BroughtBack(recorder, rows, ["shard-1", "shard-1.node-a"])  # type: ignore[arg-type]


async def test_once_what_was_found_at_the_start_is_stored() -> None:
    recorder, rows = Recorder("a#1", "b#1"), Rows()
    watching = brought_back(recorder, rows)
    for files in ({"a#1", "b#1", "c#2"}, {"b#1", "c#2"}):
        recorder.files = Recorder(*files).files
        await watching.turn()
        assert rows.told == []
    recorder.files = Recorder("c#2").files
    for _ in range(2):
        await watching.turn()
        assert rows.told == [None], "once, of all cameras"


async def test_of_a_camera_that_went_elsewhere_once_nothing_of_it_waits() -> None:
    recorder, rows = Recorder(), Rows()
    watching = brought_back(recorder, rows)
    recorder.recorded_ids = {"a", "b"}
    await watching.turn()
    recorder.recorded_ids, recorder.files = {"b"}, Recorder("a#9").files
    await watching.turn()
    assert rows.told == [None]
    recorder.files = {}
    for _ in range(2):
        await watching.turn()
        assert rows.told == [None, ["a"]]


async def test_not_of_a_camera_that_has_come_again_meanwhile() -> None:
    recorder, rows = Recorder(), Rows()
    watching = brought_back(recorder, rows)
    for recorded, files in (({"a"}, ()), (set(), ("a#9",)), ({"a"}, ()), ({"a"}, ())):
        recorder.recorded_ids, recorder.files = recorded, Recorder(*files).files
        await watching.turn()
    assert rows.told == [None]


async def test_what_cannot_be_written_is_told_at_the_next_turn() -> None:
    recorder, rows = Recorder(), Rows()
    watching = brought_back(recorder, rows)
    recorder.recorded_ids = {"a"}
    await watching.turn()
    recorder.recorded_ids, rows.is_away = set(), True
    with pytest.raises(ConnectionError):
        await watching.turn()
    rows.is_away = False
    await watching.turn()
    assert rows.told == [None, ["a"]]
