"""A county of one machine, small: database, store, recorder, transcoder, and a footage server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

import gateway.audit
import gateway.database.tables
import gateway.evidence.hold_rows
import gateway.mask_rows
import gateway.people.account_rows
import recorder.index  # noqa: F401
from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.audit.watching import FootageWatched, WatchedLog
from gateway.control.channel import ControlClient, ControlServer
from gateway.database.engine import create_reader_engine
from gateway.footage import download_route
from gateway.footage.download import VirtualFile
from gateway.footage.export_rights import Exports
from gateway.footage.fragments import FragmentMaker
from gateway.footage.frames import FrameMaker
from gateway.footage.media_file import RunStarted, read_media_file
from gateway.footage.privacy import Privacy
from gateway.footage.reader import FootageReader
from gateway.footage.routes import FootageServer, footage_server
from gateway.footage.sessions import PlaybackSessions
from gateway.footage.transcoding import PlaybackTranscoding
from gateway.identifiers import now_us
from gateway.settings import Settings
from gateway.shard.calls import footage_calls
from gateway.shard.web import serve_http
from gateway.tickets import Ticket, TicketSigner
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.pool import TranscoderPool
from gateway.transcoder.process import handlers
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter
from recorder.spool import SpoolConfig
from recorder.spool_header import RecordedSource
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from tests.gateway.kept import new_database

SECRET = b"s" * 32
CAMERA = "cam_one"
# 2026-11-01 00:00:00 UTC.
START_US = 1_793_491_200_000_000
SERVER = "footage-1"


@dataclass(frozen=True, slots=True)
class Clip:
    path: Path
    tracks: tuple[Track, ...]
    units: list[AccessUnit]

    @property
    def track(self) -> Track:
        return self.tracks[0]


def load(path: Path) -> Clip:
    items = list(read_media_file(path))
    assert isinstance(items[0], RunStarted)
    units = [item for item in items if isinstance(item, AccessUnit)]
    return Clip(path, items[0].tracks, units)


@pytest.fixture(scope="session")
def h264(pedestrians_h264: Path) -> Clip:
    return load(pedestrians_h264)


@pytest.fixture(scope="session")
def h265(pedestrians_h265: Path) -> Clip:
    return load(pedestrians_h265)


class RecorderShard:
    """The shard's control calls, without a shard: straight to the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self.calls = footage_calls(recorder)
        self.away = False

    async def call(self, shard: str, name: str, /, **arguments: Any) -> Any:
        if self.away or shard != "shard-1":
            raise ConnectionError(f"{shard} is away")
        return await self.calls[name](**arguments)


@dataclass
class World:
    """Everything, and the short ways that tests take to it."""

    settings: Settings
    rows: LocalRowWriter
    engine: AsyncEngine
    store: DirectoryStore
    recorder: Recorder
    shard: RecorderShard
    pool: TranscoderPool
    server: FootageServer
    http: httpx.AsyncClient
    base: str
    signer: TicketSigner = field(default_factory=lambda: TicketSigner(SECRET))

    async def record(
        self,
        tracks: tuple[Track, ...],
        units: list[AccessUnit],
        *,
        camera_id: str = CAMERA,
        variant: str = "main",
        start_us: int = START_US,
        finish: bool = True,
    ) -> None:
        """One run of footage, filed as if it had been taken at ``start_us``."""
        source_id = f"{camera_id}/{variant}"
        await self.rows.write(
            "recorder.assign", source_id=source_id, owner="shard-1", now_us=now_us()
        )
        writer = self.recorder.writer(source_id)
        if writer is None:
            # "import": filed under the time that it claims, however fast it comes.
            source = RecordedSource(source_id, "import", camera_id, variant, 1)
            writer = await self.recorder.record(source)
        writer.on_run_started(tracks)
        for unit in units:
            wall_us = start_us + unit.pts_90k * 100 // 9
            writer.on_access_unit(replace(unit, wall_us=wall_us))
        if finish:
            writer.on_run_started(tracks)  # seals what was open
            assert await self.recorder.uploader.drain(30)
        else:
            while self.recorder.spool.queued_bytes:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        self.server.reader._sources.clear()

    def ticket(self, **changes: Any) -> str:
        base = Ticket(
            session_id="ses_1",
            user_id="usr_1",
            user_name="wang",
            camera_ids=(CAMERA,),
            variant="main",
            action="playback",
            start_us=START_US - 60_000_000,
            end_us=START_US + 3_600_000_000,
            expires_us=now_us() + 30_000_000,
            may_lift_masks=False,
        )
        return self.signer.sign(replace(base, **changes))

    async def open(self, **changes: Any) -> httpx.Response:
        return await self.http.post(
            f"{self.base}/sessions", json={"ticket": self.ticket(**changes)}
        )

    def url(self, path: str, camera_id: str = CAMERA) -> str:
        return f"{self.base}/playback/{camera_id}{path}"

    async def get(self, path: str, **keywords: Any) -> httpx.Response:
        return await self.http.get(self.url(path), **keywords)

    async def index(self, start_us: int = START_US, end_us: int = START_US + 100_000_000) -> Any:
        answer = await self.get(f"/index?start_us={start_us}&end_us={end_us}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def media(self, index: Any, prefix: str = "") -> bytes:
        """Initialisation segment and every fragment of the first run, as a player gets them."""
        run = index["runs"][0]
        init = await self.get(f"{prefix}/runs/{run['run_id']}/init.mp4")
        assert init.status_code == 200, init.text
        parts = [init.content]
        fragments = index["fragments"]
        for number, segment_id, of in zip(
            fragments["number"], fragments["segment_id"], fragments["run"], strict=True
        ):
            if of != 0:
                continue
            path = f"{prefix}/segments/{segment_id}/fragments/{number}-{number}.m4s"
            answer = await self.get(path)
            assert answer.status_code == 200, answer.text
            parts.append(answer.content)
        return b"".join(parts)


def populate(connection: sa.Connection) -> None:
    tables = gateway.database.tables
    connection.execute(
        sa.insert(tables.areas).values(
            id="area", parent_id=None, name="county", path="area/", position=0, created_us=1
        )
    )
    for camera_id in (CAMERA, "cam_two"):
        connection.execute(
            sa.insert(tables.cameras).values(
                id=camera_id,
                area_id="area",
                name=camera_id,
                main_url="rtsp://127.0.0.1/x",
                transport="tcp",
                record="continuous",
                enabled=True,
                created_us=1,
                changed_us=1,
            )
        )
    for user_id, role in (("usr_1", "investigator"), ("usr_2", "viewer")):
        connection.execute(
            sa.insert(tables.users).values(
                id=user_id,
                name=user_id,
                name_key=user_id,
                display_name=user_id,
                password_hash="-",
                must_change_password=False,
                enabled=True,
                created_us=1,
                password_changed_us=1,
            )
        )
        connection.execute(
            sa.insert(tables.grants).values(
                id=f"grant_{user_id}_{role}",
                user_id=user_id,
                role=role,
                area_id="area",
                created_us=1,
            )
        )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_directory=tmp_path / "data")


