"""Searches of one person take turns; what each finds is told line by line until its turn ends."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.api.errors import ApiError
from gateway.api.json_lines import json_line
from gateway.api.search_vectors import EveryMachinesVectors
from gateway.api.search_watch import SearchStopped
from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.people.authorize import Principal

_log = structlog.get_logger(__name__)

AT_ONCE_LIMIT = 3
_RETRY_S = 5


@contextlib.contextmanager
def search_turn(services: Services, caller: Principal) -> Iterator[None]:
    """One of the searches that somebody may have running. Raises ApiError 429."""
    running = services.searching
    if running[caller.user_id] >= AT_ONCE_LIMIT:
        raise _too_many(f"{AT_ONCE_LIMIT} of your searches are running: wait for one, or close it")
    running[caller.user_id] += 1
    try:
        yield
    finally:
        running[caller.user_id] -= 1
        if running[caller.user_id] <= 0:
            del running[caller.user_id]


@contextlib.contextmanager
def change_turn(services: Services, caller: Principal) -> Iterator[None]:
    """The one search for changes that somebody may have running: a footage server runs few. Raises
    ApiError 429.
    """
    own = f"change:{caller.user_id}"
    if own in services.searching:
        raise _too_many("one of your searches for changes is running: wait for it, or close it")
    with search_turn(services, caller):
        services.searching[own] = 1
        try:
            yield
        finally:
            del services.searching[own]


async def safely_told(
    lines: AsyncIterator[dict[str, Any]], turn: contextlib.AbstractContextManager[Any]
) -> AsyncIterator[bytes]:
    """The lines as they are sent; what goes wrong on the way is the last of them. Ends the turn,
    which has begun.
    """
    try:
        async for line in lines:
            yield json_line(line)
    except (SearchStopped, ApiError) as error:
        yield json_line({"type": "error", "code": error.code, "message": str(error)})
    except (ConnectionError, TimeoutError, ControlError, sa.exc.DBAPIError, OSError) as error:
        _log.warning("a search broke off", why=str(error))
        message = "a part of the gateway is being restarted: try again"
        yield json_line({"type": "error", "code": "unavailable", "message": message})
    except Exception as error:
        _log.error("a search failed", exc_info=error)
        message = "this failed inside the gateway; the log says why"
        yield json_line({"type": "error", "code": "failed", "message": message})
    finally:
        turn.__exit__(None, None, None)


def not_all_compared(vectors: EveryMachinesVectors) -> dict[str, Any]:
    """The line that says so, before the last one."""
    return {"type": "error", "code": "not_all_compared", "message": vectors.told()}


def _too_many(message: str) -> ApiError:
    return ApiError(429, "too_many_searches", message, {"retry_after_s": _RETRY_S})
