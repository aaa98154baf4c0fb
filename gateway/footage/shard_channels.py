"""Calls on media shards, by name: see :class:`gateway.footage.reader.Shards`."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.cluster.peers import peer_client
from gateway.control.channel import ControlClient
from gateway.settings import Settings


class ShardChannels:
    """The control channels to the shards, made as they are needed."""

    def __init__(self, settings: Settings, secret: bytes, reader: AsyncEngine) -> None:
        self._settings = settings
        self._secret = secret
        self._reader = reader
        self._clients: dict[str, ControlClient] = {}

    async def call(self, shard: str, name: str, /, **arguments: Any) -> Any:
        """See :class:`gateway.footage.reader.Shards`."""
        if shard not in self._clients:
            self._clients[shard] = peer_client(
                self._settings,
                self._secret,
                self._reader,
                shard,
                call_timeout_s=10.0,
                connect_timeout_s=1.0,
            )
        return await self._clients[shard].call(name, **arguments)

    async def close(self) -> None:
        """Close them all."""
        for client in self._clients.values():
            await client.close()