@pytest.fixture
def rows(settings: Settings) -> Iterator[LocalRowWriter]:
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    engine = new_database(settings)
    with engine.begin() as connection:
        populate(connection)
    writer = LocalRowWriter(engine)
    yield writer
    writer.close()
    engine.dispose()


@pytest.fixture
async def world(
    settings: Settings, rows: LocalRowWriter, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    # The first that wants a place waits for a process to start, as long as that takes here.
    monkeypatch.setattr("gateway.footage.transcoding.PATIENCE_S", 60.0)
    async with AsyncExitStack() as stack:
        engine = create_reader_engine(settings)
        stack.push_async_callback(engine.dispose)
        store = DirectoryStore(DirectoryStoreConfig(settings.store_directory))
        await store.check()
        stack.push_async_callback(store.close)
        config = RecorderConfig(SpoolConfig(settings.spool_directory / "shard-1"), segment_s=10)
        recorder_ = Recorder(config, rows, store)
        await recorder_.start()
        stack.push_async_callback(recorder_.close)
        pool = TranscoderPool(1)
        stack.push_async_callback(pool.close)
        path = settings.data_directory / "transcoder.sock"
        control_server = ControlServer(path, SECRET, handlers(pool))
        await control_server.start()
        stack.push_async_callback(control_server.close)
        control = ControlClient(path, SECRET)
        stack.push_async_callback(control.close)
        transcoder = TranscoderClient(control)
        shard = RecorderShard(recorder_)
        reader = FootageReader(engine, store, shard)
        maker = FragmentMaker(reader)
        transcoding = PlaybackTranscoding(reader, maker, transcoder)
        stack.push_async_callback(transcoding.close)
        server = footage_server(
            SERVER,
            reader,
            PlaybackSessions(SECRET, engine),
            maker,
            FrameMaker(reader, transcoder),
            transcoding,
            Exports(engine, rows),
            Privacy(engine),
            FootageWatched(WatchedLog(rows)),
            shard,
        )
        port = await stack.enter_async_context(serve_http(SERVER, server.routes()))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=60))
        base = f"http://127.0.0.1:{port}/s/{SERVER}"
        yield World(settings, rows, engine, store, recorder_, shard, pool, server, http, base)


def g711_tone(codec: Codec, seconds: float, hertz: float = 440.0) -> list[AccessUnit]:
    """A sine in G.711, 20 ms a unit, as track 1."""
    rate = 8000
    times = np.arange(int(rate * seconds)) / rate
    samples = (np.sin(2 * np.pi * hertz * times) * 12000).astype(np.int16)
    encoder: Any = av.CodecContext.create("pcm_alaw" if codec is Codec.PCMA else "pcm_mulaw", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    encoder.time_base = Fraction(1, rate)
    units = []
    for start in range(0, len(samples) - 159, 160):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 160], "s16", "mono")
        frame.sample_rate, frame.pts = rate, start
        payload = b"".join(bytes(packet) for packet in encoder.encode(frame))
        at = start * 90000 // rate
        units.append(AccessUnit(1, payload, at, at, True, 0))
    return units


def together(*streams: list[AccessUnit]) -> list[AccessUnit]:
    """Units of several tracks in the order of time, as a camera sends them."""
    return sorted((unit for units in streams for unit in units), key=lambda unit: unit.dts_90k)


PCMA = Track("audio", Codec.PCMA, 8000, channels=1)


async def download_breaks_off(
    world: World, monkeypatch: pytest.MonkeyPatch, when: Callable[[], Awaitable[Any]]
) -> None:
    """A download that is under way stays unfinished once ``when`` has happened."""
    happened = asyncio.Event()
    read = VirtualFile.read

    async def read_haltingly(*arguments: Any) -> AsyncIterator[bytes]:
        async for piece in read(*arguments):
            yield piece
            await happened.wait()

    monkeypatch.setattr(VirtualFile, "read", read_haltingly)
    monkeypatch.setattr(download_route, "_RECHECK_S", 0)
    url = world.url(f"/mp4?start_us={START_US}&end_us={START_US + 25_000_000}")
    with pytest.raises(httpx.RemoteProtocolError):
        async with world.http.stream("GET", url) as answer:
            assert answer.status_code == 200
            async for _ in answer.aiter_raw():
                if not happened.is_set():
                    await when()
                    happened.set()
