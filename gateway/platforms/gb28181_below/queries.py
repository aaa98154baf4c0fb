"""Questions to devices whose answer is a document of its own, matched by command and serial number
(GB/T 28181-2016 §9.4–9.7, Annex N). At most 16 of one platform are open at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from camera_adapters.gb28181.envelope import Envelope
from gateway.platforms.operations import DeviceRefused

ANSWER_TIMEOUT_S = 10.0
OPEN_LIMIT = 16

Key = tuple[str, str, int]
Send = Callable[[int], Awaitable[None]]


class Assembly(Protocol):
    """Pages that come one by one; see :class:`camera_adapters.gb28181.catalog_assembly`."""

    def deadline_s(self) -> float:
        """When it is over if nothing more comes."""

    def is_over(self, now_s: float) -> bool:
        """Whether nothing more is awaited."""


class Queries:
    """All that are open. ``send`` of each call is given the serial number, and sends the question;
    what it raises ends the query.
    """

    def __init__(self) -> None:
        # The field has no limit, but devices keep it in 16 bits or more.
        self._numbers = itertools.cycle(range(1, 65_536))
        self._open: dict[Key, Callable[[Envelope], None]] = {}
        self._per_platform: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def next_number(self) -> int:
        """A serial number."""
        return next(self._numbers)

    def deliver(self, platform_id: str, envelope: Envelope) -> bool:
        """Hand over a Response; False when nobody asked for it."""
        take = self._open.get((platform_id, envelope.command.lower(), envelope.serial_number))
        if take is None:
            return False
        take(envelope)
        return True

    async def ask(self, platform_id: str, command: str, send: Send) -> Envelope:
        """The one document that answers. Raises DeviceRefused ``timed_out`` or ``busy``."""
        number = self.next_number()
        answer: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()

        def take(envelope: Envelope) -> None:
            if not answer.done():
                answer.set_result(envelope)

        with self._opened(platform_id, command, number, take):
            await send(number)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    return await answer
            except TimeoutError:
                raise _silent(command) from None

    async def collect(
        self,
        platform_id: str,
        command: str,
        number: int,
        assembly: Assembly,
        take: Callable[[Envelope], None],
        send: Send,
    ) -> None:
        """Pages until the assembly is over. Raises DeviceRefused ``timed_out`` when none came."""
        came = 0
        page = asyncio.Event()

        def count(envelope: Envelope) -> None:
            nonlocal came
            came += 1
            take(envelope)
            page.set()

        loop = asyncio.get_running_loop()
        with self._opened(platform_id, command, number, count):
            await send(number)
            while not assembly.is_over(loop.time()):
                # A page moves the deadline: the last one to sooner.
                page.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(assembly.deadline_s()):
                        await page.wait()
        if not came:
            raise _silent(command)

    @contextlib.contextmanager
    def _opened(
        self, platform_id: str, command: str, number: int, take: Callable[[Envelope], None]
    ) -> Iterator[None]:
        if self._per_platform[platform_id] >= OPEN_LIMIT:
            raise DeviceRefused("busy", f"{OPEN_LIMIT} questions to this device are still open")
        key = (platform_id, command.lower(), number)
        self._open[key] = take
        self._per_platform[platform_id] += 1
        try:
            yield
        finally:
            del self._open[key]
            self._per_platform[platform_id] -= 1
            if not self._per_platform[platform_id]:
                del self._per_platform[platform_id]


def _silent(command: str) -> DeviceRefused:
    return DeviceRefused(
        "timed_out", f"the device took the question ({command}) and never answered it"
    )
