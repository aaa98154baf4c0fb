"""From live pictures to what an answer says was not searched: nothing is called looked at that was
not, whatever fails. With the worker's own code, rows and coverage; only its process is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.analysis import analyst as analyst_module
from gateway.analysis.analyst import Analyst
from gateway.analysis.backlog import _indexed
from gateway.analysis.boxes import Boxes
from gateway.analysis.keeping import Keeper
from gateway.analysis.live import LiveCamera
from gateway.analysis.mailboxes import Mailboxes
from gateway.analysis.results import Results
from gateway.analysis.turns import Turns
from gateway.analysis.worker_process import Ready, WorkerFailed
from gateway.transcoder.wire import track_to_wire, units_to_wire
from gateway.zones.zone_events import ZoneEvents
from gateway.zones.zone_reader import ZonesOfCameras
from search.appearance.stripes import StripesEmbedder
from search.detectors.interface import DetectionFailed
from search.index.coverage import undescribed
from search.index.query import coverage
from search.index.tables import passages
from search.objects import Detections, Picture
from search.passages import Attributes, Passage, began_us
from tests.gateway.analysis.conftest import Place
from tests.search.coded import START_US, coded
from tests.search.test_pipeline import Walker

SECOND = 1_000_000
Clip = tuple[Track, list[AccessUnit]]


class Plain:
    is_broken = False

    def describe(self, passage: Passage) -> Attributes:
        if self.is_broken:
            raise RuntimeError("the reader of plates ran out of memory")
        return Attributes()


class Broken(Walker):
    """Fails at everything, up to when it is mended."""

    mended = False

    def detect(self, pictures: Sequence[Picture]) -> list[Detections]:
        if not self.mended:
            raise DetectionFailed("CUDA out of memory")
        return super().detect(pictures)


class InProcess:
    """A worker process' own code, answering without a process."""

    name = "w"
    state = "ready"
    ready = Ready("walker", "cpu", (), "stripes", 2)

    def __init__(self, detector: Walker) -> None:
        self.plain: Any = Plain()
        self.analyst = Analyst(detector, self.plain, StripesEmbedder())

    async def until_ready(self) -> None:
        return None

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.analyst.round(request)
        except Exception as error:
            raise WorkerFailed(f"{type(error).__name__}: {error}", died=False) from error

    def tell(self, message: dict[str, Any]) -> None:
        self.analyst.forget(message["stream"], message["camera_id"])


class Live:
    """One camera, looked at live."""

    def __init__(self, place: Place, detector: Walker, track: Track) -> None:
        async def vectors(kind: str, items: Sequence[Mapping[str, Any]]) -> None:
            return None

        self.place = place
        self.worker = InProcess(detector)
        self.track = track_to_wire(track)
        self.boxes = Mailboxes(bytes_of_camera=10**8, bytes_limit=10**8, age_us=10**12)
        keeper = Keeper(place.engine, place.rows, place.store, place.folder / "staging", vectors)
        self.keeper = keeper
        self.results = Results(keeper, place.rows, every_s=5)
        zones = ZonesOfCameras(place.engine)
        self.turns = Turns(
            self.worker,  # type: ignore[arg-type]
            self.boxes,
            self.results,
            cameras={"cam_1": LiveCamera("cam_1", "shard-1", tracks=[self.track])},
            is_mine=lambda _: True,
            wish=lambda *_: None,
            watching=Boxes(),
            zones=zones,
            zone_events=ZoneEvents(place.rows, zones.name),
        )

    async def send(self, units: Sequence[AccessUnit], *, run: bool = False) -> None:
        """As they come, a turn a second; kept after each."""
        if run:
            self.boxes.put_run("cam_1", [self.track])
        for at in range(0, len(units), 10):
            self.boxes.put_units("cam_1", units_to_wire(units[at : at + 10]))
            while self.turns._suspects or self.turns._mine_waiting():
                await self.turns._turn()
            await self.results.flush()

    async def uncovered(
        self, seconds: float, *, described: bool = False
    ) -> list[tuple[float, float, str]]:
        end_us = START_US + round(seconds * SECOND)
        async with self.place.engine.connect() as connection:
            span = (["cam_1"], START_US, end_us)
            told = await coverage(
                connection, *span, tolerance_us=SECOND,
                described=await undescribed(connection, *span) if described else None,
            )  # fmt: skip
        return [
            (round((one.start_us - START_US) / SECOND, 1),
             round((one.end_us - START_US) / SECOND, 1), one.why)
            for one in told
        ]  # fmt: skip


def pictures(seconds: int, *, moving: bool) -> list[Picture]:
    made = []
    for number in range(seconds * 10):
        picture = np.full((180, 320, 3), 90, np.uint8)
        if moving:
            left = (number * 4) % 250
            picture[40:140, left : left + 40] = 235
        picture[0, 0, 0] = number % 40
        made.append(picture)
    return made


@pytest.fixture(scope="module")
def walking() -> Clip:
    return coded(pictures(20, moving=True))


@pytest.fixture(scope="module")
def still() -> Clip:
    return coded(pictures(60, moving=False))


@pytest.fixture
async def opened(place: Place) -> AsyncIterator[Place]:
    (place.folder / "staging").mkdir()
    yield place


