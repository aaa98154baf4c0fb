"""The shard as a process, with the writer and the transcoder: killed, cut off, watched, asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
import websockets

import gateway.demo
from gateway.cluster.reconciler import Reconciler
from gateway.cluster.supervisor import LocalSupervisor, local_processes
from gateway.control.channel import ControlClient, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.demo.clip import load_clip
from gateway.demo.replay import ReplayServer
from gateway.demo.tone import TONE_TRACK, tone_units
from gateway.identifiers import now_us
from gateway.secrets import cluster_secret
from gateway.settings import Settings, load_settings
from gateway.tickets import Ticket, TicketSigner

pytestmark = pytest.mark.sqlite

CAMERA = "cam_gate"
SHARD = "shard-1"
FRAGMENT_US = 2_000_000
# How far a busy machine's camera and pen may be behind the clock by which the test kills.
MARGIN_US = 1_500_000


async def eventually(condition: Callable[[], object], limit_s: float = 40) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@dataclass(slots=True)
class Gateway:
    """The processes under test, and the camera that they pull."""

    settings: Settings
    supervisor: LocalSupervisor
    shard: ControlClient
    cameras: ReplayServer
    database: sqlite3.Connection
    signer: TicketSigner

    def process(self) -> Any:
        return next(one for one in self.supervisor.status() if one.name == SHARD)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query).fetchall()

    async def state(self, variant: str = "main") -> dict[str, Any]:
        status = await self.shard.call("shard.status")
        for camera in status["cameras"]:
            if camera["camera_id"] == CAMERA:
                return dict(camera["states"].get(variant, {}))
        return {}

    async def until_in_spool(self, after_us: int) -> dict[str, Any]:
        """The spool's segments, once there is footage in them from after that moment."""
        async with asyncio.timeout(40):
            while True:
                held = await self.shard.call("spool.open_segments", source_id=f"{CAMERA}/main")
                if any(one["end_us"] > after_us for one in held["segments"]):
                    return dict(held)
                await asyncio.sleep(0.05)

    async def until_recording(self) -> None:
        async with asyncio.timeout(40):
            while True:
                with contextlib.suppress(ConnectionError):
                    if (await self.state()).get("recording"):
                        return
                await asyncio.sleep(0.05)

    def mse(self, variant: str = "main", session_id: str = "ses_1") -> websockets.connect:
        ticket = Ticket(
            session_id, "usr_1", "chen", (CAMERA,), variant, "live", None, None,
            now_us() + 30_000_000, False,
        )  # fmt: skip
        port = self.process().http_port
        return websockets.connect(
            f"ws://127.0.0.1:{port}/s/{SHARD}/mse?ticket={self.signer.sign(ticket)}"
        )


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Gateway]:
    clip = load_clip(Path(gateway.demo.__file__).parent / "crossing_sub.mp4")
    cameras = ReplayServer()
    cameras.add("gate", clip.with_track(TONE_TRACK, tone_units(1, clip.duration_90k)))
    cameras.add("gate/sub", clip)
    await cameras.start()
    settings = load_settings(
        {"data_directory": str(tmp_path), "recording": {"segment_s": 4}}, environment={}
    ).settings
    secret = cluster_secret(settings)
    rows = RemoteRowWriter.from_settings(settings)
    specs = [
        spec for spec in local_processes(settings) if spec.kind in ("writer", "transcoder", "shard")
    ]
    supervisor = LocalSupervisor(settings, rows, specs)
    await supervisor.start()
    reader = create_reader_engine(settings)
    shard = ControlClient(control_path(settings, SHARD), secret)
    camera = {
        "id": CAMERA,
        "name": "gate",
        "main_url": cameras.url("gate"),
        "sub_url": cameras.url("gate/sub"),
    }
    await rows.write("demo.register", area_name="area", demo=[camera])
    reconciler = Reconciler(reader, rows, lambda _: shard)
    reconciling = asyncio.create_task(reconciler.run())
    database = sqlite3.connect(tmp_path / "gridsight.db")
    yield Gateway(settings, supervisor, shard, cameras, database, TicketSigner(secret))
    reconciling.cancel()
    database.close()
    await shard.close()
    await reader.dispose()
    await supervisor.stop()
    await rows.close()
    await cameras.close()


def pictures_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


