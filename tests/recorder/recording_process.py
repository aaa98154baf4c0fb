"""A real recording process, to be killed: ``python recording_process.py FOLDER CLIP CAMERAS``.

It records the clip over and over, some fifty times as fast as life, and prints a line for each
fragment that is safely in its file: what a kill must not lose.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path

from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import LocalRowWriter
from recorder.spool import SpoolConfig
from recorder.spool_header import RecordedSource
from recorder.stores import DirectoryStoreConfig
from recorder.stores.directory import DirectoryStore
from tests.peers.media_file import read_media
from tests.recorder.conftest import open_database


async def main(folder: Path, clip: Path, cameras: int) -> None:
    tracks, units = read_media(clip)
    rows = LocalRowWriter(open_database(folder / "rows.db"))
    store = DirectoryStore(DirectoryStoreConfig(folder / "store"))
    config = RecorderConfig(SpoolConfig(folder / "spool", fsync_interval_s=0.2), segment_s=10)
    recorder = Recorder(config, rows, store)
    await recorder.start()
    writers = []
    for number in range(cameras):
        source = RecordedSource(f"cam_{number}/main", "import", f"cam_{number}", "main")
        writers.append(await recorder.record(source))
        writers[-1].on_run_started(tracks)
    print("recording", flush=True)
    began_us = time.time_ns() // 1000
    length_90k = units[-1].dts_90k + units[1].dts_90k
    told: dict[str, int] = {}
    for loop in range(10_000):
        for unit in units:
            later = replace(
                unit,
                pts_90k=unit.pts_90k + loop * length_90k,
                dts_90k=unit.dts_90k + loop * length_90k,
                wall_us=began_us + (unit.pts_90k + loop * length_90k) * 100 // 9,
            )
            for writer in writers:
                writer.on_access_unit(later)
            if unit.keyframe:
                await asyncio.sleep(0.01)
                for file in list(recorder.spool.files.values()):
                    count = len(file.entries)
                    if count > told.get(file.id, 0):
                        told[file.id] = count
                        print(f"{file.id} {count}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
