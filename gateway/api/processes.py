"""The other processes, as the API reaches them: their control channels and HTTP ports."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cluster.interface import SUPERVISOR
from gateway.cluster.peers import machine_context, peer_client
from gateway.control.channel import ControlClient, ControlError
from gateway.database.tables import processes
from gateway.identifiers import now_us
from gateway.settings import Settings
from recorder.lookup import recent_predecessor
from recorder.tables import assignments

_CACHE_S = 1.0
_CONNECT_S = 2.0
_LIVES_S = 1.0
# Short: a browser is waiting, and a process that is away is soon back. Signalling asks devices,
# which answer when they like; analysis may have to load its models first.
_PATIENCE_S = 10.0
_LONG_PATIENCE_S = 45.0
_ASKED_PATIENTLY = ("signalling", "analysis")


@dataclass(frozen=True, slots=True)
class HttpPlace:
    """Where a process answers HTTP. ``options``: of the request that goes there, so that it is
    nobody else who answers.
    """

    base: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    kind: str
    is_here: bool
    place: HttpPlace | None


class Processes:
    """Looks processes up in their rows, which the supervisor keeps; remembers them for a second."""

    def __init__(self, settings: Settings, secret: bytes, reader: AsyncEngine) -> None:
        self._settings = settings
        self._secret = secret
        self._reader = reader
        self._clients: dict[str, ControlClient] = {}
        self._known: dict[str, _Known] = {}
        self._known_until = 0.0

    def client(self, name: str) -> ControlClient:
        """The control channel to a process; it connects when it is first used."""
        if name not in self._clients:
            self._clients[name] = peer_client(
                self._settings,
                self._secret,
                self._reader,
                name,
                call_timeout_s=_LONG_PATIENCE_S
                if name.startswith(_ASKED_PATIENTLY)
                else _PATIENCE_S,
                connect_timeout_s=_CONNECT_S,
            )
        return self._clients[name]

    def transcoders(self) -> list[ControlClient]:
        """The control channels of the transcoders of this machine."""
        return [self.client(name) for name in self._settings.transcoder_names]

    async def names(self, kind: str | None = None) -> list[str]:
        """The processes of a kind, or all."""
        known = await self._read()
        return sorted(name for name, one in known.items() if kind in (None, one.kind))

    async def living(self, kind: str) -> list[str]:
        """The processes of a kind that are there: those of this machine, which its supervisor
        keeps, and of other machines those that answer now.
        """
        here, elsewhere = await self._split(kind)
        lives = await asyncio.gather(*(self._lives(name) for name in elsewhere))
        answer = [name for name, one in zip(elsewhere, lives, strict=True) if one]
        return sorted(here + answer)

    async def at_hand(self, kind: str) -> list[str]:
        """The processes of a kind to send somebody to: those of this machine, where the way is
        shortest; where it has none, those of others that answer now.
        """
        here, _ = await self._split(kind)
        return here or await self.living(kind)

    async def elsewhere(self, kind: str) -> list[str]:
        """The processes of a kind on other machines, whether they answer or not."""
        return (await self._split(kind))[1]

    async def http_place(
        self, name: str, kinds: Collection[str] = ("shard", "footage")
    ) -> HttpPlace | None:
        """Where a process of these kinds answers HTTP, here or on another machine; None for
        anything else.
        """
        one = (await self._read()).get(name)
        return None if one is None or one.kind not in kinds else one.place

    async def shard_of(self, camera_id: str) -> str | None:
        """The shard that owns a camera now."""
        async with self._reader.connect() as connection:
            owner: str | None = await connection.scalar(
                sa.select(assignments.c.owner).where(assignments.c.source_id == f"{camera_id}/main")
            )
        return owner or None

    async def holders_of(self, camera_id: str) -> tuple[str | None, str | None]:
        """The shard that owns a camera now, and the one before it, while that may have footage
        that is not in the index yet.
        """
        async with self._reader.connect() as connection:
            found = await connection.execute(
                sa.select(assignments.c.owner, recent_predecessor(now_us())).where(
                    assignments.c.source_id == f"{camera_id}/main"
                )
            )
            row = found.one_or_none()
        return (None, None) if row is None else (row[0] or None, row[1])

    async def statuses(self) -> dict[str, dict[str, Any] | None]:
        """``process.status`` of every process; None of those that do not answer."""
        known = await self._read()
        # The demo cameras are outside, like any camera.
        names = sorted(name for name, one in known.items() if one.kind != "demo")
        answers = await asyncio.gather(
            *(self._status(name) for name in names), return_exceptions=True
        )
        return {
            name: answer if isinstance(answer, dict) else None
            for name, answer in zip(names, answers, strict=True)
        }

    async def configuration_changed(self) -> None:
        """Have the supervisor look at the rows at once; it would anyway in a few seconds."""
        try:
            await self.client(SUPERVISOR).call("cluster.reconcile")
        except (ConnectionError, TimeoutError, ControlError):
            return

    def forget(self, name: str) -> None:
        """A process did not answer where it was: look again."""
        self._known_until = 0.0
        self._known.pop(name, None)

    async def close(self) -> None:
        """Close the channels."""
        for client in self._clients.values():
            await client.close()

    async def _split(self, kind: str) -> tuple[list[str], list[str]]:
        # Of this machine, and of others.
        of_kind = [item for item in (await self._read()).items() if item[1].kind == kind]
        here = sorted(name for name, one in of_kind if one.is_here)
        return here, sorted(name for name, one in of_kind if not one.is_here)

    def _read_row(self, row: Any) -> _Known:
        cluster = self._settings.cluster
        is_here = cluster.listen_address is None or row.node == cluster.node_name
        place = None
        if is_here and row.http_port is not None:
            place = HttpPlace(f"http://{row.http_address or '127.0.0.1'}:{row.http_port}")
        elif not is_here and row.peer_http_port is not None:
            address = row.control_address
            host = f"[{address}]" if ":" in address else address
            context = machine_context(self._secret, cluster.node_name)
            place = HttpPlace(
                f"https://{host}:{row.peer_http_port}",
                {"ssl": context, "server_hostname": row.name},
            )
        return _Known(row.kind, is_here, place)

    async def _lives(self, name: str) -> bool:
        try:
            async with asyncio.timeout(_LIVES_S):
                await self.client(name).call("process.status")
        except (ConnectionError, TimeoutError, ControlError):
            return False
        return True

    async def _status(self, name: str) -> Any:
        async with asyncio.timeout(2.0):
            return await self.client(name).call("process.status")

    async def _read(self) -> dict[str, _Known]:
        now = asyncio.get_running_loop().time()
        if now >= self._known_until:
            async with self._reader.connect() as connection:
                rows = await connection.execute(
                    sa.select(
                        processes.c.name,
                        processes.c.kind,
                        processes.c.http_address,
                        processes.c.http_port,
                        processes.c.node,
                        processes.c.control_address,
                        processes.c.peer_http_port,
                    )
                )
                self._known = {row.name: self._read_row(row) for row in rows}
            self._known_until = now + _CACHE_S
        return self._known


def _patience_s(name: str) -> float:
    return _LONG_PATIENCE_S if name.startswith(_ASKED_PATIENTLY) else _PATIENCE_S
