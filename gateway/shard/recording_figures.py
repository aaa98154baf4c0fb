"""What the shard says of its recording in ``process.status``."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from gateway.identifiers import US_PER_S, now_us
from gateway.shard.feed import Feed
from recorder.recorder import Recorder


async def recording_figures(recorder: Recorder, feeds: Collection[Feed]) -> dict[str, Any]:
    """Spool, uploads, and how many of the streams that come and shall be recorded are written."""
    free_bytes = await asyncio.to_thread(_free_bytes, recorder.config.spool.directory)
    status = recorder.status()
    wanted = [feed.writer for feed in feeds if feed.desired.recorded and feed.stream.running]
    oldest_us = status.oldest_pending_us
    return {
        "spool_bytes": status.spool_bytes,
        "spool_bytes_limit": status.spool_bytes_limit,
        "spool_free_bytes": free_bytes,
        "writer_queue_bytes": status.queued_bytes,
        "open_segments": status.open_segments,
        "pending_segments": status.pending_segments,
        "upload_lag_s": 0.0 if oldest_us is None else max(now_us() - oldest_us, 0) / US_PER_S,
        "store_trouble": status.trouble,
        "uploaded_segments": status.uploads.segments,
        "uploaded_bytes": status.uploads.bytes,
        "upload_failures": status.uploads.failures,
        "recorders_wanted": len(wanted),
        "recorders_running": sum(one is not None and one.recording for one in wanted),
    }


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
