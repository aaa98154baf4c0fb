"""A real recording process that is killed at a certain line of an upload in parts:
``python uploading_process.py FOLDER PORT BUCKET WHERE``; ``WHERE`` names a request whose answer has
just come (``begin_upload``, ``put_part``, ``finish_upload``).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from camera_adapters.stream import GapCause
from recorder.rows import LocalRowWriter
from recorder.stores.s3 import S3Store
from tests.recorder.conftest import open_database
from tests.recorder.made import SOURCE
from tests.recorder.uploading import make_recorder, s3_config, until


class KillingStore(S3Store):
    """Ends the process behind the request."""

    where = ""

    async def _run(self, function: Any, *arguments: object) -> Any:
        answer = await super()._run(function, *arguments)
        if function.__name__ == self.where:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


async def main(folder: Path, port: int, bucket: str, where: str) -> None:
    rows = LocalRowWriter(open_database(folder / "rows.db"))
    store = KillingStore(s3_config(port, bucket))
    store.where = where
    recorder, camera = await make_recorder(folder, rows, store, segment_s=60)
    for _ in range(30):
        camera.film(1, size=40_000)
        await until(lambda: recorder.spool.queued_bytes == 0)
        # As parts become full they are sent, while the segment goes on.
        await asyncio.sleep(0.02)
    if where == "finish_upload":
        await until(lambda: recorder.uploader.counters.parts == 2)
        recorder.stop(SOURCE.id, GapCause.NOT_SCHEDULED, "off")
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
