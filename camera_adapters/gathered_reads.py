"""Reading many cameras' sockets in rounds, instead of at every packet.

Cameras that pace their packets wake a loop two hundred times a second each, and a wake-up costs
more than parsing what it brings. So the sockets of playing cameras leave the event loop's own
poller: in rounds of 5 to 40 ms one poll asks which of them have data, and each of those is read
once. The price is at most that much delay; ``benchmarks.ingest`` measures the gain.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)

# Rounds grow with the number of cameras, within these: a few are read almost at once, from eighty
# on each is read about once a picture.
SHORTEST_ROUND_S = 0.005
LONGEST_ROUND_S = 0.04
_ROUND_S_PER_CAMERA = 0.0005
_READ_BYTES = 256 * 1024
# A round longer than this gives the loop a turn in between: live viewers are waiting.
_HOLD_LIMIT_S = 0.004
_CHECK_EVERY = 8

# Reads a socket itself.
Reader = Callable[[], None]
# Takes what was read; b"" means that the peer has closed, or that reading failed.
Taker = Callable[[bytes], None]

_by_loop: dict[asyncio.AbstractEventLoop, GatheredReads] = {}


class GatheredReads:
    """The sockets of one event loop. Get it with :func:`gathered_reads`; it ends with its last."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._takers: dict[int, Taker] = {}
        self._readers: dict[int, Reader] = {}
        self._ready: list[tuple[int, int]] = []
        self._handle: asyncio.Handle | None = None
        self._next_round = 0.0
        self._poll = select.epoll()
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._buffers = [self._buffer]

    def add(self, descriptor: int, taker: Taker) -> None:
        """Read this non-blocking socket from now on; nobody else may."""
        self._takers[descriptor] = taker
        self._register(descriptor)

    def add_reader(self, descriptor: int, reader: Reader) -> None:
        """Call ``reader`` in each round in which this socket has something: for datagrams.

        Its receive buffer must hold what comes in :data:`LONGEST_ROUND_S`.
        """
        self._readers[descriptor] = reader
        self._register(descriptor)

    def remove(self, descriptor: int) -> None:
        """Stop reading it; call this before it is closed. Unknown descriptors are ignored."""
        known = self._takers.pop(descriptor, None) or self._readers.pop(descriptor, None)
        if known is None:
            return
        with contextlib.suppress(OSError):
            self._poll.unregister(descriptor)
        if not self._takers and not self._readers:
            if self._handle is not None:
                self._handle.cancel()
            self._poll.close()
            _by_loop.pop(self._loop, None)

    def _register(self, descriptor: int) -> None:
        self._poll.register(descriptor, select.EPOLLIN)
        if self._handle is None:
            self._handle = self._loop.call_later(SHORTEST_ROUND_S, self._round)

    def _round(self) -> None:
        count = len(self._takers) + len(self._readers)
        began = self._loop.time()
        self._ready = self._poll.poll(0, count)
        round_s = min(max(count * _ROUND_S_PER_CAMERA, SHORTEST_ROUND_S), LONGEST_ROUND_S)
        self._next_round = began + round_s
        self._read_ready()

    def _read_ready(self) -> None:
        """Read what is ready, for a few milliseconds; then the loop has its turn."""
        ready, self._ready = self._ready, []
        takers, readers = self._takers, self._readers
        ends = self._loop.time() + _HOLD_LIMIT_S
        for count, (descriptor, _) in enumerate(ready, 1):
            taker, reader = takers.get(descriptor), readers.get(descriptor)
            try:
                if taker is not None:
                    taker(self._read(descriptor))
                elif reader is not None:
                    reader()
            except BlockingIOError:
                continue
            except Exception:
                _log.exception("a reader of a camera's socket failed")
                self.remove(descriptor)
            if not takers and not readers:
                return
            if count % _CHECK_EVERY == 0 and self._loop.time() > ends:
                self._ready = ready[count:]
                self._handle = self._loop.call_later(0, self._read_ready)
                return
        self._handle = self._loop.call_at(self._next_round, self._round)

    def _read(self, descriptor: int) -> bytes:
        """What has come; b"" at the end. Raises BlockingIOError when nothing has."""
        try:
            return self._buffer[: os.readv(descriptor, self._buffers)].tobytes()
        except BlockingIOError:
            raise
        except OSError:
            return b""


def gathered_reads(loop: asyncio.AbstractEventLoop) -> GatheredReads:
    """The loop's :class:`GatheredReads`, made at the first call."""
    reads = _by_loop.get(loop)
    if reads is None:
        reads = _by_loop[loop] = GatheredReads(loop)
    return reads
