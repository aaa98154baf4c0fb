"""What a package says of itself: signed, and therefore complete and in one form.

``manifest.json`` tells per camera what was recorded, what is missing and why, how far its clock
ran off, from which recorded segments the files were made and whether those are still what was
recorded; per file its digests; and who took it, why, and under which case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.evidence.digest import FileDigest
from gateway.evidence.keys import PublicKey
from gateway.evidence.order import Order, OrderedCamera
from gateway.evidence.plan import PlannedFile
from gateway.evidence.verify import FORMAT
from gateway.footage.download import Stretch
from gateway.footage.playback_index import Range
from gateway.footage.reader import FootageReader, Located
from gateway.version import VERSION
from recorder.intervals import merge
from recorder.tables import clock_offsets, sources


def build_manifest(
    *,
    job_id: str,
    created_us: int,
    wanted: Range,
    order: Order,
    cameras: Sequence[Mapping[str, Any]],
    files: Sequence[Mapping[str, Any]],
    keys: Sequence[PublicKey],
    gateway: str,
) -> dict[str, Any]:
    """The whole document. ``gateway`` is where the package was made."""
    return {
        "format": FORMAT,
        "export_id": job_id,
        "made_by": {"software": f"gridsight {VERSION}", "gateway": gateway},
        "created_us": created_us,
        "requested_by": dict(order.requester),
        "reason": dict(order.reason),
        "case": dict(order.case) if order.case is not None else None,
        "requested": {
            "camera_ids": [camera.id for camera in order.cameras],
            "start_us": wanted.start_us,
            "end_us": wanted.end_us,
        },
        "utc_offset_minutes": order.utc_offset_minutes,
        "cameras": list(cameras),
        "files": list(files),
        "signed_by": [{"algorithm": key.algorithm, "public_key": key.public_key} for key in keys],
    }


def file_document(
    planned: PlannedFile,
    digest: FileDigest,
    *,
    start_us: int,
    end_us: int,
    stretches: Sequence[Stretch],
    codecs: Sequence[str],
    size: tuple[int, int],
    segment_ids: Sequence[str],
    burnt_in: Sequence[str],
) -> dict[str, Any]:
    """One media file. ``stretches`` say which wall-clock time it shows when."""
    return {
        "path": planned.path,
        "kind": planned.kind,
        "camera_id": planned.camera_id,
        "start_us": start_us,
        "end_us": end_us,
        "size_bytes": digest.size_bytes,
        "sha256": digest.sha256,
        "sm3": digest.sm3,
        "codecs": list(codecs),
        "width": size[0],
        "height": size[1],
        "encoded_anew": planned.transcode,
        "burnt_in": list(burnt_in),
        "stretches": [one._asdict() for one in stretches],
        "segments": list(segment_ids),
    }


def page_document(path: str, digest: FileDigest) -> dict[str, Any]:
    """A file that is no footage: the page, the instructions."""
    return {
        "path": path,
        "kind": "page",
        "size_bytes": digest.size_bytes,
        "sha256": digest.sha256,
        "sm3": digest.sm3,
    }


async def camera_document(
    connection: AsyncConnection,
    reader: FootageReader,
    camera: OrderedCamera,
    wanted: Range,
    matches: Mapping[str, bool],
    masked: bool,
) -> dict[str, Any]:
    """One camera: what there is, what is missing, how its clock ran."""
    items = await reader.between(camera.id, "main", wanted.start_us, wanted.end_us)
    gaps = await reader.gaps_between(camera.id, "main", wanted.start_us, wanted.end_us, items)
    effective = [
        (item.segment.effective_start_us or 0, item.segment.effective_end_us or 0) for item in items
    ]
    recorded = [Range(start, end).clipped(wanted) for start, end in merge(effective, _SEAM_US)]
    return {
        "id": camera.id,
        "name": camera.name,
        "area": list(camera.area),
        "sources": await _sources(connection, {item.segment.source_id for item in items}),
        "recorded": [{"start_us": one.start_us, "end_us": one.end_us} for one in recorded],
        "gaps": gaps,
        "clock_offsets": await _clock_offsets(connection, camera.id, wanted),
        "masked": masked,
        "segments": [_segment_document(item, matches) for item in _distinct(items)],
    }


_SEAM_US = 1_000_000


def _distinct(items: Sequence[Located]) -> list[Located]:
    return list({item.segment.id: item for item in items}.values())


def _segment_document(item: Located, matches: Mapping[str, bool]) -> dict[str, Any]:
    segment = item.segment
    return {
        "id": segment.id,
        "source_id": segment.source_id,
        "start_us": segment.start_us,
        "end_us": segment.end_us,
        "size_bytes": segment.size_bytes,
        # Of one that was still being recorded there is none yet.
        "recorded_sha256": segment.sha256.hex() or None,
        "as_recorded": matches.get(segment.id),
    }


async def _sources(connection: AsyncConnection, source_ids: set[str]) -> list[dict[str, Any]]:
    rows = await connection.execute(
        sa.select(sources.c.id, sources.c.kind)
        .where(sources.c.id.in_(source_ids))
        .order_by(sources.c.id)
    )
    return [{"id": row.id, "kind": row.kind} for row in rows]


async def _clock_offsets(
    connection: AsyncConnection, camera_id: str, wanted: Range
) -> list[dict[str, Any]]:
    """How far the camera's clock ran ahead of the times in this package: what was known at the
    beginning of the range, and what changed in it.
    """
    table = clock_offsets.c
    rows = (
        await connection.execute(
            sa.select(table.since_us, table.offset_us, table.accepted_us)
            .where(table.source_id == f"{camera_id}/main", table.since_us < wanted.end_us)
            .order_by(table.since_us)
        )
    ).all()
    before = [row for row in rows if row.since_us <= wanted.start_us][-1:]
    within = [row for row in rows if row.since_us > wanted.start_us]
    return [
        {"since_us": row.since_us, "offset_us": row.offset_us, "accepted_us": row.accepted_us}
        for row in [*before, *within]
    ]
