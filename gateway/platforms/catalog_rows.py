"""A platform's catalogue as rows: what an assembled one changes, and what a notification does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import sqlalchemy as sa

from camera_adapters.gb28181.catalog import CatalogEvent, CatalogItem
from camera_adapters.gb28181.catalog_assembly import AssembledCatalog
from camera_adapters.gb28181.codes import CodeKind
from gateway.database.platform_tables import platform_channels
from gateway.platforms.operations import Channel
from recorder.rows import row_operation

COMPARED = (
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

_KINDS: dict[CodeKind, Literal["camera", "group", "area", "device", "other"]] = {
    CodeKind.DIVISION: "area",
    CodeKind.PLATFORM: "device",
    CodeKind.BUSINESS_GROUP: "group",
    CodeKind.VIRTUAL_ORGANISATION: "group",
    CodeKind.DEVICE: "device",
    CodeKind.CAMERA: "camera",
}
# Names of the standard → names that all kinds of platforms share.
_FACTS = {
    "Manufacturer": "manufacturer",
    "Model": "model",
    "Address": "address",
    "IPAddress": "host",
    "Port": "port",
    "Block": "block",
    "Owner": "owner",
    "DownloadSpeed": "download_speeds",
    "Resolution": "resolutions",
}


@dataclass(frozen=True, slots=True)
class CatalogDifference:
    """What turns the rows that are known into a catalogue. ``changed`` has whole columns."""

    added: tuple[Mapping[str, Any], ...]
    changed: tuple[Mapping[str, Any], ...]
    unchanged: tuple[str, ...]
    gone: tuple[str, ...]
    back: int


def channels_of(catalog: AssembledCatalog) -> list[Channel]:
    """The channels of an assembled catalogue. Pure; a large one belongs off the loop."""
    return [channel_of(node.item, node.parent) for node in catalog.nodes.values()]


def channel_of(item: CatalogItem, parent_code: str) -> Channel:
    """One item as a channel; ``parent_code`` is empty directly beneath the platform."""
    facts: dict[str, Any] = {
        ours: item.facts[theirs] for theirs, ours in _FACTS.items() if theirs in item.facts
    }
    if ptz_type := item.facts.get("PTZType", "").partition("/")[0]:
        facts["ptz_type"] = ptz_type
    if item.steerable:
        facts["capabilities"] = ["ptz", "presets"]
    return Channel(
        code=item.code,
        parent_code=parent_code or None,
        kind=_KINDS.get(item.kind, "other"),
        name=(item.name or item.code)[:200],
        status="on" if item.online else "off",
        civil_code=item.civil_code[:20] or None,
        longitude=item.longitude,
        latitude=item.latitude,
        facts=facts,
    )


def difference(
    known: Mapping[str, Mapping[str, Any]],
    channels: Iterable[Mapping[str, Any]],
    *,
    complete: bool,
) -> CatalogDifference:
    """Compare rows of ``platform_channels`` by code with channels as dictionaries. Pure.

    A channel that the catalogue no longer has is gone only if the catalogue is ``complete``.
    Of channels that stand in it twice the last counts.
    """
    present = {channel["code"]: channel for channel in channels}
    added, changed, unchanged, back = [], [], [], 0
    for code, channel in present.items():
        columns = {name: channel.get(name) for name in COMPARED}
        row = known.get(code)
        if row is None:
            added.append({"code": code, **columns})
            continue
        was_gone = row["gone_us"] is not None
        back += was_gone
        if was_gone or any(row[name] != columns[name] for name in COMPARED):
            changed.append({"code": code, **columns})
        else:
            unchanged.append(code)
    gone = []
    if complete:
        gone = [code for code, row in known.items() if code not in present and _is_there(row)]
    return CatalogDifference(tuple(added), tuple(changed), tuple(unchanged), tuple(gone), back)


def apply(
    connection: sa.Connection, platform_id: str, found: CatalogDifference, at_us: int
) -> dict[str, int]:
    """Write a difference; gives {added, changed, gone, back}. Cameras made of channels keep their
    names, areas and positions: those are not the platform's to say.
    """
    table = platform_channels
    if found.added:
        connection.execute(
            sa.insert(table),
            [{"platform_id": platform_id, "seen_us": at_us, **row} for row in found.added],
        )
    if found.changed:
        of_code = sa.and_(
            table.c.platform_id == platform_id, table.c.code == sa.bindparam("of_code")
        )
        columns: dict[str, Any] = {name: sa.bindparam(name) for name in COMPARED}
        connection.execute(
            sa.update(table).where(of_code).values(seen_us=at_us, gone_us=None, **columns),
            [
                {"of_code": row["code"], **{name: row[name] for name in COMPARED}}
                for row in found.changed
            ],
        )
    for codes in _portions(found.unchanged):
        connection.execute(_rows_of(platform_id, codes).values(seen_us=at_us))
    for codes in _portions(found.gone):
        connection.execute(_rows_of(platform_id, codes).values(gone_us=at_us, status="off"))
    return {
        "added": len(found.added),
        "changed": len(found.changed),
        "gone": len(found.gone),
        "back": found.back,
    }


def known_channels(connection: sa.Connection, platform_id: str) -> dict[str, Mapping[str, Any]]:
    """The rows of a platform by code, those that are gone too."""
    statement = sa.select(platform_channels).where(platform_channels.c.platform_id == platform_id)
    return {row["code"]: dict(row) for row in connection.execute(statement).mappings()}


def changes_of(events: Sequence[CatalogEvent]) -> dict[str, Any]:
    """A notification's events as arguments of ``platforms.catalog_events``; in order, the last word
    about a channel counts.
    """
    status: dict[str, str] = {}
    channels: dict[str, dict[str, Any]] = {}
    gone: dict[str, None] = {}
    for event in events:
        code = event.item.code
        if event.kind == "DEL":
            gone[code] = None
            channels.pop(code, None)
            status.pop(code, None)
        elif event.kind in ("ADD", "UPDATE"):
            gone.pop(code, None)
            status.pop(code, None)
            # The parent is settled with the rows, which know what else there is.
            channel = asdict(channel_of(event.item, ""))
            named = [*reversed(event.item.parents), event.item.business_group]
            channels[code] = {**channel, "parents": [parent for parent in named if parent]}
        else:
            value = "on" if event.kind == "ON" else "off"
            if code in channels:
                channels[code]["status"] = value
            else:
                status[code] = value
    return {"channels": list(channels.values()), "status": status, "gone": list(gone)}


@row_operation("platforms.catalog_events")
def apply_events(
    connection: sa.Connection,
    platform_id: str,
    channels: Sequence[dict[str, Any]],
    status: Mapping[str, str],
    gone: Sequence[str],
    at_us: int,
) -> dict[str, int]:
    """What a subscribed catalogue tells (:func:`changes_of`), in one transaction; may be repeated.

    An update that leaves its parent unsaid leaves it as it is.
    """
    known = known_channels(connection, platform_id)
    there = {*known, *(channel["code"] for channel in channels)}
    settled = []
    for channel in channels:
        row, own = known.get(channel["code"]), channel["code"]
        named = channel.pop("parents", [])
        parent = next((code for code in named if code in there and code != own), None)
        if parent is None and row is not None and not named:
            parent = row["parent_code"]
        settled.append({**channel, "parent_code": parent})
    _break_rings(settled, known)
    counts = apply(connection, platform_id, difference(known, settled, complete=False), at_us)
    for value in ("on", "off"):
        for codes in _portions([code for code, one in status.items() if one == value]):
            connection.execute(_rows_of(platform_id, codes).values(status=value, seen_us=at_us))
    left = [code for code in gone if code in known and _is_there(known[code])]
    for codes in _portions(left):
        connection.execute(_rows_of(platform_id, codes).values(gone_us=at_us, status="off"))
    return {**counts, "gone": len(left)}


def _break_rings(channels: list[dict[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> None:
    parents = {code: row["parent_code"] for code, row in known.items()}
    for channel in channels:
        code = channel["code"]
        above, seen = channel["parent_code"], {code}
        while above is not None and above not in seen:
            seen.add(above)
            above = parents.get(above)
        if above is not None:
            channel["parent_code"] = None
        parents[code] = channel["parent_code"]


def _is_there(row: Mapping[str, Any]) -> bool:
    return row["gone_us"] is None


def _rows_of(platform_id: str, codes: Sequence[str]) -> sa.Update:
    table = platform_channels
    return sa.update(table).where(table.c.platform_id == platform_id, table.c.code.in_(codes))


def _portions(codes: Sequence[str]) -> list[Sequence[str]]:
    return [codes[at : at + _ROWS_AT_ONCE] for at in range(0, len(codes), _ROWS_AT_ONCE)]