async def test_a_shard_killed_again_and_again_loses_a_gop_at_most_and_says_so(
    running: Gateway,
) -> None:
    killed_us = []
    for _ in range(3):
        await running.until_recording()
        state_before = running.process()
        await running.until_in_spool(now_us())
        os.kill(state_before.process_id, signal.SIGKILL)
        killed_us.append(now_us())
        await eventually(
            lambda before=state_before: (
                running.process().restarts > before.restarts
                and running.process().state == "running"
            )
        )
    await running.until_recording()
    again_us = now_us()
    first_us = running.rows("SELECT min(start_us) FROM spans")[0][0]
    await eventually(lambda: running.rows(f"SELECT 1 FROM spans WHERE end_us > {again_us}"))
    spans = running.rows("SELECT start_us, end_us FROM spans ORDER BY start_us")
    gaps = running.rows("SELECT start_us, end_us, cause FROM gaps ORDER BY start_us")
    assert spans[0][0] == first_us
    for (_, end_us), (start_us, _) in pairwise(spans):
        assert any(
            gap[0] <= end_us and gap[1] >= start_us and gap[2] == "gateway_stopped" for gap in gaps
        ), "footage is missing without a cause"
    for at_us in killed_us:
        last_end_us = max(end_us for _, end_us in spans if end_us <= at_us)
        assert at_us - last_end_us < FRAGMENT_US + MARGIN_US
    effective = running.rows(
        "SELECT effective_start_us, effective_end_us FROM segments "
        "WHERE effective_start_us IS NOT NULL ORDER BY effective_start_us"
    )
    assert all(before[1] <= after[0] for before, after in pairwise(effective)), "doubled"
    for key, start_us, end_us in running.rows("SELECT store_key, start_us, end_us FROM segments"):
        pictures = await asyncio.to_thread(pictures_in, running.settings.store_directory / key)
        assert pictures == round((end_us - start_us) / 100_000), key
    unreadable = running.settings.spool_directory / SHARD / "unreadable"
    assert not unreadable.exists()


async def test_a_viewer_stays_while_the_camera_is_away(running: Gateway) -> None:
    await running.until_recording()
    async with running.mse() as connection:
        kinds: list[str] = []

        async def until(kind: str, pictures: int) -> None:
            async with asyncio.timeout(40):
                while kind not in kinds or kinds[::-1].index(kind) < pictures:
                    message = await connection.recv()
                    kinds.append(
                        json.loads(message)["type"] if isinstance(message, str) else "binary"
                    )

        await until("run", 5)
        await running.cameras.stop()
        await until("interrupted", 0)
        await running.cameras.start()
        kinds.clear()
        await until("run", 5)
        assert (await running.state())["viewers"] == 1
        await running.shard.call("live.revoke", session_ids=["ses_1"])
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await asyncio.wait_for(connection.recv(), 10)
        assert connection.close_code == 4403


async def test_a_half_open_connection_is_noticed_and_recording_goes_on(running: Gateway) -> None:
    await running.until_recording()
    for replay in running.cameras._replays:
        replay.silent = True
    await eventually(lambda: running.rows("SELECT 1 FROM gaps WHERE cause = 'camera_silent'"))
    for replay in running.cameras._replays:
        replay.silent = False
    await eventually(
        lambda: running.rows("SELECT 1 FROM gaps WHERE cause = 'camera_silent' AND end_us > 0")
    )


async def test_g711_is_heard_as_opus_and_a_made_variant_is_shared(running: Gateway) -> None:
    await running.until_recording()
    async with running.mse() as connection:
        run = json.loads(await asyncio.wait_for(connection.recv(), 20))
        assert "opus" in run["mime"]
        film = b""
        for _ in range(60):
            film += await asyncio.wait_for(connection.recv(), 20)
    path = running.settings.data_directory / "film.mp4"
    path.write_bytes(film)
    with av.open(str(path)) as container:
        heard = sum(frame.samples for frame in container.decode(audio=0))
    assert heard > 48000
    async with (
        running.mse("h264", "ses_2") as first,
        running.mse("h264", "ses_3") as second,
    ):
        for connection in (first, second):
            run = json.loads(await asyncio.wait_for(connection.recv(), 30))
            assert run["type"] == "run"
            await asyncio.wait_for(connection.recv(), 20)
        assert (await running.state("h264"))["viewers"] == 2


async def test_the_shard_tells_its_states_and_gives_pictures(running: Gateway) -> None:
    async with running.shard.stream("shard.watch") as updates:
        async with asyncio.timeout(30):
            async for update in updates:
                found = {(state["variant"], state["state"]) for state in update["states"]}
                if ("main", "live") in found:
                    break
    jpeg = await running.shard.call(
        "snapshot.jpeg",
        camera_id=CAMERA,
        width=160,
        may_lift_masks=True,
        camera="gate",
        viewer="chen",
    )
    assert bytes(jpeg).startswith(b"\xff\xd8")
    await running.until_recording()
    await eventually(lambda: running.rows("SELECT 1 FROM segments"))
    held = await running.until_in_spool(0)  # the segment after the stored one
    assert {segment["run_id"] for segment in held["segments"]} <= {
        run["id"] for run in held["runs"]
    }
    for segment in held["segments"]:
        head = await running.shard.call(
            "spool.read", segment_id=segment["id"], offset=0, length=segment["size_bytes"]
        )
        assert len(head) == segment["size_bytes"]
        assert head[4:8] == b"ftyp"
    figures = await running.shard.call("process.status")
    assert figures["cameras"] == 1
    assert figures["event_loop_lag_ms"] >= 0
    async with running.shard.stream("stream.units", camera_id=CAMERA, variant="sub") as units:
        async for message in units:
            if message["type"] == "units":
                break
