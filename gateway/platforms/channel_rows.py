"""Channels as rows: what a fetched catalogue changes, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.database.platform_tables import platform_channels
from recorder.rows import row_operation

_COMPARED = (
    "parent_code",
    "kind",
    "name",
    "civil_code",
    "status",
    "longitude",
    "latitude",
    "facts",
)
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
    known = {
        row["code"]: row
        for row in connection.execute(
            sa.select(platform_channels).where(platform_channels.c.platform_id == platform_id)
        ).mappings()
    }
    added: list[dict[str, Any]] = []
    changed = back = 0
    unchanged: list[str] = []
    for channel in channels:
        columns = {name: channel.get(name) for name in _COMPARED}
        row = known.get(channel["code"])
        if row is None:
            added.append({"platform_id": platform_id, "code": channel["code"], **columns})
            continue
        back += row["gone_us"] is not None
        if row["gone_us"] is None and all(row[name] == columns[name] for name in _COMPARED):
            unchanged.append(channel["code"])
            continue
        changed += 1
        connection.execute(
            _rows_of(platform_id, [channel["code"]]).values(seen_us=at_us, gone_us=None, **columns)
        )
    if added:
        connection.execute(
            sa.insert(platform_channels), [{**row, "seen_us": at_us} for row in added]
        )
    for codes in _portions(unchanged):
        connection.execute(_rows_of(platform_id, codes).values(seen_us=at_us))
    gone: list[str] = []
    if complete:
        present = {channel["code"] for channel in channels}
        gone = [
            code for code, row in known.items() if code not in present and row["gone_us"] is None
        ]
        for codes in _portions(gone):
            connection.execute(_rows_of(platform_id, codes).values(gone_us=at_us, status="off"))
    return {"added": len(added), "changed": changed, "gone": len(gone), "back": back}


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
