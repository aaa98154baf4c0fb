"""Where the other processes are: here by their sockets, elsewhere by their rows.

On one machine the row is never looked at. In a cluster the ``processes`` row says on which node a
process runs and where its control channel answers; it is read at each attempt to connect, so that a
process which was started again, or elsewhere, is found.
"""

from __future__ import annotations

from functools import lru_cache
from ssl import SSLContext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.control.address import Address, Locate, RemoteAddress
from gateway.control.channel import ControlClient, control_path, is_of_this_machine
from gateway.control.machine_tls import client_context
from gateway.database.tables import processes
from gateway.settings import Settings


def peer_client(
    settings: Settings, secret: bytes, reader: AsyncEngine, name: str, **timeouts: Any
) -> ControlClient:
    """The control channel to process ``name``, wherever it runs. ``timeouts``: as ControlClient."""
    if settings.cluster.listen_address is None or is_of_this_machine(name):
        return ControlClient(control_path(settings, name), secret, **timeouts)
    return ControlClient(
        locating(settings, reader, name),
        secret,
        tls=machine_context(secret, settings.cluster.node_name),
        **timeouts,
    )


def locating(settings: Settings, reader: AsyncEngine, name: str) -> Locate:
    """Looks the process up in its row."""

    async def locate() -> Address:
        try:
            async with reader.connect() as connection:
                found = await connection.execute(
                    sa.select(
                        processes.c.node, processes.c.control_address, processes.c.control_port
                    ).where(processes.c.name == name)
                )
                row = found.one_or_none()
        except sa.exc.DBAPIError as error:
            raise ConnectionError(f"where {name} runs cannot be read: {error.orig}") from None
        if row is None:
            raise ConnectionError(f"no process {name} is known")
        if row.node == settings.cluster.node_name:
            return control_path(settings, name)
        if row.control_address is None or row.control_port is None:
            raise ConnectionError(
                f"process {name} on {row.node} cannot be reached from here: set "
                "cluster.listen_address there"
            )
        return RemoteAddress(name, row.control_address, row.control_port)

    return locate


@lru_cache(maxsize=4)
def machine_context(secret: bytes, caller: str) -> SSLContext:
    """For calling other machines' processes as ``caller``. One for all of a process's clients: each
    costs a key and a certificate.
    """
    return client_context(secret, caller)
