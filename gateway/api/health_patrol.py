"""The patrol: looks at every camera in turn, a few in a second, in the API process that leads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.open_segments import read_open_segments
from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.database.health_tables import camera_health, camera_health_references
from gateway.database.operating_tables import patrols, preset_names, ptz_homes
from gateway.database.tables import cameras
from gateway.health.completeness import day_of, recorded_day
from gateway.health.keeping import Known, forget_pictures, keep_picture, next_us
from gateway.health.seeing import NotSeen, Seen, see
from gateway.health.standing import from_rows
from gateway.identifiers import US_PER_S, now_us
from recorder.rows import RowError
from recorder.stores import StoreError

if TYPE_CHECKING:
    # Of OpenCV: loaded when the first picture is there, off the loop.
    from gateway.health.picture_measures import Measures, Mode, Reference

_log = structlog.get_logger(__name__)

_ROUND_S = 2.0
# Others want the decoders, too.
_AT_ONCE = 2
# How soon to look again at a camera of which there was no picture yet.
_FIRST_US = 300 * US_PER_S
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError)


async def patrol_for_ever(services: Services) -> None:
    """Look at those that are due, for ever; a failure is logged and tried again."""
    settings = services.settings.health
    if not settings.enabled:
        return
    while True:
        began_s = asyncio.get_running_loop().time()
        try:
            await look_around(services, max(1, round(settings.per_second * _ROUND_S)))
        except _FAULTS as error:
            _log.warning("cameras cannot be looked at now; trying again", why=str(error))
        except Exception:
            _log.exception("cameras cannot be looked at now; trying again")
        # A seldom look is a whole round of its own.
        round_s = max(_ROUND_S, 1 / settings.per_second)
        took_s = asyncio.get_running_loop().time() - began_s
        await asyncio.sleep(max(0.2, round_s - took_s))


async def look_around(services: Services, limit: int) -> int:
    """Look at up to ``limit`` cameras that are due; gives at how many."""
    table = camera_health.c
    statement = (
        sa.select(cameras.c.id, cameras.c.record, cameras.c.created_us, camera_health, _moves())
        .select_from(cameras.outerjoin(camera_health, table.camera_id == cameras.c.id))
        .where(
            cameras.c.enabled,
            cameras.c.deleted_us.is_(None),
            sa.func.coalesce(table.next_us, 0) <= now_us(),
        )
        .order_by(sa.func.coalesce(table.next_us, 0), cameras.c.id)
        .limit(limit)
    )
    async with services.reader.connect() as connection:
        due = (await connection.execute(statement)).all()
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(row: sa.Row[Any]) -> None:
        async with places:
            await _look(services, row)

    await asyncio.gather(*(one(row) for row in due))
    return len(due)


def _moves() -> sa.ColumnElement[bool]:
    """Who has presets, a patrol or a home is turned: another view is nobody's fault."""
    return sa.or_(
        *(
            sa.exists().where(table.c.camera_id == cameras.c.id)
            for table in (patrols, preset_names, ptz_homes)
        )
    ).label("moves")


async def _look(services: Services, row: sa.Row[Any]) -> None:
    at_us = now_us()
    known = Known(row.id, moves=bool(row.moves))
    if row.version is not None:
        known = Known(
            row.id, row.version, row.picture_us, tuple(from_rows(row.standing).items()),
            row.samples, row.kept_us, bool(row.moves),
        )  # fmt: skip
    offset_us = services.states.of(row.id).get("main", {}).get("clock_offset_us")
    columns: dict[str, Any] = {"looked_us": at_us, "clock_offset_us": offset_us}
    reference: dict[str, Any] | None = None
    try:
        seen = await see(services.processes, row.id)
        measures = await measured(seen)
    except NotSeen as error:
        columns |= {"missing": str(error)[:200]}
        if not known.version:
            columns |= {"standing": {}, "found": 0}
    else:
        changed, reference = await _judged(services, known, seen, measures)
        columns |= changed
    every_us = round(services.settings.health.every_minutes * 60 * US_PER_S)
    standing = from_rows(columns["standing"]) if "standing" in columns else dict(known.standing)
    columns["next_us"] = next_us(standing, at_us, every_us)
    if known.picture_us is None and columns.get("picture_us") is None:
        # It may only just have been switched on.
        columns["next_us"] = min(columns["next_us"], at_us + _FIRST_US)
    found = columns.get("found", row.found or 0)
    gone = await services.rows.write(
        "health.look",
        camera_id=row.id,
        known_version=known.version,
        columns=columns,
        days=await _days(services, row, at_us, found),
        reference=reference,
    )
    await forget_pictures(services.storage.store, gone)


async def measured(seen: Seen) -> Measures:
    """What is measured of a picture. Raises NotSeen."""

    def measure() -> Measures:
        from gateway.health.picture_measures import NotAPicture, measure_jpeg

        try:
            return measure_jpeg(seen.jpeg)
        except NotAPicture as error:
            raise NotSeen(str(error)) from None

    return await asyncio.to_thread(measure)


async def _judged(
    services: Services, known: Known, seen: Seen, measures: Measures
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Columns of the camera's row, with the picture kept where it is worth it, and the reference's
    row where this is the first picture in its light.
    """
    from gateway.health.judging import looked, reference_row
    from gateway.health.picture_measures import Reference

    async with services.reader.connect() as connection:
        reference = await read_reference(connection, known.camera_id, measures.mode)
    result = looked(known, seen, measures, reference)
    columns = result.columns
    try:
        if result.keeps:
            key = await keep_picture(services.storage.store, known.camera_id, seen.jpeg)
            columns |= {"picture_key": key, "kept_us": seen.at_us}
        if result.refers:
            key = await keep_picture(services.storage.store, known.camera_id, seen.jpeg)
            return columns, reference_row(Reference.of(measures), seen.at_us, key, None)
    except (StoreError, OSError) as error:
        # What was found is worth more than its picture, which the next look keeps.
        _log.info("a picture of a camera could not be kept", why=str(error))
    return columns, None


async def read_reference(
    connection: AsyncConnection, camera_id: str, mode: Mode
) -> Reference | None:
    """As the camera should look in this light; None where nobody has seen it."""
    from gateway.health.picture_measures import Reference

    table = camera_health_references.c
    row = (
        await connection.execute(
            sa.select(camera_health_references).where(
                table.camera_id == camera_id, table.mode == mode
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return Reference.from_row(mode, row.numbers, row.thumb, row.deviations)


async def _days(
    services: Services, row: sa.Row[Any], at_us: int, found: int
) -> list[dict[str, Any]]:
    """Yesterday and today; yesterday's last minutes came to the index today."""
    utc_offset_minutes = services.settings.health.utc_offset_minutes
    today = day_of(at_us, utc_offset_minutes)
    open_segments, silent = await read_open_segments(services.processes, row.id)
    days = []
    async with services.reader.connect() as connection:
        for day in (today - 1, today):
            one = await recorded_day(
                connection,
                row.id,
                day,
                utc_offset_minutes=utc_offset_minutes,
                now_us=at_us,
                created_us=row.created_us if row.record != "off" else None,
                open_segments=open_segments,
                held_on=silent,
            )
            days.append(
                {
                    "day": one.day, "recorded_us": one.recorded_us, "expected_us": one.expected_us,
                    "found": found if day == today else 0,
                }
            )  # fmt: skip
    return days
