"""One authenticated connection of the control channel, as both sides use it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Self, cast

import structlog

from gateway.control.address import watch_for_silence
from gateway.control.frames import (
    FRAME_BYTES_LIMIT,
    FrameDecoder,
    FrameError,
    Kind,
    Message,
    check_message,
    encode,
)
from gateway.control.handshake import ClientHandshake, ServerHandshake

_log = structlog.get_logger(__name__)

HANDSHAKE_TIMEOUT_S = 10.0
# How many items one side of a stream may send before the other has taken some.
WINDOW_ITEMS = 64


class Link(asyncio.Protocol):
    """Frames in, frames out, over one connection. ``on_message`` sees nothing unauthenticated."""

    def __init__(
        self,
        handshake: ServerHandshake | ClientHandshake,
        on_message: Callable[[Link, Message], None],
        on_lost: Callable[[Link], None],
    ) -> None:
        self._handshake = handshake
        self._on_message = on_message
        self._on_lost = on_lost
        self._decoder = FrameDecoder()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._deadline: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        # Nobody awaits a server's side; its failure is logged where it happens.
        self.ready.add_done_callback(lambda future: future.cancelled() or future.exception())
        self.flows: dict[int, Flow] = {}

    @property
    def open(self) -> bool:
        """Whether messages can be sent now."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self._handshake.done
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            watch_for_silence(connection)
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE_TIMEOUT_S, self._too_late)
        if self._handshake.greeting:
            self._transport.write(self._handshake.greeting)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._decoder.feed(data):
                if self._handshake.done:
                    check_message(message)
                    self._on_message(self, message)
                else:
                    self._advance_handshake(message)
                if self._transport is None or self._transport.is_closing():
                    return
        except FrameError as error:
            _log.warning("control connection closed", reason=str(error))
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        if self._deadline is not None:
            self._deadline.cancel()
        lost = ConnectionError("the control connection was lost")
        if not self.ready.done():
            self.ready.set_exception(lost)
        flows, self.flows = self.flows, {}
        for flow in flows.values():
            flow.fail(lost)
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def send(self, message: Message) -> None:
        """Queue a message. On a lost connection it is dropped: connection_lost tells everybody.

        Raises FrameError or TypeError when it cannot be encoded.
        """
        frame = encode(message)
        if self._transport is not None:
            self._transport.write(frame)

    async def drained(self) -> None:
        """Wait while the peer is not reading."""
        await self._writable.wait()

    def close(self) -> None:
        """Close; what was queued is still sent."""
        if self._transport is not None:
            self._transport.close()

    def _advance_handshake(self, message: Message) -> None:
        answer = self._handshake.receive(message)
        if self._handshake.done:
            self._decoder.limit = FRAME_BYTES_LIMIT
            if self._deadline is not None:
                self._deadline.cancel()
            if not self.ready.done():
                self.ready.set_result(None)
        if answer and self._transport is not None:
            self._transport.write(answer)

    def _too_late(self) -> None:
        self._fail(FrameError("no handshake in time"))

    def _fail(self, error: Exception) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(str(error)))
        if self._transport is not None:
            self._transport.abort()


class Flow:
    """One side of an open stream: iterate for what the other sends, :meth:`send` the other way.

    Each direction has a window of :data:`WINDOW_ITEMS`; a slow reader makes the sender wait, and
    only that stream's.
    """

    __slots__ = (
        "_consumed",
        "_credit",
        "_ended",
        "_failure",
        "_id",
        "_inbox",
        "_link",
        "_over",
        "_readable",
        "_sendable",
    )

    def __init__(self, link: Link, identifier: int) -> None:
        self._link = link
        self._id = identifier
        self._inbox: deque[Any] = deque()
        self._ended = False
        self._over = False
        self._failure: Exception | None = None
        self._consumed = 0
        self._credit = WINDOW_ITEMS
        self._readable = asyncio.Event()
        self._sendable = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._inbox:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise StopAsyncIteration
            self._readable.clear()
            await self._readable.wait()
        item = self._inbox.popleft()
        self._consumed += 1
        if self._consumed >= WINDOW_ITEMS // 2 and not self._ended:
            self._link.send([Kind.CREDIT, self._id, self._consumed])
            self._consumed = 0
        return item

    async def send(self, item: Any) -> None:
        """Send one item; waits for room. Raises what ended the stream."""
        while self._credit <= 0 and self._failure is None and not self._over:
            self._sendable.clear()
            await self._sendable.wait()
        if self._failure is not None:
            raise self._failure
        if self._over:
            raise ConnectionError("the stream is over")
        self._credit -= 1
        self._link.send([Kind.ITEM, self._id, item])
        await self._link.drained()

    def end(self) -> None:
        """Say that no more items come from this side."""
        if self._failure is None and not self._over:
            self._link.send([Kind.END, self._id])

    def take(self, item: Any) -> None:
        """An item came. Raises FrameError when the peer ignores the window."""
        if len(self._inbox) >= WINDOW_ITEMS:
            raise FrameError("the peer sends more items than its window")
        self._inbox.append(item)
        self._readable.set()

    def take_credit(self, items: int) -> None:
        """The peer took items."""
        self._credit = min(WINDOW_ITEMS, self._credit + items)
        self._sendable.set()

    def take_end(self) -> None:
        """The peer sends no more."""
        self._ended = True
        self._readable.set()

    def finish(self) -> None:
        """The handler has returned: nothing more goes either way."""
        self._ended = self._over = True
        self._readable.set()
        self._sendable.set()

    def fail(self, failure: Exception) -> None:
        """Both directions are over; what already came can still be read."""
        self._failure = failure
        self._readable.set()
        self._sendable.set()
