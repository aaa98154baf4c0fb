"""What a shard does with its cameras' own recordings: backfill, and lending to players."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.control.channel import ControlClient
from gateway.fetching.backfill import Backfill
from gateway.fetching.borrowing import Borrowing
from gateway.fetching.fetch import Fetch, FetchedCamera, Kind, device_recordings
from gateway.settings import Settings
from gateway.sources.registry import SourceContext
from recorder.recorder import Recorder
from recorder.rows import RowWriter


class ShardFetching:
    """``context`` is what the shard gives its sources; ``owner`` its name in assignments."""

    def __init__(
        self,
        settings: Settings,
        secret: bytes,
        owner: str,
        reader: AsyncEngine,
        rows: RowWriter,
        recorder: Recorder,
        signalling: ControlClient,
        context: SourceContext,
    ) -> None:
        ask = device_recordings(signalling)

        def making(kind: Kind) -> Callable[[FetchedCamera, int, int], Fetch]:
            def make(camera: FetchedCamera, start_us: int, end_us: int) -> Fetch:
                return Fetch(camera, kind, start_us, end_us, recorder, context, ask)

            return make

        configured = settings.backfill
        self._backfill = Backfill(
            reader,
            rows,
            recorder,
            making("backfill"),
            secret=secret,
            owner=owner,
            days=configured.days,
            at_once=configured.at_once,
        )
        self._enabled = configured.enabled
        self._borrowing = Borrowing(reader, making("borrowed"), secret=secret, owner=owner)

    async def run(self) -> None:
        """For ever; when cancelled, ends what is being fetched and keeps what came."""
        loops = [self._borrowing.run()] + ([self._backfill.run()] if self._enabled else [])
        await asyncio.gather(*loops)

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``fetch.borrow(camera_id, at_us, end_us)``; see docs/architecture.md."""
        return {"fetch.borrow": self._borrowing.borrow}

    def figures(self) -> dict[str, int]:
        """For process.status."""
        return {
            "backfilled_s": self._backfill.fetched_us // 1_000_000,
            "backfill_failures": self._backfill.failures,
        }
