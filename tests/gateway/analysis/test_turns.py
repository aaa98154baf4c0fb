"""Turns of one worker: who goes first, what a death costs, and that nothing is counted as looked at
that was not.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from gateway.analysis.live import LiveCamera
from gateway.analysis.mailboxes import FAILED, Mailboxes, Missed
from gateway.analysis.spans import Indexed
from gateway.analysis.turns import Turns
from gateway.analysis.worker_process import Ready, WorkerFailed

SECOND = 1_000_000
NOW_US = 1_800_000_000_000_000


def unit(at_s: float, payload: bytes = b"picture", *, keyframe: bool = True) -> list[Any]:
    return [0, payload, 0, 0, keyframe, NOW_US + round(at_s * SECOND)]


class Worker:
    """Answers at once; dies of the payload ``die``, with all that it knew."""

    def __init__(self) -> None:
        self.name = "w"
        self.state = "ready"
        self.ready = Ready("model", "cpu", (), "kind", 2)
        self.asked: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self.turns: Turns
        self.unseen: list[list[Any]] = []

    async def until_ready(self) -> None:
        self.state = "ready"

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if request["type"] == "other":
            return {"type": "other"}
        payloads = [
            item[1] for _, items in request["cameras"] for kind, item in items if kind == "unit"
        ]
        if b"die" in payloads:
            self.turns.died()
            raise WorkerFailed("it died", died=True)
        return {
            "detected": len(payloads), "faults": self.unseen, "fault": "it threw", "passages": [],
            "happenings": [], "wishes": {}, "boxes": {}, "unseen": self.unseen, "lost": [],
            "damaged": {}, "undescribed": 0,
        }  # fmt: skip

    def tell(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    def cameras(self, number: int) -> list[str]:
        return [camera_id for camera_id, _ in self.asked[number]["cameras"]]


class Results:
    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.room.set()
        self.looked_at: list[Indexed] = []
        self.left_out: list[Missed] = []
        self.undone: list[Indexed] = []

    def take(self, model: str, passages: Iterable[Any]) -> None:
        assert model == "model"

    def indexed(self, model: str, spans: Iterable[Indexed]) -> None:
        self.looked_at += spans

    def missed(self, spans: Iterable[Missed]) -> None:
        self.left_out += spans

    def lost(self, spans: Iterable[Indexed]) -> None:
        self.undone += spans


class Others:
    """Boxes, zones and their events, of which nothing is wanted here."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    def watched(self) -> list[str]:
        return []

    def show(self, camera_id: str, boxes: Mapping[str, Any]) -> None:
        raise AssertionError

    def of(self, camera_ids: Iterable[str]) -> dict[str, Any]:
        return {}

    def take(self, happenings: Iterable[Any]) -> None:
        assert list(happenings) == []

    def unwatched(self, camera_ids: Iterable[str]) -> None:
        self.gone += camera_ids


class Place:
    def __init__(self) -> None:
        self.worker, self.results, self.others = Worker(), Results(), Others()
        self.boxes = Mailboxes(bytes_of_camera=10**6, bytes_limit=10**7, age_us=60 * SECOND)
        cameras = {one: LiveCamera(one, "shard-1", tracks=["h264"]) for one in ("a", "b", "c")}
        others: Any = self.others
        self.turns = Turns(
            self.worker,  # type: ignore[arg-type]
            self.boxes,
            self.results,  # type: ignore[arg-type]
            cameras=cameras,
            is_mine=lambda camera_id: camera_id != "c",
            wish=lambda *_: None,
            watching=others,
            zones=others,
            zone_events=others,
        )
        self.worker.turns = self.turns

    async def run(self) -> None:
        """Until nothing is left to do."""
        running = asyncio.create_task(self.turns.run())
        turns = self.turns
        while turns._suspects or turns._leaving or turns._asked or turns._mine_waiting():
            turns.wake()
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.fixture
async def place() -> Place:
    return Place()


async def test_what_joins_is_one_stretch_and_a_break_is_none(place: Place) -> None:
    place.boxes.put_units("a", [unit(0), unit(2)])
    await place.run()
    place.boxes.put_units("a", [unit(4)])
    place.boxes.put_break("a")
    place.boxes.put_units("a", [unit(20)])
    await place.run()
    spans = [(one.start_us - NOW_US, one.end_us - NOW_US) for one in place.results.looked_at]
    assert spans == [
        (0, 2 * SECOND + 1), (2 * SECOND + 1, 4 * SECOND + 1), (20 * SECOND, 20 * SECOND + 1),
    ]  # fmt: skip


