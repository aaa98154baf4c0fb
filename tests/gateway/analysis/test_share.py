"""Several analysts on one database: each has its cameras, and what it lost it cannot keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.analysis.clean_stop import take_back_unless_clean
from gateway.analysis.desired import AnalysedCameras
from gateway.analysis.keeping import Batch, Keeper, Owner
from gateway.analysis.recorded import RecordedFootage
from gateway.analysis.share import Share
from gateway.analysis.turns import UNDER_WAY_US
from gateway.control.channel import ControlClient
from gateway.database.analysis_tables import analysis_owners, analysis_stretches, analysts
from gateway.settings import Settings
from gateway.settings.cluster import ClusterSettings
from search.index.tables import (
    indexed_spans,
    missed_spans,
    passage_cameras,
    passage_leftovers,
    passages,
)
from tests.gateway.analysis.conftest import Place
from tests.gateway.analysis.found import SECOND, START_US, found

A, B = "analysis.node-a", "analysis.node-b"


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def share(place: Place, name: str, clock: Clock) -> Share:
    node = name.partition(".")[2]
    settings = Settings(
        data_directory=place.folder / node,
        cluster=ClusterSettings(node=node, listen_address="127.0.0.1"),
    )

    def client(process: str) -> ControlClient:
        return ControlClient(place.folder / f"{process}.sock", b"s" * 32, connect_timeout_s=0.01)

    return Share(settings, place.engine, place.rows, name, client, clock=clock)


async def owners(place: Place) -> dict[str, str]:
    return dict(await place.all(analysis_owners, "camera_id", "owner"))


async def give(place: Place, **to: str) -> None:
    await place.rows.write("analysis.place", owners=to, under_way_us=UNDER_WAY_US)


async def beat(place: Place, clock: Clock, watching: Share, *names: str) -> None:
    """Half a second goes by, in which these say that they live."""
    clock.s += 0.5
    for name in names:
        await place.rows.write("analysts.beat", name=name)
    await watching.look()


async def test_cameras_are_shared_and_those_of_a_lost_one_taken_over(place: Place) -> None:
    clock = Clock()
    one, other = share(place, A, clock), share(place, B, clock)
    await one.claim(1)
    await other.claim(1)
    await beat(place, clock, one, A, B)
    await one.place(place.rows)
    # cam_2 is not analysed; of cam_3 only by its footage, when there is something to do.
    assert sorted(await owners(place)) == ["cam_1", "cam_4"]
    assert sorted((await owners(place)).values()) == [A, B]
    stretch = {"camera_id": "cam_3", "start_us": START_US, "end_us": START_US + SECOND}
    await place.rows.write("analysis.find", stretches=[stretch], reason="missed")
    await one.place(place.rows)
    assert sorted(await owners(place)) == ["cam_1", "cam_3", "cam_4"]
    for _ in range(8):
        await beat(place, clock, one, A)
    await one.place(place.rows)
    assert set((await owners(place)).values()) == {A}
    epochs = await place.all(analysis_owners, "camera_id", "epoch")
    assert sorted(epoch for _, epoch in epochs)[-1] == 2


async def test_one_without_workers_gets_nothing(place: Place) -> None:
    clock = Clock()
    one, other = share(place, A, clock), share(place, B, clock)
    await one.claim(0)
    await other.claim(1)
    await beat(place, clock, one, A, B)
    await one.place(place.rows)
    assert set((await owners(place)).values()) == {B}


async def test_each_looks_at_its_own_cameras(place: Place) -> None:
    await give(place, cam_1=A, cam_4=B)
    mine = AnalysedCameras(place.engine, A)
    await mine.read()
    assert set(mine.wanted) == {"cam_1"}
    assert mine.has("cam_1") and not mine.has("cam_4")
    await give(place, cam_1=B, cam_4=A)
    await mine.read()
    assert (set(mine.wanted), mine.epochs) == ({"cam_4"}, {"cam_4": 2})
    alone = AnalysedCameras(place.engine)
    await alone.read()
    assert set(alone.wanted) == {"cam_1", "cam_4"} and alone.has("cam_2")


def keeper(place: Place, name: str, epochs: Mapping[str, int]) -> Keeper:
    async def vectors(kind: str, items: Sequence[Mapping[str, Any]]) -> None:
        return None

    folder = place.folder / name / "staging"
    folder.mkdir(parents=True)
    return Keeper(
        place.engine, place.rows, place.store, folder, vectors, Owner(name, lambda: epochs)
    )


async def test_what_one_found_that_has_the_camera_no_more_is_not_kept(place: Place) -> None:
    await give(place, cam_1=A, cam_2=A)
    made = keeper(place, A, {"cam_1": 1, "cam_2": 1})
    await give(place, cam_2=B)
    some = [found(at_s=0), found("cam_2", at_s=1), found("cam_2", at_s=4)]
    span = [START_US, START_US + 9 * SECOND]
    await made.keep(
        Batch(
            some,
            [[one, *span, "model", False] for one in ("cam_1", "cam_2")],
            [["cam_2", *span, "dropped"]],
        )
    )
    assert await place.all(passages, "id") == [(some[0]["row"]["id"],)]
    assert len(await place.all(indexed_spans)) == 1
    assert await place.all(missed_spans) == []
    # Its crops are gone again; its vectors go with the next deletion.
    assert [one.key async for one in place.store.list("crops/")] == [some[0]["row"]["crop_key"]]
    assert list((place.folder / A / "staging").iterdir()) == []
    left = await place.all(passage_leftovers, "first_id", "last_id", "passages")
    assert left == [(some[1]["row"]["id"], some[2]["row"]["id"], 0)]


async def test_one_that_slept_while_its_camera_went_away_and_came_back_is_late(
    place: Place,
) -> None:
    await give(place, cam_1=A)
    made = keeper(place, A, {"cam_1": 1})
    await give(place, cam_1=B)
    await give(place, cam_1=A)
    await made.keep(Batch([found()]))
    assert await place.all(passages) == []


async def test_a_stretch_of_footage_goes_on_with_who_has_the_camera(place: Place) -> None:
    stretch = {"camera_id": "cam_1", "start_us": START_US, "end_us": START_US + 60 * SECOND}
    await place.rows.write("analysis.find", stretches=[stretch], reason="missed")
    ((stretch_id,),) = await place.all(analysis_stretches, "id")
    await give(place, cam_1=A)

    def progress(seconds: int, *, done: bool = False) -> Batch:
        until_us = START_US + seconds * SECOND
        return Batch(
            [found(at_s=seconds)],
            [["cam_1", START_US, until_us, "model", True]],
            (),
            {"stretch_id": stretch_id, "position_us": until_us, "passages": 1, "done": done},
        )

    former, later = keeper(place, A, {"cam_1": 1}), keeper(place, B, {"cam_1": 2})
    assert await former.keep(progress(10))
    await give(place, cam_1=B)
    assert not await former.keep(progress(30))
    assert await later.keep(progress(20))
    assert await place.all(analysis_stretches, "position_us") == [(START_US + 20 * SECOND,)]
    assert len(await place.all(passages)) == 2


async def test_one_camera_s_footage_does_not_wait_for_another_machine_s(place: Place) -> None:
    await give(place, cam_1=A, cam_4=B)
    for camera_id, count in (("cam_4", 220), ("cam_1", 1)):
        stretches = [
            {"camera_id": camera_id, "start_us": begin_us, "end_us": begin_us + SECOND}
            for begin_us in range(START_US, START_US + count * SECOND, SECOND)
        ]
        await place.rows.write("analysis.find", stretches=stretches, reason="missed")
    nothing: Any = None
    recorded = RecordedFootage(place.engine, place.rows, nothing, nothing, nothing, A)
    stretch = await recorded._next(lambda camera_id: True)
    assert stretch is not None and stretch.camera_id == "cam_1"


async def test_what_was_under_way_of_a_camera_that_moves_is_looked_for_again(place: Place) -> None:
    end_us = START_US + 600 * SECOND
    await give(place, cam_1=A, cam_2=A)
    for camera_id in ("cam_1", "cam_2"):
        await place.rows.write(
            "passages.note_indexed", camera_id=camera_id, start_us=START_US, end_us=end_us,
            model="model",
        )  # fmt: skip
    await give(place, cam_1=B)
    assert await place.all(missed_spans, "start_us", "end_us") == [(end_us - UNDER_WAY_US, end_us)]
    # A comes back, and was killed: of what it lost nothing is taken back twice.
    await take_back_unless_clean(place.folder / "search", place.rows, B)
    assert len(await place.all(missed_spans)) == 1
    await take_back_unless_clean(place.folder / "search-a", place.rows, A)
    missed = await place.all(missed_spans, "start_us", "end_us")
    assert missed == [(end_us - UNDER_WAY_US, end_us)] * 2
    live = await place.all(passage_cameras, "live_us")
    assert live == [(None,), (None,)]


async def leave(place: Place, count: int) -> None:
    """Rows go, and leave vectors behind."""
    with place.writing.begin() as connection:
        connection.execute(
            sa.insert(passage_leftovers),
            [
                {
                    "camera": 1, "cause": "expired", "first_id": number, "last_id": number,
                    "passages": 1, "since_us": START_US,
                }
                for number in range(1, count + 1)
            ],
        )  # fmt: skip


async def test_vectors_are_deleted_when_all_who_may_have_them_have_deleted_them(
    place: Place,
) -> None:
    clock = Clock()
    one, other = share(place, A, clock), share(place, B, clock)
    await one.claim(1)
    await other.claim(0)
    found_index = found()
    await place.rows.write("analysis.keep", items=[found_index["row"] | {"crop_key": None}])
    await leave(place, 3)
    assert await one.forget(3) == 0
    assert (await one.forgot(), await other.forgot()) == (3, 0)
    assert len(await place.all(passage_leftovers)) == 3
    assert await other.forget(2) == 2
    assert await place.all(passage_leftovers, "number") == [(3,)]
    # An analysis process that is configured, and was never heard of, may have some.
    await place.rows.write(
        "processes.report", name="analysis.node-c", kind="analysis", node="node-c", process_id=1,
        started_us=START_US,
    )  # fmt: skip
    assert await other.forget(3) == 0
    assert len(await place.all(passage_leftovers)) == 1


async def test_a_machine_that_is_called_differently_keeps_what_it_had(place: Place) -> None:
    clock = Clock()
    await share(place, A, clock).claim(1)
    await give(place, cam_1=A)
    await place.rows.write("analysts.forgot", name=A, through=7)
    renamed = share(place, "analysis.node-z", clock)
    path: Path = place.folder / "node-z"
    (place.folder / "node-a").rename(path)
    await renamed.claim(1)
    assert await place.all(analysts, "name", "forgot") == [("analysis.node-z", 7)]
    assert await owners(place) == {"cam_1": "analysis.node-z"}


@pytest.mark.parametrize("again", [False, True])
async def test_placing_may_be_repeated(place: Place, again: bool) -> None:
    for _ in range(1 + again):
        await give(place, cam_1=A)
    assert await place.all(analysis_owners, "camera_id", "owner", "epoch") == [("cam_1", A, 1)]
