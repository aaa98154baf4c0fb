"""Looking for devices: multicast on chosen interfaces, and every address of given ranges.

Villages are subnets of their own, where no multicast reaches: each address is asked by a unicast
probe (UDP 3702) and by HTTP on a few ports. Never with a password, never faster than asked for,
and results come as they are found.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import aiohttp
import structlog

from camera_adapters.onvif import device, discovery
from camera_adapters.onvif.addresses import DEVICE_SERVICE_PATH, addresses_in, count_addresses
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.device import DeviceInformation
from camera_adapters.onvif.discovery import MULTICAST_ADDRESS, PORT, TYPES, Match
from camera_adapters.onvif.exchange import OnvifError, OnvifFault, is_secure_port

_log = structlog.get_logger(__name__)

PORTS_LIMIT = 16
RATE_LIMIT = 2000
_MULTICAST_WAIT_S = 4.0
_MULTICAST_ROUNDS = 2
# A datagram may be lost: who has not answered the first is asked once more.
_PROBE_ROUNDS_S = (0.5, 1.5)
_CONNECT_S = 2.0
# Where something listens it may be slow: some cameras think for seconds about each answer.
_HTTP_ANSWER_S = 6.0
_AT_ONCE = 256
_PROGRESS_EVERY = 32
_FOUND_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class FoundDevice:
    """A device. ``how``: ``multicast``, ``probe`` (unicast), ``http``. ``port`` is of its ONVIF
    service. Manufacturer and model are empty where it tells them to nobody without a password.
    """

    host: str
    port: int
    how: str
    secure: bool = False
    path: str = DEVICE_SERVICE_PATH
    endpoint: str = ""
    name: str = ""
    hardware: str = ""
    location: str = ""
    information: DeviceInformation = field(default_factory=DeviceInformation)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is; ``addresses`` of ``of_addresses`` were asked."""

    addresses: int
    of_addresses: int
    found: int


class _Answers(asyncio.DatagramProtocol):
    """Takes datagrams on one socket; who waits for a host's answer is woken by it."""

    def __init__(self) -> None:
        self.matches: dict[str, Match] = {}
        self.news: asyncio.Queue[str] = asyncio.Queue(_FOUND_LIMIT)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        host = address[0]
        if host in self.matches or len(self.matches) >= _FOUND_LIMIT:
            return
        for match in discovery.parse_matches(data)[:1]:
            self.matches[host] = match
            with contextlib.suppress(asyncio.QueueFull):
                self.news.put_nowait(host)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: an answer of a kind."""


async def search(
    session: aiohttp.ClientSession,
    *,
    interfaces: Sequence[str] = (),
    ranges: Sequence[str] = (),
    ports: Sequence[int] = (80,),
    rate: float = 50.0,
) -> AsyncGenerator[FoundDevice | Progress, None]:
    """Search until everything was asked; close the iterator to end it before.

    ``interfaces`` are names or addresses of ours; ``rate`` is addresses a second. Each device is
    told once. Raises ValueError, with a message that says what to do, for what cannot be searched.
    """
    total = count_addresses(ranges)
    if len(ports) > PORTS_LIMIT:
        raise ValueError(f"at most {PORTS_LIMIT} ports can be tried at each address")
    sockets = [_multicast_socket(one) for one in interfaces]
    found: asyncio.Queue[FoundDevice | Progress | None] = asyncio.Queue(1000)
    counts = _Counts(total)
    tasks: set[asyncio.Task[None]] = set()
    async with contextlib.AsyncExitStack() as stack:
        for one in sockets:
            answers = await _listen(stack, one)
            tasks.add(asyncio.create_task(_search_multicast(one, answers, found, counts)))
        if total:
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.setblocking(False)
            answers = await _listen(stack, udp)
            asked = _search_ranges(
                session, udp, answers, ranges, tuple(ports), min(rate, RATE_LIMIT), found, counts
            )
            tasks.add(asyncio.create_task(asked))
        ending = asyncio.create_task(_end(tasks, found))
        try:
            while (news := await found.get()) is not None:
                yield news
            yield counts.progress
            for task in tasks:
                task.result()
        finally:
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)


@dataclass
class _Counts:
    total: int
    asked: int = 0
    told: set[str] = field(default_factory=set)

    @property
    def progress(self) -> Progress:
        return Progress(self.asked, self.total, len(self.told))

    def is_new(self, host: str) -> bool:
        if host in self.told or len(self.told) >= _FOUND_LIMIT:
            return False
        self.told.add(host)
        return True


async def _end(
    tasks: set[asyncio.Task[None]], found: asyncio.Queue[FoundDevice | Progress | None]
) -> None:
    if tasks:
        await asyncio.wait(tasks)
    await found.put(None)


async def _listen(stack: contextlib.AsyncExitStack, udp: socket.socket) -> _Answers:
    loop = asyncio.get_running_loop()
    transport, answers = await loop.create_datagram_endpoint(_Answers, sock=udp)
    stack.callback(transport.close)
    return answers


def _multicast_socket(interface: str) -> socket.socket:
    """A socket that sends to the group through one interface, by its name or our address on it."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        try:
            membership = socket.inet_aton(interface)
            udp.bind((interface, 0))
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, membership)
        except OSError:
            index = socket.if_nametoindex(interface)
            # struct ip_mreqn: group, our address, index of the interface.
            choice = struct.pack("=4s4si", bytes(4), bytes(4), index)
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, choice)
            udp.bind(("", 0))
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    except OSError:
        udp.close()
        names = ", ".join(name for _, name in socket.if_nameindex())
        raise ValueError(
            f"there is no network interface {interface!r} here; there are: {names}"
        ) from None
    return udp


