"""The exchange of a signalling process beside a shard: real SIP, a real worker, a real channel."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.webrtc.wheel import Wheel
from gateway.control.channel import ControlServer, control_path
from gateway.database.meeting_tables import meetings
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.codes import code_hash
from gateway.meetings.telephone import codes
from gateway.meetings.telephone.exchange import TelephoneExchange
from gateway.meetings.telephone.lines import TelephoneLines
from gateway.settings import Settings
from recorder.rows import LocalRowWriter
from tests.gateway.kept import reader_beside
from tests.gateway.meetings.a_shard import NAME, Shard

SECRET = bytes(range(32))
CODE = "ABCDE-12345"
ACCOUNT, PASSWORD = "1001", "s3cret"


@dataclass
class AnExchange:
    """``settings`` are those of ``meetings.sip``; loopback is a trunk unless they say otherwise."""

    shard: Shard
    exchange: TelephoneExchange
    lines: TelephoneLines
    server: ControlServer
    settings: Settings

    async def lose_the_channel(self) -> None:
        """As if the shard had been killed."""
        await self.server.close()

    async def have_the_channel(self) -> None:
        """As if it had been started again."""
        path = control_path(self.settings, NAME)
        self.server = ControlServer(path, SECRET, self.lines.calls())
        await self.server.start()

    def kill_the_worker(self) -> None:
        process = self.exchange.voices.process
        assert process is not None
        process.kill()

    @property
    def port(self) -> int:
        return self.exchange.port

    def open_link(self, meeting_id: str) -> tuple[str, str]:
        """Make the meeting's link; gives number and PIN."""
        kept = code_hash(SECRET, meeting_id, CODE)
        self.shard.write("link", meeting_id, code_hash=kept, expires_us=now_us() + 3600 * US_PER_S)
        (row,) = self.shard.rows.all(meetings, meetings.c.id == meeting_id)
        return (
            codes.meeting_number(SECRET, meeting_id),
            codes.meeting_pin(SECRET, meeting_id, row.code_hash),
        )


@contextlib.asynccontextmanager
async def an_exchange(shard: Shard, folder: Path, **sip: Any) -> AsyncIterator[AnExchange]:
    given = {"enabled": True, "port": 0, "trunk_networks": ["127.0.0.0/8"], **sip}
    settings = Settings(
        data_directory=folder, run_directory=folder / "run", meetings={"sip": given}
    )
    reader = reader_beside(shard.rows.engine)
    writer = LocalRowWriter(shard.rows.engine)
    lines = TelephoneLines(shard.rooms, Wheel(), SteadyClock().now_us)
    server = ControlServer(control_path(settings, NAME), SECRET, lines.calls())
    await server.start()
    exchange = TelephoneExchange(settings, SECRET, reader, writer)
    await exchange.start()
    made = AnExchange(shard, exchange, lines, server, settings)
    try:
        yield made
    finally:
        await exchange.close()
        await made.server.close()
        lines.close()
        await reader.dispose()
        writer.close()
