"""A search while it runs: it ends when its right goes, and when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.services import Services
from gateway.database.stoppable import run_stoppable
from gateway.identifiers import now_us
from gateway.investigations.requests import find_request, in_force, is_member
from gateway.people.authorize import Principal
from gateway.people.roles import Right

Result = TypeVar("Result")


class SearchStopped(Exception):
    """``code``: ``revoked``, ``sign_in_required``, ``request_not_usable``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Still = Callable[[AsyncConnection, Principal], Awaitable[bool]]
"""Whether what a search needs beside rights (a request that was approved) is there still."""

_ASK_AGAIN_S = 1.0


class Watch:
    """Told of the caller's rights by :mod:`gateway.api.withdrawal`; asks ``still`` by itself."""

    def __init__(
        self, services: Services, principal: Principal, still: Still | None = None
    ) -> None:
        self.principal = principal
        self._services = services
        self._still = still
        self._asked_at = -math.inf
        self._held = _held(principal)
        self._stopped = asyncio.Event()
        self._why: SearchStopped | None = None

    def take_principal(self, principal: Principal | None) -> None:
        """See :class:`gateway.api.services.Listener`."""
        if principal is None:
            self._stop(SearchStopped("sign_in_required", "your sign-in has ended"))
            return
        self.principal = principal
        if _held(principal) != self._held:
            self._stop(SearchStopped("revoked", "your rights were changed: search again"))

    def check(self) -> None:
        """Raises SearchStopped."""
        if self._why is not None:
            raise self._why

    async def going_on(self) -> None:
        """To be asked before each line, however slowly they are taken. Raises SearchStopped."""
        self.check()
        now = asyncio.get_running_loop().time()
        if self._still is None or now < self._asked_at + _ASK_AGAIN_S:
            return
        async with self._services.reader.connect() as connection:
            if not await self._still(connection, self.principal):
                self._stop(
                    SearchStopped("request_not_usable", "its request is not in force any more")
                )
        self._asked_at = now
        self.check()

    async def read(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        """A query of the search, in turn with those of others; stopped with it. Raises
        SearchStopped.
        """
        await self.going_on()
        async with self._services.search_turns:
            reading = asyncio.ensure_future(run_stoppable(self._services.reader, work))
            stopping = asyncio.ensure_future(self._stopped.wait())
            try:
                await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                self.check()
                return reading.result()
            finally:
                reading.cancel()
                stopping.cancel()
                await asyncio.gather(reading, stopping, return_exceptions=True)

    def _stop(self, why: SearchStopped) -> None:
        self._why = self._why or why
        self._stopped.set()


@contextlib.contextmanager
def watched(
    services: Services, principal: Principal, still: Still | None = None
) -> Iterator[Watch]:
    """A search of this person, while it runs, and while ``still`` says so."""
    watch = Watch(services, principal, still)
    services.audience.add(watch)
    try:
        yield watch
    finally:
        services.audience.discard(watch)


def usable_still(request_id: str) -> Still:
    """While a request is in force and who searches works on its case."""

    async def still(connection: AsyncConnection, principal: Principal) -> bool:
        request = await find_request(connection, principal, request_id)
        return (
            request is not None
            and in_force(request, now_us())
            and await is_member(connection, principal, request.case_id)
        )

    return still


def _held(principal: Principal) -> tuple[tuple[str, ...], ...]:
    at_us = now_us()
    rights = (Right.SEARCH, Right.LIFT_MASKS, Right.PLAYBACK)
    return tuple(tuple(principal.areas_with(one, at_us)) for one in rights)
