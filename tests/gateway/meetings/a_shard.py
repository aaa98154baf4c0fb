"""A shard's meetings in this process: real rows, real HTTP and WebSockets, real DTLS peers.

A page joins as the API would have it join, says JSON, films and talks; what it was told and sent is
what tests look at.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiortc.rtp import RtpPacket
from pydantic import SecretStr

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.webrtc.advertised import NetworkAddresses
from camera_adapters.webrtc.conference.conference import Conference
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.control.channel import ControlClient, ControlServer
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.across.far import FarMedia
from gateway.meetings.across.links import Links
from gateway.meetings.across.played import PlayedSending, PlayedSites
from gateway.meetings.across.sending import MediaSending
from gateway.meetings.desired import MeetingReader
from gateway.meetings.door import Door
from gateway.meetings.endpoint import MeetingEndpoint
from gateway.meetings.journal import Journal
from gateway.meetings.rooms import Rooms
from gateway.meetings.whip_whep import DeviceEndpoint
from gateway.settings import IceServer
from gateway.shard.web import serve_http
from gateway.tickets import Ticket, TicketSigner
from recorder.rows import LocalRowWriter
from tests.gateway.kept import reader_beside
from tests.gateway.meetings.a_county import Rows
from tests.peers.meeting_site import OPUS, MeetingSite, Sending

NAME = "shard-1"
ICE_SERVERS = [IceServer(urls=["turns:turn.example:443"], secret=SecretStr("word"))]
_SIZES = {"": (1280, 720), "l": (320, 176), "m": (640, 352), "h": (1280, 720)}
_PICTURE_S = 0.02
_numbers = itertools.count(1)


def parameter_sets(width: int, height: int) -> tuple[bytes, bytes]:
    """Of Baseline pictures of this size, both multiples of 16 (H.264 §7.3.2.1)."""
    fields = "".join(map(_exp_golomb, (0, 0, 2, 1))) + "0"
    fields += _exp_golomb(width // 16 - 1) + _exp_golomb(height // 16 - 1) + "11" + "00" + "1"
    fields += "0" * (-len(fields) % 8)
    sps = b"\x67\x42\xe0\x1f" + int(fields, 2).to_bytes(len(fields) // 8, "big")
    return sps, b"\x68\xce\x3c\x80"


def _exp_golomb(value: int) -> str:
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def picture(mark: bytes, *, keyframe: bool, rid: str = "") -> list[bytes]:
    """H.264 payloads; the slice bears ``mark``, four bytes by which it is known again."""
    assert len(mark) == 4
    slice_ = bytes((0x65 if keyframe else 0x41, 0x88)) + mark + bytes(40)
    return [*parameter_sets(*_SIZES[rid]), slice_] if keyframe else [slice_]


def marks(packets: list[RtpPacket]) -> set[bytes]:
    """By which pictures and sounds it is known whose they are."""
    found = set()
    for one in packets:
        payload = one.payload
        if one.payload_type == OPUS:
            found.add(payload[1:5])
        elif payload and payload[0] & 31 in (1, 5):
            found.add(payload[2:6])
    return found


class Page:
    """One browser: ``told`` are the messages it got, ``site`` is its media."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, mark: bytes, site: MeetingSite):
        self.site = site
        self.mark = mark
        self.told: list[dict[str, Any]] = []
        self.closed = False
        self.sent = 0
        self._socket = socket
        self._changed = asyncio.Event()
        self._tasks = [asyncio.create_task(self._listen())]

    async def say(self, **message: Any) -> None:
        await self._socket.send_str(json.dumps(message))

    async def say_text(self, text: str) -> None:
        await self._socket.send_str(text)

    async def until(self, condition: Callable[[], bool], limit_s: float = 30) -> None:
        """Wait for something to become true by what it is told."""
        async with asyncio.timeout(limit_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def hears(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The newest message of this type with these fields, when it is here."""

        def found() -> list[dict[str, Any]]:
            return [
                one for one in self.told
                if one["type"] == kind and all(one.get(key) == fields[key] for key in fields)
            ]  # fmt: skip

        await self.until(lambda: bool(found()))
        return found()[-1]

    def newest(self, kind: str) -> dict[str, Any] | None:
        return next((one for one in reversed(self.told) if one["type"] == kind), None)

    async def connect(self, **device: bool) -> None:
        """Offer, and have media; film and talk if the device says so."""
        await self.say(
            type="offer", sdp=self.site.offer, sends={"mic": "microphone", "cam": "camera"}
        )
        answer = await self.hears("answer")
        await self.site.connect(answer["sdp"])
        if device:
            await self.say(type="device", **device)
        if device.get("camera"):
            self.film()
        if device.get("microphone"):
            self.talk()

    async def look(self, *tiles: tuple[str, str | None], height_px: int = 180) -> None:
        """Show these participants in these slots."""
        await self.say(
            type="view",
            tiles=[
                {"slot": slot, "participant_id": who, "kind": "camera", "height_px": height_px}
                for slot, who in tiles
            ],
        )

    def film(self, rid: str = "") -> None:
        """Send pictures for ever, whatever anybody says."""
        camera = self.site.camera(rid)

        async def run() -> None:
            for number in itertools.count():
                camera.send(*picture(self.mark, keyframe=number % 5 == 0, rid=rid), ticks=1800)
                self._note_sent()
                await asyncio.sleep(_PICTURE_S)

        self._tasks.append(asyncio.create_task(run()))

    def talk(self, level: int = 20) -> None:
        """Send a loud voice for ever, whatever anybody says."""
        microphone = self.site.microphone()

        async def run() -> None:
            while True:
                microphone.send(b"\x78" + self.mark, ticks=960, level=level | 0x80)
                self._note_sent()
                await asyncio.sleep(_PICTURE_S)

        self._tasks.append(asyncio.create_task(run()))

    def shoot(self, camera: Sending, payloads: list[bytes]) -> None:
        """Send the same keyframe for ever from another camera."""

        async def run() -> None:
            while True:
                camera.send(*payloads, ticks=1800)
                await asyncio.sleep(_PICTURE_S)

        self._tasks.append(asyncio.create_task(run()))

    async def sends(self, count: int) -> None:
        """Wait until it has sent so many more pictures and sounds."""
        wanted = self.sent + count
        await self.until(lambda: self.sent >= wanted)

    def _note_sent(self) -> None:
        self.sent += 1
        self._changed.set()

    async def sees(self, other: Page, slot: str) -> None:
        """Wait for a picture of the other in a slot."""
        await self.site.until(lambda: other.mark in marks(self.site.in_slot(slot)), 30)

    async def listens_to(self, other: Page) -> None:
        """Wait for the other's voice in any slot."""
        await self.site.until(lambda: other.mark in marks(self.sounds()), 30)

    def sounds(self) -> list[RtpPacket]:
        return [one for mid in self.site.slots if mid[0] == "a" for one in self.site.in_slot(mid)]

    def pictures(self) -> list[RtpPacket]:
        return [one for mid in self.site.slots if mid[0] == "v" for one in self.site.in_slot(mid)]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()
        with contextlib.suppress(AttributeError):
            self.site.close()

    async def _listen(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.told.append(json.loads(message.data))
                self._changed.set()
        self.closed = True
        self._changed.set()


@dataclass
class Shard:
    """See the module."""

    rows: Rows
    rooms: Rooms
    output: WebRtcOutput
    conference: Conference
    signer: TicketSigner
    http: aiohttp.ClientSession
    base: str
    refused: list[str]
    name: str = NAME
    sending: MediaSending | None = None
    media: FarMedia | None = None
    links: Links | None = None
    played: PlayedSites | None = None
    server: ControlServer | None = None
    pages: list[Page] = field(default_factory=list)

    def write(self, operation: str, meeting_id: str, **arguments: Any) -> Any:
        return self.rows.write(f"meetings.{operation}", meeting_id=meeting_id, **arguments)

    async def command(self, operation: str, meeting_id: str, **arguments: Any) -> Any:
        """What the API does when the chair commands: rows first, then the shard is told."""
        result = self.write(operation, meeting_id, **arguments)
        await self.rooms.reconcile()
        return result

    async def running(self, *villages: str, **columns: Any) -> tuple[str, list[str]]:
        """A meeting that runs, and the ids of the villages in it."""
        meeting_id = self.rows.called(**columns)
        ids = self.rows.invite(meeting_id, *villages)
        await self.command("start", meeting_id, shard=NAME)
        return meeting_id, ids

    def ticket(
        self,
        meeting_id: str,
        participant_id: str,
        changed: dict[str, Any] | None = None,
        **seats: Any,
    ) -> str:
        """Join, as the API does it, and get a ticket."""
        session_id = f"ses_{next(_numbers)}"
        user_id = self.rows.users["clerk"]
        self.rows.write(
            "meetings.join", meeting_id=meeting_id, participant_id=participant_id,
            session_id=session_id, records=[],
            viewing={
                "user_id": user_id, "token_hash": None, "action": "meeting", "camera_ids": [],
            },
            **seats,
        )  # fmt: skip
        given = {
            "session_id": session_id, "user_id": user_id, "user_name": "clerk", "camera_ids": (),
            "variant": "main", "action": "meeting", "start_us": None, "end_us": None,
            "expires_us": now_us() + 30 * US_PER_S, "may_lift_masks": False,
            "meeting_id": meeting_id, "participant_id": participant_id,
            **(changed or {}),
        }  # fmt: skip
        return self.signer.sign(Ticket(**given))

    async def knock(
        self, ticket: str, site: MeetingSite | None = None, address: str = "127.0.0.1"
    ) -> Page:
        """A page with this ticket, whatever it opens, that asks from ``address``."""
        socket = await self.http.ws_connect(
            f"{self.base}/meeting", params={"ticket": ticket}, headers={"X-Forwarded-For": address}
        )
        mark = b"%04d" % next(_numbers)
        page = Page(socket, mark, site or MeetingSite(video_slots=3, sound_slots=3))
        self.pages.append(page)
        return page

    async def join(
        self, meeting_id: str, participant_id: str, site: MeetingSite | None = None, **device: bool
    ) -> Page:
        """A page that is in the meeting, with media."""
        page = await self.knock(self.ticket(meeting_id, participant_id), site)
        await page.hears("room")
        await page.connect(**device)
        return page

    async def written(self, condition: Callable[[], bool]) -> None:
        """Wait until the rows say so: the room writes behind the event loop."""
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


async def _reach_others(
    shard: Shard, sockets: Path, clock_us: Callable[[], int]
) -> Callable[[], Awaitable[None]]:
    """Answer the other shards of this folder, and link to them where meetings want it; gives what
    closes the channels to them.
    """
    clients: dict[tuple[str, str], ControlClient] = {}

    def peer(kind: str) -> Callable[[str], ControlClient]:
        def to(name: str) -> ControlClient:
            path = sockets / f"{name}.sock"
            return clients.setdefault(
                (kind, name), ControlClient(path, bytes(32), connect_timeout_s=0.5)
            )

        return to

    shard.sending = MediaSending(shard.rooms)
    shard.media = FarMedia(shard.name, peer("media"), shard.output.wheel, clock_us)
    shard.links = Links(shard.name, shard.rooms, shard.media, peer("links"))
    shard.played = PlayedSites(shard.rooms, shard.media, shard.output)
    playing = PlayedSending(shard.rooms)
    calls = {**shard.sending.calls(), **shard.links.calls(), **playing.calls()}
    shard.server = ControlServer(sockets / f"{shard.name}.sock", bytes(32), calls)
    await shard.server.start()

    async def close() -> None:
        await asyncio.gather(*(one.close() for one in clients.values()))

    return close


@contextlib.asynccontextmanager
async def a_shard(
    rows: Rows,
    networks: Sequence[NetworkAddresses] = (),
    name: str = NAME,
    sockets: Path | None = None,
) -> AsyncIterator[Shard]:
    """A shard for the meetings of these rows; with ``sockets``, where others of them answer."""
    reader = reader_beside(rows.engine)
    writer = LocalRowWriter(rows.engine)
    output = WebRtcOutput.open(networks=networks)
    clock = SteadyClock()
    conference = Conference(output.mux, output.identity, output.wheel, output.scratch, clock.now_us)
    meetings = MeetingReader(reader, name)
    rooms = Rooms(meetings, Journal(writer), name, clock.now_us)
    signer, refused = TicketSigner(bytes(32)), list[str]()
    door = Door(signer, rooms, meetings, refused.append)
    routes = [*MeetingEndpoint(door, conference).routes()]
    routes += DeviceEndpoint(door, conference, writer, ICE_SERVERS).routes()
    task = asyncio.create_task(rooms.run())
    async with serve_http(name, routes) as port, aiohttp.ClientSession() as http:
        base = f"http://127.0.0.1:{port}/s/{name}"
        shard = Shard(rows, rooms, output, conference, signer, http, base, refused, name)
        close_clients: Callable[[], Awaitable[None]] | None = None
        if sockets is not None:
            close_clients = await _reach_others(shard, sockets, clock.now_us)
        try:
            yield shard
        finally:
            for page in shard.pages:
                await page.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if shard.links is not None:
                await shard.links.close()
            if shard.played is not None:
                await shard.played.close()
            await rooms.close()
            if close_clients is not None:
                await close_clients()
            if shard.server is not None:
                await shard.server.close()
            conference.close()
            output.close()
            await reader.dispose()
            writer.close()