async def _search_multicast(
    udp: socket.socket,
    answers: _Answers,
    found: asyncio.Queue[FoundDevice | Progress | None],
    counts: _Counts,
) -> None:
    async def tell() -> None:
        while True:
            host = await answers.news.get()
            if counts.is_new(host):
                await found.put(_of_match(answers.matches[host], host, "multicast"))

    telling = asyncio.create_task(tell())
    try:
        for _ in range(_MULTICAST_ROUNDS):
            for types in TYPES:
                with contextlib.suppress(OSError):
                    udp.sendto(_probe(types), (MULTICAST_ADDRESS, PORT))
            await asyncio.sleep(_MULTICAST_WAIT_S / _MULTICAST_ROUNDS)
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _search_ranges(
    session: aiohttp.ClientSession,
    udp: socket.socket,
    answers: _Answers,
    ranges: Sequence[str],
    ports: tuple[int, ...],
    rate: float,
    found: asyncio.Queue[FoundDevice | Progress | None],
    counts: _Counts,
) -> None:
    loop = asyncio.get_running_loop()
    free = asyncio.Semaphore(_AT_ONCE)
    running: set[asyncio.Task[None]] = set()

    async def ask(host: str) -> None:
        try:
            device_found = await _ask_address(session, udp, answers, host, ports)
            counts.asked += 1
            if device_found is not None and counts.is_new(host):
                await found.put(device_found)
            if counts.asked % _PROGRESS_EVERY == 0:
                await found.put(counts.progress)
        finally:
            free.release()

    due = loop.time()
    try:
        for host in addresses_in(ranges):
            await free.acquire()
            await asyncio.sleep(max(0.0, due - loop.time()))
            due = max(due + 1 / rate, loop.time() - 1.0)
            task = loop.create_task(ask(host))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
    finally:
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _ask_address(
    session: aiohttp.ClientSession,
    udp: socket.socket,
    answers: _Answers,
    host: str,
    ports: tuple[int, ...],
) -> FoundDevice | None:
    by_port = [asyncio.create_task(_ask_port(session, host, port)) for port in ports]
    waiting = asyncio.create_task(_probe_address(udp, answers, host))
    try:
        await asyncio.wait([waiting, *by_port])
    finally:
        for task in (*by_port, waiting):
            task.cancel()
    match = answers.matches.get(host)
    known = _of_match(match, host, "probe") if match is not None else None
    spoken = [one for task in by_port if not task.cancelled() and (one := task.result())]
    if known is None:
        return spoken[0] if spoken else None
    same = next((one for one in spoken if one.port == known.port), None)
    if same is not None:
        return FoundDevice(
            host,
            known.port,
            "probe",
            known.secure,
            known.path,
            known.endpoint,
            known.name,
            known.hardware,
            known.location,
            same.information,
        )
    # Behind NAT it tells an inner port, which does not lead to it.
    return spoken[0] if spoken else known


async def _probe_address(udp: socket.socket, answers: _Answers, host: str) -> None:
    for wait_s in _PROBE_ROUNDS_S:
        if host in answers.matches:
            return
        for types in TYPES:
            with contextlib.suppress(OSError):
                udp.sendto(_probe(types), (host, PORT))
        await asyncio.sleep(wait_s)


async def _ask_port(session: aiohttp.ClientSession, host: str, port: int) -> FoundDevice | None:
    """Does ONVIF answer there? Asked without a password, so that nothing is ever locked."""
    client = OnvifClient(session, host, port, secure=is_secure_port(port))
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
        await client.read_clock()
    except (OnvifError, OSError):
        return None
    if client.time is None:
        # Something wants a password here; whether it is ONVIF is told by what it says then.
        try:
            await client.call(device.get_device_information(), timeout_s=_HTTP_ANSWER_S)
        except OnvifError as error:
            if error.code is not OnvifFault.REFUSED or error.fault is None:
                return None
        return FoundDevice(host, client.port, "http", client.secure)
    try:
        answer = await client.call(device.get_device_information(), timeout_s=_HTTP_ANSWER_S)
        information = device.parse_device_information(answer)
    except OnvifError:
        information = DeviceInformation()
    return FoundDevice(host, client.port, "http", client.secure, information=information)


def _of_match(match: Match, host: str, how: str) -> FoundDevice:
    scheme, port, path = match.service_near(host)
    return FoundDevice(
        host,
        port,
        how,
        scheme == "https",
        path,
        match.endpoint,
        match.scopes.name,
        match.scopes.hardware,
        match.scopes.location,
    )


def _probe(types: str) -> bytes:
    return discovery.probe(f"urn:uuid:{uuid.uuid4()}", types)
