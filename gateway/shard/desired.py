"""What the database says that this shard should hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from camera_adapters.stream import Variant
from gateway.cameras import sum_of_times
from gateway.database.privacy_tables import camera_masks
from gateway.database.tables import cameras, restreams
from gateway.masks import Polygons, masks_in_force
from gateway.secrets import SealError, unseal
from recorder.tables import assignments, sources

_log = structlog.get_logger(__name__)

_ROWS_AT_ONCE = 20


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
    # The device or platform that can be asked about it; None: it is known by its address alone.
    platform_id: str | None = None


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
    may_lift_masks: bool


@dataclass(frozen=True, slots=True)
class Desired:
    """Everything, at one moment."""

    sources: dict[str, DesiredSource]
    restreams: dict[str, DesiredRestream]  # by token_hash
    masks: dict[str, Polygons]  # by camera_id, of all cameras that have some


class DesiredReader:
    """Reads what ``owner`` should hold. Asked every few seconds, it looks at one row of sums, and
    reads a thousand cameras only when something about them has changed.
    """

    def __init__(self, reader: AsyncEngine, secret: bytes, owner: str) -> None:
        self._reader = reader
        self._secret = secret
        self._owner = owner
        self._stamp: object = None
        self._sources: dict[str, DesiredSource] = {}
        # The row that each was made of: opening thousands of passwords anew takes a second.
        self._made_of: dict[str, tuple[Any, ...]] = {}
        self._masks_stamp: object = None
        self._masks: dict[str, Polygons] = {}

    async def read(self) -> Desired:
        """Everything, as of now. Raises DBAPIError."""
        async with self._reader.connect() as connection:
            stamp = await self._read_stamp(connection)
            if stamp != self._stamp:
                self._sources = await self._read_sources(connection)
                self._stamp = stamp
            permitted = await self._read_restreams(connection)
            return Desired(self._sources, permitted, await self._read_masks(connection))

    def _holds(self) -> sa.ColumnElement[bool]:
        # A successor holds a source before its predecessor lets go.
        return sa.or_(assignments.c.owner == self._owner, assignments.c.successor == self._owner)

    async def _read_stamp(self, connection: AsyncConnection) -> object:
        owned = await connection.execute(
            sa.select(
                sa.func.count(),
                sa.func.sum(assignments.c.epoch),
                sum_of_times(assignments.c.since_us),
            )
            .join(sources, sources.c.id == assignments.c.source_id)
            .where(self._holds(), sources.c.kind == "camera")
        )
        configured = await connection.execute(
            sa.select(
                sa.func.count(),
                sum_of_times(cameras.c.changed_us),
                sa.func.count(cameras.c.deleted_us),
            )
        )
        return (*owned.one(), *configured.one())

    async def _read_sources(self, connection: AsyncConnection) -> dict[str, DesiredSource]:
        rows = await connection.execute(
            sa.select(
                assignments.c.source_id,
                assignments.c.epoch,
                assignments.c.owner,
                assignments.c.successor,
                cameras.c.id,
                cameras.c.main_url,
                cameras.c.sub_url,
                cameras.c.username,
                cameras.c.password_sealed,
                cameras.c.transport,
                cameras.c.record,
                cameras.c.platform_id,
            )
            .join(sources, sources.c.id == assignments.c.source_id)
            .join(cameras, cameras.c.id == sources.c.camera_id)
            .where(
                self._holds(),
                sources.c.kind == "camera",
                cameras.c.enabled,
                cameras.c.deleted_us.is_(None),
            )
        )
        found: dict[str, DesiredSource] = {}
        made_of: dict[str, tuple[Any, ...]] = {}
        for number, row in enumerate(rows, start=1):
            source_id: str = row.source_id
            made_of[source_id] = tuple(row)
            if self._made_of.get(source_id) == made_of[source_id]:
                source = self._sources.get(source_id)
            else:
                source = _source(row, self._owner, self._secret)
            if source is not None:
                found[source_id] = source
            if number % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
        self._made_of = made_of
        return found

    async def _read_masks(self, connection: AsyncConnection) -> dict[str, Polygons]:
        sums = sa.select(sa.func.count(), sa.func.max(camera_masks.c.from_us))
        stamp = tuple((await connection.execute(sums)).one())
        if stamp != self._masks_stamp:
            newest = await masks_in_force(connection)
            self._masks = {one.camera_id: one.polygons for one in newest.values() if one.masks}
            self._masks_stamp = stamp
        return self._masks

    async def _read_restreams(self, connection: AsyncConnection) -> dict[str, DesiredRestream]:
        rows = await connection.execute(
            sa.select(restreams).where(restreams.c.revoked_us.is_(None))
        )
        return {
            row.token_hash: DesiredRestream(
                row.id,
                row.camera_id,
                Variant(row.variant),
                row.token_hash,
                tuple(row.addresses),
                row.user_id,
                row.user_name,
                row.expires_us,
                row.may_lift_masks,
            )
            for row in rows
            if f"{row.camera_id}/main" in self._sources
        }


def _source(row: Any, holder: str, secret: bytes) -> DesiredSource | None:
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
        # While a source moves, the epoch is its successor's.
        epoch=row.epoch if row.successor in (None, holder) else row.epoch - 1,
        platform_id=row.platform_id,
    )
