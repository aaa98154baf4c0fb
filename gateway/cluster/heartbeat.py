"""A media shard says that it lives, twice a second, and ends where its name has gone elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog

from gateway.cluster.pulse import BEAT_INTERVAL_S
from gateway.control.channel import ControlError
from gateway.settings import Settings
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)


class Heartbeat:
    """Of the shard ``name``, which takes the name for this machine before it holds a camera."""

    def __init__(self, settings: Settings, rows: RowWriter, name: str) -> None:
        self._cluster = settings.cluster
        self._rows = rows
        self._name = name
        self._claimed = False

    async def beat(self) -> bool:
        """Claim the name, then say that it lives; False when it has been claimed elsewhere since.
        A writer that is away is no reason to end.
        """
        try:
            if self._claimed:
                lives: bool = await self._rows.write(
                    "shards.beat", name=self._name, node=self._cluster.node_name
                )
                return lives
            await self._rows.write(
                "shards.claim",
                name=self._name,
                node=self._cluster.node_name,
                capacity_mbps=self._cluster.shard_mbps,
                networks=self._cluster.networks,
            )
            self._claimed = True
        except (ConnectionError, TimeoutError, ControlError, RowError) as error:
            _log.warning("cannot say that this shard lives", why=str(error))
        return True

    async def run(self) -> None:
        """Beat for ever; have this process end in order when its name has gone."""
        while True:
            await asyncio.sleep(BEAT_INTERVAL_S)
            if not await self.beat():
                _log.error("this shard runs elsewhere now, and ends here", name=self._name)
                os.kill(os.getpid(), signal.SIGTERM)
                return
