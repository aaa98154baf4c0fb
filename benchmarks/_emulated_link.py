"""A network between one UDP port and those who talk to it: losses, bursts, delay, jitter, a rate.

In user space and from a seed: the same datagrams at the same times meet the same fate. One
:class:`Direction` is bookkeeping without a clock of its own; :class:`EmulatedLink` is the proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_CANDIDATE = re.compile(r"(?m)^(a=candidate:\S+ 1 udp \d+) (\S+) (\d+) (typ host)")

_BUFFER_BYTES = 4 * 1024 * 1024
_READS_LIMIT = 64

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Path:
    """One direction of a network.

    ``loss``: which part of the datagrams never arrives; ``burst``: how many in a row are lost on
    average (Gilbert's model), None where each is lost on its own. ``delay_s`` and up to
    ``jitter_s`` more pass until one arrives; none overtakes another. ``rate_bps`` is what leaves,
    with IP and UDP headers; ``queue_bytes`` wait for that, what comes on top is lost.
    """

    loss: float = 0.0
    burst: float | None = None
    delay_s: float = 0.0
    jitter_s: float = 0.0
    rate_bps: int | None = None
    queue_bytes: int = 64 * 1024


_HEADERS_BYTES = 28


class Direction:
    """The fate of each datagram on a path. ``carried``, ``lost`` and ``overflowed`` count them."""

    __slots__ = ("_arrival_s", "_bad", "_cut_until_s", "_free_s", "_path", "_random", "carried",
                 "lost", "overflowed")  # fmt: skip

    def __init__(self, path: Path, seed: int | str) -> None:
        self.carried = self.lost = self.overflowed = 0
        self._path = path
        self._random = random.Random(seed)
        self._bad = False
        self._free_s = self._arrival_s = float("-inf")
        self._cut_until_s = float("-inf")

    def cut(self, until_s: float) -> None:
        """Nothing gets through until then."""
        self._cut_until_s = until_s

    def carry(self, size_bytes: int, now_s: float) -> float | None:
        """When a datagram that is sent now arrives; None: never."""
        path, chance = self._path, self._random
        # Always as many draws: what is cut changes the fate of nothing that comes after.
        moves, noise = chance.random(), chance.random()
        if path.burst is None:
            self._bad = moves < path.loss
        elif self._bad:
            self._bad = moves >= 1 / path.burst
        else:
            self._bad = moves < path.loss / (path.burst * (1 - path.loss))
        if self._bad or now_s < self._cut_until_s:
            self.lost += 1
            return None
        sent_s = now_s
        if path.rate_bps is not None:
            begin_s = max(now_s, self._free_s)
            if (begin_s - now_s) * path.rate_bps / 8 > path.queue_bytes:
                self.overflowed += 1
                return None
            sent_s = self._free_s = begin_s + (size_bytes + _HEADERS_BYTES) * 8 / path.rate_bps
        self.carried += 1
        self._arrival_s = max(self._arrival_s, sent_s + path.delay_s + noise * path.jitter_s)
        return self._arrival_s


class _Pipe:
    """Datagrams on their way in one direction, in order: one timer for all of them."""

    def __init__(self, direction: Direction, deliver: Callable[[bytes], None]) -> None:
        self._direction = direction
        self._deliver = deliver
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, datagram: bytes) -> None:
        arrival_s = self._direction.carry(len(datagram), self._loop.time())
        if arrival_s is not None:
            self._waiting.append((arrival_s, datagram))
            if self._timer is None:
                self._timer = self._loop.call_at(arrival_s, self._due)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()

    def _due(self) -> None:
        now_s = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now_s:
            self._deliver(self._waiting.popleft()[1])
        more = bool(self._waiting)
        self._timer = self._loop.call_at(self._waiting[0][0], self._due) if more else None


class EmulatedLink(asyncio.DatagramProtocol):
    """All who send to ``address`` reach the port ``target`` over ``up``, and its answers reach them
    over ``down``; each has a link of its own. ``async with EmulatedLink(1, target, down=…) as l:``
    """

    def __init__(
        self, seed: int, target: Address, *, down: Path = Path(), up: Path = Path()
    ) -> None:
        self.address: Address = ("", 0)
        self.downs: list[Direction] = []
        self.ups: list[Direction] = []
        self._seed = seed
        self._target = target
        self._paths = down, up
        self._ways: dict[Address, _Way] = {}
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> EmulatedLink:
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.address = self._transport.get_extra_info("sockname")[:2]
        return self

    async def __aexit__(self, *_: object) -> None:
        for way in self._ways.values():
            way.close()
        self._transport.close()

    def through(self, answer: str) -> str:
        """The SDP answer of who listens at the target, with candidates that lead over the link."""
        host, port = self.address
        return _CANDIDATE.sub(rf"\1 {host} {port} \4", answer)

    def cut(self, seconds: float) -> None:
        """Nothing arrives that the target sends from now on, for so long."""
        until_s = asyncio.get_running_loop().time() + seconds
        for direction in self.downs:
            direction.cut(until_s)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """See asyncio."""
        way = self._ways.get(addr)
        if way is None:
            down, up = (
                Direction(path, f"{self._seed}/{len(self._ways)}/{name}")
                for path, name in zip(self._paths, ("down", "up"), strict=True)
            )
            self.downs.append(down)
            self.ups.append(up)
            way = self._ways[addr] = _Way(self._target, self._transport, addr, down, up)
        way.up.put(data)


class _Way:
    """One client's: a socket of its own towards the target, so that the target tells them apart."""

    def __init__(
        self,
        target: Address,
        back: asyncio.DatagramTransport,
        client: Address,
        down: Direction,
        up: Direction,
    ) -> None:
        self.up = _Pipe(up, self._send)
        self._down = _Pipe(down, lambda datagram: back.sendto(datagram, client))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._socket.connect(target)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self.up.close()
        self._down.close()

    def _readable(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(_READS_LIMIT):
                self._down.put(self._socket.recv(2048))

    def _send(self, datagram: bytes) -> None:
        # What has no room is lost, as in every network.
        with contextlib.suppress(OSError):
            self._socket.send(datagram)