async def test_who_waits_longest_goes_first_and_footage_waits_for_all(place: Place) -> None:
    footage = asyncio.create_task(place.turns.when_idle({"type": "other"}))
    place.boxes.put_units("b", [unit(5)])
    place.boxes.put_units("a", [unit(1)])
    place.boxes.put_units("c", [unit(0)])
    await asyncio.sleep(0)
    await place.run()
    assert place.worker.cameras(0) == ["a", "b"]
    assert [one["type"] for one in place.worker.asked] == ["round", "other"]
    assert (await footage)["type"] == "other"
    assert place.boxes.waiting() == ["c"]


async def test_a_worker_that_begins_in_the_midst_is_told_the_format(place: Place) -> None:
    place.boxes.put_units("a", [unit(0)])
    await place.run()
    place.boxes.put_units("a", [unit(1)])
    await place.run()
    first, second = (one["cameras"][0][1] for one in place.worker.asked)
    assert first[0] == ("run", ["h264"]) and second[0][0] == "unit"


async def test_pictures_that_end_two_workers_are_left_out_and_no_other(place: Place) -> None:
    place.boxes.put_units("a", [unit(0), unit(1)])
    await place.run()
    place.boxes.put_units("a", [unit(2), unit(3)])
    place.boxes.put_units("b", [unit(2), unit(3, b"die")])
    await place.run()
    # Together, then each alone.
    assert [place.worker.cameras(n) for n in range(1, 4)] == [["a", "b"], ["a"], ["b"]]
    assert place.turns.skipped_batches == 1
    assert [(one.camera_id, one.cause) for one in place.results.left_out] == [("b", FAILED)]
    looked = [one for one in place.results.looked_at if one.camera_id == "a"]
    assert looked[-1].end_us == NOW_US + 3 * SECOND + 1
    assert not any(one.camera_id == "b" for one in place.results.looked_at)
    # What was under way is lost: the whole of what this worker had seen, here.
    assert place.results.undone[0] == Indexed("a", NOW_US, NOW_US + SECOND + 1)
    assert "a" in place.others.gone


async def test_what_was_not_seen_is_not_looked_at(place: Place) -> None:
    start_us, end_us = NOW_US + SECOND, NOW_US + 2 * SECOND
    place.worker.unseen = [["a", start_us, end_us]]
    place.boxes.put_units("a", [unit(0), unit(1), unit(3)])
    await place.run()
    assert place.results.left_out == [Missed("a", start_us, end_us, FAILED)]
    assert [(one.start_us, one.end_us) for one in place.results.looked_at] == [
        (NOW_US, start_us), (end_us, NOW_US + 3 * SECOND + 1),
    ]  # fmt: skip
    assert place.turns.failed_pictures == 1 and place.turns.last_fault == "it threw"


async def test_pictures_far_apart_do_not_tell_what_was_in_between(place: Place) -> None:
    """A stream stalls, a clock is set forwards and back."""
    place.boxes.put_units("a", [unit(1), unit(2)])
    await place.run()
    place.boxes.put_units("a", [unit(3602), unit(3603), unit(5), unit(6)])
    await place.run()
    spans = [(one.start_us - NOW_US, one.end_us - NOW_US) for one in place.results.looked_at]
    assert spans == [
        (SECOND, 2 * SECOND + 1), (3602 * SECOND, 3603 * SECOND + 1), (5 * SECOND, 6 * SECOND + 1),
    ]  # fmt: skip


async def test_of_a_camera_that_goes_what_is_under_way_is_ended_first(place: Place) -> None:
    place.boxes.put_units("a", [unit(0)])
    await place.run()
    place.turns.forget("a")
    await place.run()
    assert place.worker.asked[-1]["cameras"] == [["a", [("end", None)]]]
    assert place.worker.told == [{"type": "forget", "stream": "live", "camera_id": "a"}]
    assert place.others.gone == ["a"]
    assert place.results.undone == []


async def test_of_a_camera_that_goes_with_its_worker_what_was_under_way_is_lost(
    place: Place,
) -> None:
    place.boxes.put_units("a", [unit(0)])
    await place.run()
    place.turns.forget("a")
    place.turns.died()
    await place.run()
    assert place.results.undone == [Indexed("a", NOW_US, NOW_US + 1)]
    assert len(place.worker.asked) == 1


async def test_who_asks_a_worker_that_is_not_there_hears_that_it_was_not_asked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused() -> None:
        raise WorkerFailed("this is no detector", died=True, asked=False)

    monkeypatch.setattr(place.worker, "until_ready", refused)
    running = asyncio.create_task(place.turns.run())
    with pytest.raises(WorkerFailed) as raised:
        await place.turns.when_idle({"type": "other"})
    assert not raised.value.asked
    running.cancel()
