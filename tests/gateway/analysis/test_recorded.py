"""Recorded footage: what could not be looked at is said, and costs nothing that was known of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from camera_adapters.stream import AccessUnit, Track
from gateway.analysis import recorded as recorded_module
from gateway.analysis.analyst import Analyst
from gateway.analysis.keeping import Keeper
from gateway.analysis.recorded import RecordedFootage
from gateway.analysis.worker import _handle
from gateway.analysis.worker_process import WorkerFailed, WorkerProcess
from gateway.database.analysis_tables import analysis_stretches
from gateway.footage.reader import FootageReader
from gateway.identifiers import new_id, now_us
from gateway.settings.analysis import SearchSettings
from gateway.zones.zone_reader import ZonesOfCameras
from recorder.recorder import Recorder, RecorderConfig
from recorder.spool import SpoolConfig
from recorder.spool_header import RecordedSource
from search.appearance.stripes import StripesEmbedder
from search.detectors.interface import DetectionFailed, ModelRefused
from search.index.coverage import undescribed
from search.index.query import coverage
from search.index.reading import find_passages
from search.index.tables import indexed_spans, passage_names, passages
from search.objects import Detections, Picture
from search.passages import Attributes, Passage
from tests.gateway.analysis.conftest import Place
from tests.gateway.analysis.found import found
from tests.gateway.analysis.test_worker_process import FAKE
from tests.search.coded import START_US, coded
from tests.search.test_pipeline import Walker

SECOND = 1_000_000
END_US = START_US + 20 * SECOND


class Plain:
    """Describes nothing of what began within ``broken_s``."""

    def __init__(self, broken_s: tuple[float, float] = (0, 0)) -> None:
        self._broken_s = broken_s

    def describe(self, passage: Passage) -> Attributes:
        from_s, until_s = self._broken_s
        if from_s <= (passage.first_us - START_US) / SECOND < until_s:
            raise RuntimeError("out of memory")
        return Attributes()


class Unfit(Walker):
    """An accelerator that has no memory left, from the n-th question on."""

    name = "unfit"

    def __init__(self, after: int = 0) -> None:
        super().__init__()
        self._after = after

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        if len(self.asked) >= self._after:
            raise DetectionFailed("CUDA out of memory")
        return super().detect(pictures)


class NoShards:
    async def call(self, shard: str, name: str, /, **_: Any) -> Any:
        raise ConnectionError(f"{shard} is away")


@dataclass
class Footage:
    """Twenty seconds of one camera, and looking through them."""

    place: Place
    reader: FootageReader
    record: Callable[[Sequence[AccessUnit]], Any]
    units: list[AccessUnit]

    async def known(self, *at_s: float) -> None:
        """An earlier model saw somebody then, and has looked at all of it."""
        items = [found("cam_1", (START_US - 1_800_000_000 * SECOND) / SECOND + at) for at in at_s]
        rows = [{**one["row"], "crop_key": None} for one in items]
        await self.place.rows.write("passages.add", items=rows)
        await self.place.rows.write(
            "passages.note_indexed", camera_id="cam_1", start_us=START_US, end_us=END_US,
            model="old",
        )  # fmt: skip

    async def look_through(
        self,
        detector: Walker,
        *,
        again: bool = False,
        describer: Plain | None = None,
        models: Mapping[str, Walker] | None = None,
        by_model: str | None = None,
    ) -> RecordedFootage:
        plain: Any = describer or Plain()

        def load(name: str) -> Walker:
            if models is None or name not in models:
                raise ModelRefused(f"there is no {name}")
            return models[name]

        analyst = Analyst(detector, plain, StripesEmbedder(), load_named=load)

        async def vectors(kind: str, items: Sequence[Mapping[str, Any]]) -> None:
            return None

        async def ask(request: dict[str, Any]) -> dict[str, Any]:
            answered = _handle(analyst, request)
            assert answered is not None, "this has no answer"
            if answered["type"] == "failed":
                raise WorkerFailed(answered["message"], died=False)
            return answered

        def tell(message: dict[str, Any]) -> None:
            assert _handle(analyst, message) is None

        looking = await self.looking(vectors)
        await self.ask_for(again=again, by_model=by_model)
        await self.look(looking, ask, tell, detector.name)
        return looking

    async def looking(self, vectors: Any) -> RecordedFootage:
        place = self.place
        keeper = Keeper(place.engine, place.rows, place.store, place.folder / "staging", vectors)
        await keeper.open()
        zones = ZonesOfCameras(place.engine)
        return RecordedFootage(place.engine, place.rows, self.reader, keeper, zones)

    async def ask_for(self, *, again: bool = False, by_model: str | None = None) -> None:
        job = {
            "id": new_id("job"), "start_us": START_US, "end_us": END_US,
            "again": again, "model": by_model, "created_by": None,
        }  # fmt: skip
        stretch = {"camera_id": "cam_1", "start_us": START_US, "end_us": END_US}
        await self.place.rows.write("analysis.ask", job=job, stretches=[stretch])

    async def look(self, looking: RecordedFootage, ask: Any, tell: Any, model: str) -> None:
        chosen = await looking._next(lambda _: True)
        assert chosen is not None
        await looking._look_through(chosen, ask, tell, lambda: model)

    async def uncovered(self, *, described: bool = False) -> list[tuple[float, float, str]]:
        async with self.place.engine.connect() as connection:
            span = (["cam_1"], START_US, END_US)
            beside = await undescribed(connection, *span) if described else None
            told = await coverage(connection, *span, described=beside)
        return [
            ((one.start_us - START_US) / SECOND, (one.end_us - START_US) / SECOND, one.why)
            for one in told
        ]


def walk(seconds: int) -> tuple[Track, list[AccessUnit]]:
    """Something moves through all of it."""
    pictures = []
    for number in range(seconds * 10):
        picture = np.full((180, 320, 3), 90, np.uint8)
        left = (number * 4) % 250
        picture[40:140, left : left + 40] = (235, 235, 235)
        picture[0, 0, 0] = number % 40
        pictures.append(picture)
    return coded(pictures)


@pytest.fixture(scope="module")
def clip() -> tuple[Track, list[AccessUnit]]:
    return walk(20)


@pytest.fixture
async def footage(place: Place, clip: tuple[Track, list[AccessUnit]]) -> AsyncIterator[Footage]:
    track, units = clip
    async with AsyncExitStack() as stack:
        spool = SpoolConfig(place.folder / "spool")
        recorder = Recorder(RecorderConfig(spool, segment_s=10), place.rows, place.store)
        await recorder.start()
        stack.push_async_callback(recorder.close)

        async def record(some: Sequence[AccessUnit]) -> None:
            source_id = "cam_1/main"
            await place.rows.write(
                "recorder.assign", source_id=source_id, owner="shard-1", now_us=now_us()
            )
            writer = await recorder.record(RecordedSource(source_id, "import", "cam_1", "main", 1))
            writer.on_run_started((track,))
            for unit in some:
                writer.on_access_unit(unit)
            writer.on_run_started((track,))
            assert await recorder.uploader.drain(30)

        yield Footage(place, FootageReader(place.engine, place.store, NoShards()), record, units)


async def test_a_model_that_fails_takes_the_place_of_nothing(footage: Footage) -> None:
    await footage.record(footage.units)
    await footage.known(1, 8, 15)
    await footage.look_through(Unfit(), again=True)
    assert len(await footage.place.all(passages)) == 3
    ((state, detail, position_us),) = await footage.place.all(
        analysis_stretches, "state", "detail", "position_us"
    )
    # It is tried again, and is not called done.
    assert state == "waiting" and "CUDA out of memory" in detail and position_us == START_US


async def test_what_a_better_model_has_looked_at_it_takes_the_place_of(footage: Footage) -> None:
    await footage.record(footage.units)
    await footage.known(1, 8, 15)
    before = set(await footage.place.all(passages, "id"))
    await footage.look_through(Walker(), again=True)
    after = set(await footage.place.all(passages, "id"))
    assert after and not after & before


async def test_a_model_that_fails_half_way_leaves_what_is_known_of_the_rest(
    footage: Footage,
) -> None:
    await footage.record(footage.units)
    await footage.known(1, 8, 18)
    before = await footage.place.all(passages, "id")
    await footage.look_through(Unfit(after=4), again=True)
    after = await footage.place.all(passages, "id")
    assert before[0] not in after and before[2] in after


async def test_what_a_detector_fails_at_is_not_covered(footage: Footage) -> None:
    await footage.record(footage.units)
    await footage.look_through(Unfit(after=4))
    ((start_s, end_s, why),) = await footage.uncovered()
    assert 2 <= start_s <= 6 and end_s == 20 and why == "failed"


async def test_footage_that_cannot_be_decoded_is_not_covered(footage: Footage) -> None:
    """Two groups of pictures are rubbish: nobody may think that nothing happened there."""
    rubbish = np.random.default_rng(1)
    await footage.record(
        [
            replace(unit, payload=rubbish.bytes(len(unit.payload))) if 80 <= n < 120 else unit
            for n, unit in enumerate(footage.units)
        ]
    )
    looking = await footage.look_through(Walker())
    assert await footage.uncovered() == [(8.0, 12.0, "failed")]
    assert looking.passages > 0


async def test_what_could_not_be_described_is_noted_until_it_is(
    footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Kept after each fragment, so that what is noted reaches from one batch into the next.
    monkeypatch.setattr(recorded_module, "KEEP_EVERY_S", 0.0)
    monkeypatch.setattr(recorded_module, "UNDER_WAY_US", 3 * SECOND)
    await footage.record(footage.units)
    everything = (0.0, 20.0)
    await footage.look_through(Walker(), describer=Plain(everything))
    told = await footage.uncovered(described=True)
    assert told and {why for *_, why in told} == {"undescribed"}
    assert await footage.uncovered() == []
    # Looked at again, and no better: it is as it was.
    await footage.look_through(Walker(), again=True, describer=Plain(everything))
    assert await footage.uncovered(described=True) == told
    # Without a wish to look again nothing is described, and nothing is said to be.
    await footage.look_through(Walker())
    assert await footage.uncovered(described=True) == told
    await footage.look_through(Walker(), again=True)
    assert await footage.uncovered(described=True) == []


async def test_a_model_that_fails_describes_nothing_after_all(footage: Footage) -> None:
    await footage.record(footage.units)
    await footage.look_through(Walker(), describer=Plain((0.0, 20.0)))
    told = await footage.uncovered(described=True)
    assert told
    await footage.look_through(Unfit(), again=True)
    assert [one for one in await footage.uncovered(described=True) if one[2] != "failed"] == told


class Night(Walker):
    """Another model than that of live pictures."""

    name = "night-v2"


async def test_a_job_that_names_a_model_is_looked_through_by_it_under_its_name(
    footage: Footage,
) -> None:
    await footage.record(footage.units)
    await footage.known(1, 8, 15)
    live, night = Walker(), Night()
    await footage.look_through(live, again=True, models={"night": night}, by_model="night")
    assert night.asked and not live.asked
    ids = [one for (one,) in await footage.place.all(passages, "id")]
    async with footage.place.engine.connect() as connection:
        kept = await find_passages(connection, ids)
    assert kept and {one.model for one in kept.values()} == {"night-v2"}
    named = dict(await footage.place.all(passage_names, "number", "name"))
    looked_at = await footage.place.all(indexed_spans, "model", "start_us", "end_us")
    assert {(named[model], *span) for model, *span in looked_at} == {
        ("old", START_US, END_US), ("night-v2", START_US, END_US),
    }  # fmt: skip


async def test_a_model_that_cannot_be_used_is_said_and_replaces_nothing(footage: Footage) -> None:
    await footage.record(footage.units)
    await footage.known(1, 8, 15)
    before = await footage.place.all(passages, "id")
    live = Walker()
    await footage.look_through(live, again=True, by_model="night")
    ((state, detail),) = await footage.place.all(analysis_stretches, "state", "detail")
    assert state == "waiting" and "there is no night" in detail
    assert await footage.place.all(passages, "id") == before and not live.asked


async def no_vectors(kind: str, items: Sequence[Mapping[str, Any]]) -> None:
    return None


async def test_the_worker_lives_on_when_a_stretch_is_over(footage: Footage) -> None:
    await footage.record(footage.units)
    looking = await footage.looking(no_vectors)
    await footage.ask_for()
    worker = WorkerProcess("w", SearchSettings(patience_s=5), module=FAKE)
    try:
        await worker.until_ready()
        process_id = worker.process_id
        await footage.look(looking, worker.ask, worker.tell, "fake")
        ((state,),) = await footage.place.all(analysis_stretches, "state")
        assert state == "done"
        nothing = {"type": "round", "number": 1, "stream": "live", "cameras": []}
        assert (await worker.ask(nothing))["type"] == "round"
        assert worker.process_id == process_id and worker.restarts == 0
    finally:
        await worker.close()


async def test_no_footage_is_used_up_while_there_is_no_worker_to_ask(
    footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_module, "_WORKER_PAUSE_S", 0)
    await footage.record(footage.units)
    looking = await footage.looking(no_vectors)
    await footage.ask_for()

    async def refused(request: dict[str, Any]) -> dict[str, Any]:
        raise WorkerFailed("this is no detector", died=True, asked=False)

    for _ in range(5):
        await footage.look(looking, refused, lambda _: None, "fake")
    ((state, position_us),) = await footage.place.all(analysis_stretches, "state", "position_us")
    assert (state, position_us) == ("waiting", START_US)
    assert [why for *_, why in await footage.uncovered()] == ["not_analysed"]


async def test_a_model_that_ends_the_worker_is_not_tried_for_ever(
    footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_module, "_WORKER_PAUSE_S", 0)
    monkeypatch.setattr(recorded_module, "FIRST_PAUSE_US", 0)
    await footage.record(footage.units)
    looking = await footage.looking(no_vectors)
    await footage.ask_for(by_model="night")

    async def dies(request: dict[str, Any]) -> dict[str, Any]:
        assert request == {"type": "model", "name": "night"}
        raise WorkerFailed("it held too much", died=True)

    tries = 0
    while await looking._next(lambda _: True) is not None:
        tries += 1
        assert tries < 20
        await footage.look(looking, dies, lambda _: None, "fake")
    ((state, detail),) = await footage.place.all(analysis_stretches, "state", "detail")
    assert state == "failed" and "night ended the worker: it held too much" in detail


def test_a_model_of_footage_leaves_memory_with_the_last_footage() -> None:
    loaded: list[str] = []

    def load(name: str) -> Walker:
        loaded.append(name)
        return Walker()

    analyst = Analyst(Walker(), Plain(), StripesEmbedder(), load_named=load)
    ask = {"number": 0, "stream": "str_1", "model": "night", "zones": {}, "watched": []}
    analyst.round({**ask, "cameras": [["cam_1", []]]})
    analyst.named("night")
    assert loaded == ["night"]
    analyst.forget("str_1", "cam_1")
    analyst.named("night")
    assert loaded == ["night", "night"]
