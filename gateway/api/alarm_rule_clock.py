"""The clock of alarm rules, kept by the API process that leads: who is told later is told then."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog

from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.database.alarm_rule_tables import alarm_notices
from gateway.identifiers import US_PER_S, now_us
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

_EVERY_S = 1.0
_AT_ONCE = 500
_KEPT_US = 30 * 86_400 * US_PER_S
_FORGETS_EVERY = 600
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, OSError, sa.exc.DBAPIError)


async def tell_due_for_ever(services: Services) -> None:
    """Tell what is due, and forget what was told a month ago; a failure is logged."""
    looks = 0
    while True:
        try:
            await tell_due(services, now_us())
            if looks % _FORGETS_EVERY == 0:
                await forget_old(services)
        except _FAULTS as error:
            _log.warning("the clock of alarm rules stands; trying again", why=str(error))
        looks += 1
        await asyncio.sleep(_EVERY_S)


async def tell_due(services: Services, at_us: int) -> None:
    """End quiet hours and take further steps whose time has come by then."""
    column = alarm_notices.c
    is_due = sa.and_(column.state == "waiting", column.due_us <= at_us)
    async with services.reader.connect() as connection:
        # Asked without a transaction of the writer: mostly nothing is due.
        due = await connection.scalar(sa.select(column.id).where(is_due).limit(1))
    if due is None:
        return
    while await services.rows.write("alarm_notices.due", at_us=at_us, limit=_AT_ONCE) == _AT_ONCE:
        pass
    services.alarm_notices.look()


async def forget_old(services: Services) -> None:
    """Drop rows of what was told long ago."""
    before_us = now_us() - _KEPT_US
    while (
        await services.rows.write("alarm_notices.forget", before_us=before_us, limit=_AT_ONCE)
        == _AT_ONCE
    ):
        pass
