"""Channels as rows: what a fetched catalogue changes, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.platform_tables import platform_channels
from gateway.platforms.catalog_rows import apply, difference, known_channels
from recorder.rows import row_operation

_ROWS_AT_ONCE = 500


@row_operation("platforms.channels")
def replace_channels(
    connection: sa.Connection,
    platform_id: str,
    channels: Sequence[Mapping[str, Any]],
    at_us: int,
    complete: bool = True,
) -> dict[str, int]:
    """The catalogue as of ``at_us``; gives {added, changed, gone, back}. May be repeated.

    A channel that is in it no longer is marked gone, unless the catalogue is not ``complete``; it
    keeps its row and its camera, and is itself again when it comes back. Names, areas and positions
    of cameras are their own and not touched.
    """
    found = difference(known_channels(connection, platform_id), channels, complete=complete)
    return apply(connection, platform_id, found, at_us)


@row_operation("platforms.channel_status")
def set_status(connection: sa.Connection, platform_id: str, status: Mapping[str, str]) -> None:
    """New status of some channels, by code. May be repeated."""
    for value in ("on", "off", "unknown"):
        codes = [code for code, one in status.items() if one == value]
        for portion in _portions(codes):
            connection.execute(_rows_of(platform_id, portion).values(status=value))


def _rows_of(platform_id: str, codes: Sequence[str]) -> sa.Update:
    table = platform_channels
    return sa.update(table).where(table.c.platform_id == platform_id, table.c.code.in_(codes))


def _portions(codes: Sequence[str]) -> list[Sequence[str]]:
    return [codes[at : at + _ROWS_AT_ONCE] for at in range(0, len(codes), _ROWS_AT_ONCE)]