async def test_a_whole_clip_is_looked_at(opened: Place, walking: Clip) -> None:
    track, units = walking
    live = Live(opened, Walker(), track)
    await live.send(units, run=True)
    assert await live.uncovered(19.5) == []


async def test_a_still_scene_at_which_the_detector_fails_is_not_searched(
    opened: Place, still: Clip
) -> None:
    """It is asked every ten seconds; what lies between two failures was seen by nobody."""
    track, units = still
    broken = Broken()
    live = Live(opened, broken, track)
    keyframes = [unit for unit in units if unit.keyframe]
    await live.send(keyframes[:20], run=True)
    assert await live.uncovered(38) == [(0.0, 38.0, "failed")]
    assert live.turns.failed_pictures > 2
    # The first picture that it does not fail at ends it.
    broken.mended = True
    await live.send(keyframes[20:])
    ((start_s, end_s, why),) = await live.uncovered(58)
    assert (start_s, why) == (0.0, "failed") and 40 <= end_s <= 50


async def test_rubbish_is_not_searched_and_is_counted(opened: Place, walking: Clip) -> None:
    track, units = walking
    rubbish = np.random.default_rng(1)
    live = Live(opened, Walker(), track)
    await live.send(
        [
            replace(unit, payload=rubbish.bytes(len(unit.payload))) if 80 <= n < 120 else unit
            for n, unit in enumerate(units)
        ],
        run=True,
    )
    ((start_s, end_s, why),) = await live.uncovered(19.5)
    assert 7.5 <= start_s <= 8 and end_s == 12 and why == "failed"
    assert live.turns.damaged_units["cam_1"] >= 2


@pytest.mark.parametrize("codec", [Codec.JPEG, Codec.AAC])
async def test_a_codec_that_is_not_decoded_is_not_searched(
    opened: Place, walking: Clip, codec: Codec
) -> None:
    track, units = walking
    live = Live(opened, Walker(), replace(track, codec=codec))
    await live.send(units[:60], run=True)
    assert await live.uncovered(5.9) == [(0.0, 5.9, "failed")]


async def test_the_rest_of_a_group_whose_keyframe_is_not_known_is_not_searched(
    opened: Place, walking: Clip
) -> None:
    """A worker that begins anew in the midst of a camera's stream."""
    track, units = walking
    live = Live(opened, Walker(), track)
    await live.send(units[3:60])
    assert (await live.uncovered(5.8)) == [(0.3, 2.0, "failed")]


async def test_what_a_failed_round_had_taken_in_is_looked_at_once_more(
    opened: Place, walking: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a sampler that has not seen it; and what was under way by then is told as lost."""
    track, units = walking
    live = Live(opened, Walker(), track)
    await live.send(units[:100], run=True)
    pipeline = live.worker.analyst._streams["live"].pipeline
    add = pipeline.add

    def fails_once(frames: Any) -> Any:
        pipeline.add = add  # type: ignore[method-assign]
        raise RuntimeError("a fault of the tracker")

    pipeline.add = fails_once  # type: ignore[method-assign]
    before = live.turns.pictures
    await live.send(units[100:110])
    assert "a fault of the tracker" in live.turns.last_fault
    assert live.turns.pictures > before
    ((start_s, end_s, why),) = await live.uncovered(10.9)
    assert (start_s, end_s, why) == (0.0, 9.9, "failed")


async def test_a_passage_that_cannot_be_kept_is_not_passed_over(
    opened: Place, walking: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    track, units = walking
    live = Live(opened, Walker(), track)

    def refuses(*_: Any) -> Any:
        raise ValueError("a crop cannot be a JPEG")

    monkeypatch.setattr(analyst_module, "passage_message", refuses)
    await live.send(units, run=True)
    live.boxes.put_end("cam_1")
    await live.turns._turn()
    await live.results.flush()
    uncovered = await live.uncovered(19.5)
    assert uncovered and all(why == "failed" for *_, why in uncovered)


async def test_what_could_not_be_described_is_said_to_who_asks_what_things_look_like(
    opened: Place, walking: Clip
) -> None:
    track, units = walking
    live = Live(opened, Walker(), track)
    live.worker.plain.is_broken = True
    await live.send(units[:120], run=True)
    live.boxes.put_end("cam_1")
    await live.turns._turn()
    live.worker.plain.is_broken = False
    await live.send(units[120:], run=True)
    live.boxes.put_end("cam_1")
    await live.turns._turn()
    await live.results.flush()
    kept = await opened.all(passages, "id", "lasts_ms")
    assert live.turns.undescribed >= 1 and len(kept) > live.turns.undescribed
    # It was looked at: no footage is missing, and nothing is to be made up.
    assert await live.uncovered(11.5) == await live.uncovered(19.5) == []
    async with opened.engine.connect() as connection:
        assert (await _indexed(connection, ["cam_1"]))["cam_1"][0][0] == START_US
    told = await live.uncovered(19.5, described=True)
    assert {why for *_, why in told} == {"undescribed"}
    began_s = (began_us(min(kept)[0]) - START_US) / SECOND
    assert told[0][0] == pytest.approx(began_s, abs=0.1) and 5 < told[-1][1] < 12.5
