"""What the tests of fetching share: rows, a recorder, a camera that a device brings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.fetching.fetch import Fetch, FetchedCamera, Kind
from gateway.sources import recordings
from gateway.sources.registry import SourceContext
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter
from recorder.spool import SpoolConfig
from recorder.tables import segments
from tests.gateway.fetching.made import SECOND, Device
from tests.gateway.kept import kept
from tests.recorder.made import START_US

CAMERA = "cam_1"
PLATFORM = "plf_1"
SECRET = b"s" * 32


@dataclass
class Place:
    """One shard's side of a camera whose device is ``device``."""

    rows: LocalRowWriter
    engine: AsyncEngine
    recorder: Recorder
    device: Device

    def maker(self, kind: Kind) -> Callable[[FetchedCamera, int, int], Fetch]:
        def make(camera: FetchedCamera, start_us: int, end_us: int) -> Fetch:
            return Fetch(
                camera, kind, start_us, end_us, self.recorder, SourceContext(),
                self.device.recordings,
            )  # fmt: skip

        return make

    async def filed(self, kind: str) -> list[tuple[float, float]]:
        """What is in the index of this kind, in seconds from START_US."""
        assert await self.recorder.uploader.drain(30)
        async with self.engine.connect() as connection:
            rows = await connection.execute(
                sa.select(segments.c.effective_start_us, segments.c.effective_end_us)
                .where(segments.c.source_id == f"{CAMERA}/{kind}")
                .order_by(segments.c.effective_start_us)
            )
            return [((a - START_US) / SECOND, (b - START_US) / SECOND) for a, b in rows]


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with kept(tmp_path) as there:
        rows = there.rows
        recorder = Recorder(
            RecorderConfig(SpoolConfig(tmp_path / "spool"), segment_s=10), rows, there.store
        )
        await recorder.start()
        await _one_camera(rows)
        device = Device([(0, 3600)])
        monkeypatch.setitem(recordings.PLAYERS, "gb28181", device.play)
        yield Place(rows, there.reader, recorder, device)
        await recorder.close()


async def _one_camera(rows: LocalRowWriter) -> None:
    area_id = await rows.write("areas.create", parent_id=None, name="钟祥县")
    platform: dict[str, Any] = {
        "id": PLATFORM, "kind": "gb28181", "direction": "below", "name": "录像机",
        "code": "42088100001320000001", "area_id": area_id, "options": {}, "enabled": True,
    }  # fmt: skip
    await rows.write("platforms.create", columns=platform)
    camera: dict[str, Any] = {
        "id": CAMERA, "area_id": area_id, "name": "村口", "main_url": f"gb28181://{PLATFORM}/1",
        "sub_url": None, "username": None, "password_sealed": None, "transport": "auto",
        "record": "continuous", "retention_days": None, "retention_bytes": None, "enabled": True,
        "platform_id": PLATFORM, "channel": "1",
    }  # fmt: skip
    await rows.write("cameras.create", cameras_columns=[camera])
    owners = {f"{CAMERA}/{name}": "shard-1" for name in ("main", "backfill", "borrowed")}
    await rows.write("assignments.place", owners=owners)
