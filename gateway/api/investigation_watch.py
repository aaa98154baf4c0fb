"""What goes on by itself for requests: standing searches are compared, what is over is ended."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog

from gateway.api.search_vectors import vectors_of_all
from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.investigations.standing import AT_ONCE, StandingSearches
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

COMPARED_EVERY_S = 1.0
SWEPT_EVERY_S = 5.0
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, OSError, sa.exc.DBAPIError)


async def compare_for_ever(services: Services) -> None:
    """Hold what was indexed against the standing searches; a failure is logged and tried again."""
    standing = StandingSearches(
        services.reader, services.rows, services.secret, lambda: vectors_of_all(services)
    )
    while True:
        count = 0
        try:
            count, told = await standing.look()
            if told:
                services.alarm_watch.tell(told)
        except _FAULTS as error:
            _log.warning("standing searches wait; trying again", why=str(error))
        except Exception:
            _log.exception("standing searches wait; trying again")
        if count < AT_ONCE:
            await asyncio.sleep(COMPARED_EVERY_S)


async def end_for_ever(services: Services) -> None:
    """End what its time, its case or a missing review ends; a failure is logged and tried again."""
    while True:
        try:
            done = await services.rows.write("investigations.sweep")
            if done["alarms"]:
                services.alarm_watch.tell(done["alarms"])
        except _FAULTS as error:
            _log.warning("requests that are over were not ended; trying again", why=str(error))
        except Exception:
            _log.exception("requests that are over were not ended; trying again")
        await asyncio.sleep(SWEPT_EVERY_S)
