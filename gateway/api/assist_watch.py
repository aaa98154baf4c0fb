"""What goes on by itself for assist requests: those whose deadline or case is over are ended."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog

from gateway.api.services import Services
from gateway.control.channel import ControlError
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

SWEPT_EVERY_S = 5.0
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, OSError, sa.exc.DBAPIError)


async def end_requests_for_ever(services: Services) -> None:
    """End what is over, for ever; a failure is logged and tried again. Nobody is lent anything by
    it meanwhile: see :mod:`gateway.assist.states`.
    """
    while True:
        try:
            ended = await services.rows.write("assist.sweep")
            if ended:
                services.assist.look()
        except _FAULTS as error:
            _log.warning("assist requests that are over were not ended", why=str(error))
        except Exception:
            _log.exception("assist requests that are over were not ended")
        await asyncio.sleep(SWEPT_EVERY_S)
