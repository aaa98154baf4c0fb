"""A shard in this process: real cameras by RTSP, a real recorder, rows in a file of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

import gateway.demo
import recorder.index  # noqa: F401  (declares the row operations)
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import AccessUnit, Interruption, Track, Variant
from gateway.demo.clip import Clip, load_clip
from gateway.demo.replay import ReplayServer
from gateway.settings import Settings
from gateway.shard.derived import DerivedVariants
from gateway.shard.desired import DesiredSource
from gateway.shard.feed import Feed
from gateway.shard.shard import MediaShard
from gateway.transcoder.client import TranscoderClient
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter
from recorder.spool import SpoolConfig
from recorder.stores import DirectoryStoreConfig, open_store
from recorder.tables import gaps, spans
from tests.gateway.kept import new_database

CAMERA = "cam_gate"


class Viewer:
    """A sink that remembers, and lets a test wait for what it needs."""

    def __init__(self) -> None:
        self.runs = 0
        self.units: list[AccessUnit] = []
        self.interruptions: list[Interruption] = []
        self.closed = False
        self._changed = asyncio.Event()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs += 1
        self._changed.set()

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self._changed.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)
        self._changed.set()

    def on_closed(self) -> None:
        self.closed = True
        self._changed.set()

    async def until(self, condition: Callable[[], bool], limit_s: float = 30) -> None:
        async with asyncio.timeout(limit_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def sees(self, pictures: int) -> None:
        """Wait for so many more pictures."""
        wanted = len(self.units) + pictures
        await self.until(lambda: len(self.units) >= wanted)


@dataclass(slots=True)
class World:
    """The cameras and the shard that pulls them."""

    cameras: ReplayServer
    shard: MediaShard
    recorder: Recorder
    engine: sa.Engine
    states: list[tuple[str, str | None]] = field(default_factory=list)
    state_changed: asyncio.Event = field(default_factory=asyncio.Event)

    def source(
        self, variant: Variant = Variant.MAIN, *, recorded: bool = True, name: str = "gate"
    ) -> DesiredSource:
        return DesiredSource(
            source_id=f"{CAMERA}/{variant}",
            camera_id=CAMERA,
            variant=variant,
            url=self.cameras.url(name),
            username=None,
            password=None,
            transport="tcp",
            recorded=recorded,
            epoch=1,
        )

    async def hold(self, *sources: DesiredSource) -> None:
        await self.shard.reconcile({source.source_id: source for source in sources})

    def watch(self, variant: Variant = Variant.MAIN) -> Viewer:
        viewer = Viewer()
        self.shard.stream(CAMERA, variant).attach(viewer)
        return viewer

    def on_state(self, feed: Feed) -> None:
        state = feed.state
        self.states.append((state.state, state.cause) if state else ("idle", None))
        self.state_changed.set()

    async def until_state(self, wanted: str, limit_s: float = 30) -> None:
        async with asyncio.timeout(limit_s):
            while not self.states or self.states[-1][0] != wanted:
                self.state_changed.clear()
                await self.state_changed.wait()

    async def gap_rows(self) -> list[tuple[str, int, int | None]]:
        """(cause, start, end), by start, once everything told is written."""
        await self.recorder.gaps.drain()
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.select(gaps.c.cause, gaps.c.start_us, gaps.c.end_us).order_by(gaps.c.start_us)
            ).all()
        return [(row.cause, row.start_us, row.end_us) for row in rows]

    def span_rows(self) -> list[tuple[int, int]]:
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(spans).order_by(spans.c.start_us)).all()
        return [(row.start_us, row.end_us) for row in rows]


class NoTranscoder:
    """Stands where a transcoder client would; nothing in these tests may reach it."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the transcoder was asked: {name}")


@pytest.fixture(scope="session")
def crossing() -> Clip:
    """10 pictures a second, a keyframe each second."""
    return load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = new_database(Settings(data_directory=tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
async def cameras(crossing: Clip) -> AsyncIterator[ReplayServer]:
    server = ReplayServer()
    server.add("gate", crossing)
    server.add("gate/sub", crossing, start_s=3)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def world(tmp_path: Path, engine: sa.Engine, cameras: ReplayServer) -> AsyncIterator[World]:
    rows = LocalRowWriter(engine)
    store = open_store(DirectoryStoreConfig(tmp_path / "footage"))
    spool = tmp_path / "spool"
    spool.mkdir()
    recorder = Recorder(RecorderConfig(SpoolConfig(spool), segment_s=4), rows, store)
    await recorder.start()
    transcoder: TranscoderClient = NoTranscoder()  # type: ignore[assignment]
    shard = MediaShard(
        recorder,
        DerivedVariants(transcoder, lambda *_: None),
        clock=SteadyClock(),
        on_state=lambda feed: made.on_state(feed),
        idle_s=0.3,
    )
    made = World(cameras, shard, recorder, engine)
    yield made
    await shard.close()
    await recorder.close()
    await store.close()
    await asyncio.to_thread(rows.close)
