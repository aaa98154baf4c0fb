"""A finished package as an archive that is put together while it is being sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.evidence_tables import export_files, export_jobs
from gateway.evidence.zip_layout import ZipEntry, ZipLayout

_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Package:
    """One job that is done: whose, of what, and where its bytes are."""

    id: str
    user_id: str
    case_id: str | None
    camera_ids: tuple[str, ...]
    start_us: int
    end_us: int
    layout: ZipLayout
    folder: Path

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes [``start``, ``end``) of the archive. Raises OSError."""
        for piece in self.layout.pieces(start, end):
            if isinstance(piece, bytes):
                yield piece
                continue
            path, first, last = piece
            async for data in read_part(self.folder / path, first, last):
                yield data


async def find_package(
    connection: AsyncConnection, job_id: str, exports_directory: Path
) -> Package | None:
    """The package of a job, None when it is not there or not complete."""
    job = (
        await connection.execute(
            sa.select(export_jobs).where(export_jobs.c.id == job_id, export_jobs.c.state == "done")
        )
    ).first()
    if job is None:
        return None
    rows = (
        await connection.execute(
            sa.select(export_files)
            .where(export_files.c.job_id == job_id)
            .order_by(export_files.c.position, export_files.c.path)
        )
    ).all()
    modified = next((row.document["modified"] for row in rows if "modified" in row.document), 0)
    entries = [ZipEntry(row.path, row.size_bytes, row.crc32) for row in rows]
    return Package(
        id=job.id,
        user_id=job.user_id,
        case_id=job.case_id,
        camera_ids=tuple(job.camera_ids),
        start_us=job.start_us,
        end_us=job.end_us,
        layout=ZipLayout(entries, modified),
        folder=exports_directory / job_id,
    )


async def read_part(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes [``start``, ``end``) of a file."""
    file: IO[bytes] = await asyncio.to_thread(path.open, "rb")
    try:
        await asyncio.to_thread(file.seek, start)
        while start < end:
            data = await asyncio.to_thread(file.read, min(_READ_BYTES, end - start))
            if not data:
                raise OSError(f"{path.name} is shorter than it was")
            start += len(data)
            yield data
    finally:
        file.close()
