"""What the database says that this shard should hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.stream import Variant
from gateway.database.tables import cameras, restreams
from gateway.secrets import SealError, unseal
from recorder.tables import assignments, sources

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DesiredSource:
    """One source that this shard owns. ``epoch`` is its assignment's."""

    source_id: str
    camera_id: str
    variant: Variant
    url: str
    username: str | None
    password: str | None = field(repr=False)
    transport: Literal["auto", "tcp", "udp"]
    recorded: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class DesiredRestream:
    """One permitted RTSP restream. ``addresses`` are networks, as text."""

    restream_id: str
    camera_id: str
    variant: Variant
    token_hash: str
    addresses: tuple[str, ...]
    user_id: str
    user_name: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything, at one moment."""

    sources: dict[str, DesiredSource]
    restreams: dict[str, DesiredRestream]  # by token_hash


async def read_desired(reader: AsyncEngine, secret: bytes, owner: str) -> Desired:
    """Read the assignments of ``owner`` with their cameras. Raises DBAPIError."""
    async with reader.connect() as connection:
        source_rows = await connection.execute(
            sa.select(
                assignments.c.source_id,
                assignments.c.epoch,
                cameras.c.id,
                cameras.c.main_url,
                cameras.c.sub_url,
                cameras.c.username,
                cameras.c.password_sealed,
                cameras.c.transport,
                cameras.c.record,
            )
            .join(sources, sources.c.id == assignments.c.source_id)
            .join(cameras, cameras.c.id == sources.c.camera_id)
            .where(
                assignments.c.owner == owner,
                cameras.c.enabled,
                cameras.c.deleted_us.is_(None),
            )
        )
        owned = {
            source.source_id: source
            for row in source_rows
            if (source := _source(row, secret)) is not None
        }
        camera_ids = {source.camera_id for source in owned.values()}
        restream_rows = await connection.execute(
            sa.select(restreams).where(restreams.c.revoked_us.is_(None))
        )
        permitted = {
            row.token_hash: DesiredRestream(
                row.id,
                row.camera_id,
                Variant(row.variant),
                row.token_hash,
                tuple(row.addresses),
                row.user_id,
                row.user_name,
                row.expires_us,
            )
            for row in restream_rows
            if row.camera_id in camera_ids
        }
    return Desired(owned, permitted)


def _source(row: Any, secret: bytes) -> DesiredSource | None:
    variant = Variant(row.source_id.rpartition("/")[2])
    url = row.main_url if variant is Variant.MAIN else row.sub_url
    if not url:
        return None
    password = None
    if row.password_sealed is not None:
        try:
            password = unseal(secret, row.password_sealed, row.id)
        except SealError as error:
            # It is tried without: the camera will refuse, and the state says so.
            _log.error("a camera's password is lost", camera=row.id, why=str(error))
    return DesiredSource(
        source_id=row.source_id,
        camera_id=row.id,
        variant=variant,
        url=url,
        username=row.username,
        password=password,
        transport=row.transport,
        recorded=variant is Variant.MAIN and row.record == "continuous",
        epoch=row.epoch,
    )
