"""kill -9 while recording, many times: what was complete plays, once, and the index is whole."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from recorder.check import check
from recorder.lookup import segment_from_row
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter
from recorder.spool import SpoolConfig
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from recorder.tables import segments
from tests.conftest import REPOSITORY
from tests.peers.media_file import decoded_frames, make_media
from tests.recorder.conftest import open_database

KILLS = 6
CAMERAS = 2
PROGRAM = Path(__file__).parent / "recording_process.py"


def record_and_kill(folder: Path, clip: Path, chance: random.Random) -> dict[str, int]:
    """Record for a random while, kill; returns fragments per segment that were safely written."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), str(clip), str(CAMERAS)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    promised: dict[str, int] = {}
    deadline = None
    fragments_wanted = chance.randint(1, 60)
    for line in process.stdout:
        name, _, count = line.partition(" ")
        if count.strip().isdigit() and len(name) == 20:
            promised[name] = int(count)
        if deadline is None and sum(promised.values()) >= fragments_wanted:
            # Not at the moment of a report, but at any moment after it.
            deadline = time.monotonic() + chance.random() * 0.05
            while time.monotonic() < deadline:
                pass
            process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    return promised


@pytest.mark.timeout(300)
async def test_whatever_was_complete_plays_and_nothing_is_doubled(
    tmp_path: Path, pedestrians_h264: Path
) -> None:
    # Small pictures: every segment is decoded in the end.
    clip = make_media(
        tmp_path / "clip.mp4",
        *("-i", str(pedestrians_h264), "-t", "30", "-vf", "scale=128:96"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-bf", "0"),
    )
    chance = random.Random(20261121)
    promised: dict[str, int] = {}
    for _ in range(KILLS):
        found = await asyncio.to_thread(record_and_kill, tmp_path, clip, chance)
        assert found, "the process recorded nothing"
        promised.update(found)

    database = open_database(tmp_path / "rows.db")
    rows = LocalRowWriter(database)
    store = DirectoryStore(DirectoryStoreConfig(tmp_path / "store"))
    config = RecorderConfig(SpoolConfig(tmp_path / "spool"), segment_s=10)
    recorder = Recorder(config, rows, store)
    report = await recorder.start()
    assert not report.unreadable
    assert await recorder.uploader.drain(60)
    await recorder.close()

    with database.connect() as connection:
        stored = [segment_from_row(row) for row in connection.execute(sa.select(segments))]
    assert len({segment.id for segment in stored}) == len(stored)
    fragments = {segment.id: len(segment.fragments()) for segment in stored}
    lost = {name: count for name, count in promised.items() if fragments.get(name, 0) < count}
    assert not lost
    # Each object is there once, decodes without complaint, and has every picture of its fragments.
    objects = [item.key async for item in store.list("")]
    assert sorted(Path(key).stem for key in objects) == sorted(fragments)
    for segment in stored:
        (frames,) = decoded_frames(tmp_path / "store" / segment.store_key).values()
        duration_90k = sum(f.duration_us for f in segment.fragments()) * 9 / 100
        assert frames == round(duration_90k / 9000)

    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'rows.db'}")
    differences = [
        difference
        async for difference in check(
            engine,
            store,
            spool_directories=[tmp_path / "spool"],
            now_us=1 << 60,
            settle_s=0,
            verify=True,
        )
    ]
    assert differences == []
    await engine.dispose()
    rows.close()
    database.dispose()
