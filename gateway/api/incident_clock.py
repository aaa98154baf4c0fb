"""The clock of incidents, kept by the API process that leads: whose light turns is told at once."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog

from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.database.incident_tables import incidents
from gateway.identifiers import now_us
from gateway.incidents.steps import turned
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

_EVERY_S = 2.0
_AT_ONCE = 200
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError)


async def keep_incidents_for_ever(services: Services) -> None:
    """Begin with the usual categories, and note each turn of a light; a failure is logged."""
    seeded = False
    while True:
        try:
            if not seeded:
                await services.rows.write("incident_categories.seed")
                seeded = True
            await turn_lights(services)
        except _FAULTS as error:
            _log.warning("the clock of incidents stands; trying again", why=str(error))
        await asyncio.sleep(_EVERY_S)


async def turn_lights(services: Services) -> None:
    """Note those that have turned."""
    at_us = now_us()
    async with services.reader.connect() as connection:
        # Asked without a transaction of the writer: mostly nothing has turned.
        due = await connection.scalar(sa.select(incidents.c.id).where(turned(at_us)).limit(1))
    if due is None:
        return
    while True:
        told = await services.rows.write("incidents.lights", at_us=at_us, limit=_AT_ONCE)
        if told:
            services.incidents.look()
        if len(told) < _AT_ONCE:
            return
