"""An RTSP camera with the habits, and faults, of real ones; each is a field of :class:`Habits`.

It serves made-up H.264 over TCP or UDP from the test's own event loop.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
from dataclasses import dataclass, field

from camera_adapters.http_authentication import digest_response, parse_parameters
from camera_adapters.stream import Codec
from tests.peers.rtp_packets import interleaved, packets_of, pictures


@dataclass(slots=True)
class Habits:
    """What this camera does otherwise than the standard, or than one would wish."""

    control: str | None = "trackID=1"
    content_base: bool = True
    channels: tuple[int, int] | None = None  # other channels than the client asked for
    tcp: bool = True  # False: 461 to interleaved
    silent_by_tcp: bool = False  # accepts interleaved, and sends nothing
    password: str = ""
    algorithm: str = "MD5"  # of Digest; "Basic": no Digest at all
    stale_after: int = 0  # the nonce goes stale after so many requests
    redirect_to: str = ""
    statuses: dict[str, int] = field(default_factory=dict)  # method → status
    answers_cseq: bool = True
    line_end: str = "\r\n"
    description: bytes | None = None
    raw_describe: bytes | None = None  # sent instead of the answer to DESCRIBE
    garbage: bytes = b""  # between two pictures
    pictures: int = 1000
    keyframes: bool = True  # False: it never sends one
    picture_interval_s: float = 0.01
    then: str = "silence"  # after the last picture: silence, close, bye
    session_timeout_s: int = 60
    drops: frozenset[int] = frozenset()  # numbers of UDP packets that never leave
    swaps: bool = False  # every second pair of UDP packets changes places


class MisbehavingCamera:
    """``async with MisbehavingCamera(habits) as camera``; ``camera.url``. ``requests`` is a log."""

    def __init__(self, habits: Habits | None = None) -> None:
        self.habits = habits or Habits()
        self.requests: list[str] = []
        self.connections = 0
        self.authorizations = 0
        self.receiver_reports = 0
        self.url = ""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._nonce = 0

    async def __aenter__(self) -> MisbehavingCamera:
        await self.start()
        return self

    async def __aexit__(self, *details: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; on the same port as before, if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"

    async def stop(self) -> None:
        """Power off: every connection is cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection(self, reader, writer)
        try:
            await connection.run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            await connection.close()
            self._tasks.discard(task)


class _Connection:
    def __init__(
        self, camera: MisbehavingCamera, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.camera, self.habits = camera, camera.habits
        self.reader, self.writer = reader, writer
        self.channels = (0, 1)
        self.udp: tuple[socket.socket, int] | None = None
        self.sender: asyncio.Task[None] | None = None
        self.answered = 0

    async def close(self) -> None:
        if self.sender is not None:
            self.sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await self.sender
        if self.udp is not None:
            self.udp[0].close()
        self.writer.transport.abort()

    async def run(self) -> None:
        while True:
            first = await self.reader.readexactly(1)
            if first == b"$":
                head = await self.reader.readexactly(3)
                body = await self.reader.readexactly(int.from_bytes(head[1:], "big"))
                self.camera.receiver_reports += body[1:2] == b"\xc9"
                continue
            text = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
            method = text.split(" ", 1)[0]
            self.camera.requests.append(method)
            self._answer(method, text)

    def _answer(self, method: str, text: str) -> None:
        habits = self.habits
        if habits.password and not self._authorised(method, text):
            return
        if status := habits.statuses.get(method):
            self._reply(text, status)
        elif method == "DESCRIBE" and habits.redirect_to:
            self._reply(text, 302, [f"Location: {habits.redirect_to}"])
        elif method == "DESCRIBE" and habits.raw_describe is not None:
            self.writer.write(habits.raw_describe)
        elif method == "DESCRIBE":
            base = [f"Content-Base: {self.camera.url}/"] if habits.content_base else []
            self._reply(text, 200, base, self._description())
        elif method == "SETUP":
            self._setup(text)
        elif method == "PLAY":
            self._reply(text, 200, ["Session: 12345678"])
            self.sender = asyncio.create_task(self._send())
        else:
            self._reply(text, 200, ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER"])

    def _description(self) -> bytes:
        if self.habits.description is not None:
            return self.habits.description
        control = f"a=control:{self.habits.control}\r\n" if self.habits.control is not None else ""
        return (
            "v=0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n" + control
        ).encode()

    def _setup(self, text: str) -> None:
        session = f"Session: 12345678;timeout={self.habits.session_timeout_s}"
        if "RTP/AVP/TCP" in text:
            if not self.habits.tcp:
                self._reply(text, 461)
                return
            self.channels = self.habits.channels or (0, 1)
            first, second = self.channels
            transport = f"RTP/AVP/TCP;unicast;interleaved={first}-{second}"
        else:
            port = int(re.search(r"client_port=(\d+)", text)[1])  # type: ignore[index]
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            own.bind(("127.0.0.1", 0))
            self.udp = (own, port)
            number = own.getsockname()[1]
            transport = (
                f"RTP/AVP;unicast;client_port={port}-{port + 1};server_port={number}-{number}"
            )
        self._reply(text, 200, [f"Transport: {transport}", session])

    def _authorised(self, method: str, text: str) -> bool:
        camera, habits = self.camera, self.habits
        if habits.algorithm == "Basic":
            return self._authorised_by_basic(text)
        given = re.search(r"Authorization: Digest (.*)\r\n", text)
        stale = False
        if given:
            camera.authorizations += 1
            fields = parse_parameters(given[1])
            url = text.split(" ")[1]
            expected = digest_response(
                habits.algorithm,
                "user",
                "cam",
                habits.password,
                method,
                url,
                fields["nonce"],
                (fields["nc"], fields["cnonce"]),
            )
            self.answered += 1
            fresh = fields["nonce"] == str(camera._nonce)
            if expected == fields["response"]:
                if fresh and not (habits.stale_after and self.answered > habits.stale_after):
                    return True
                stale, self.answered = True, 0
        camera._nonce += 1
        self._reply(
            text,
            401,
            [
                f'WWW-Authenticate: Digest realm="cam", nonce="{camera._nonce}", qop="auth", '
                f"algorithm={habits.algorithm}" + (", stale=true" if stale else "")
            ],
        )
        return False

    def _authorised_by_basic(self, text: str) -> bool:
        given = re.search(r"Authorization: Basic (\S+)\r\n", text)
        if given:
            self.camera.authorizations += 1
            if base64.b64decode(given[1]).decode() == f"user:{self.habits.password}":
                return True
        self._reply(text, 401, ['WWW-Authenticate: Basic realm="cam"'])
        return False

    def _reply(
        self, text: str, status: int, fields: list[str] | None = None, body: bytes = b""
    ) -> None:
        number = re.search(r"CSeq: (\d+)", text)[1]  # type: ignore[index]
        lines = [f"RTSP/1.0 {status} X", *(fields or [])]
        if self.habits.answers_cseq:
            lines.append(f"CSeq: {number}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        end = self.habits.line_end
        self.writer.write((end.join(lines) + end + end).encode() + body)

    async def _send(self) -> None:
        made = pictures(Codec.H264, self.habits.pictures)
        kept = [one for one in made if self.habits.keyframes or not one.keyframe]
        groups = packets_of(kept, sequence=0)
        sent = 0
        for group in groups:
            if self.udp is None and self.habits.silent_by_tcp:
                return
            if self.udp is None:
                channel = self.channels[0]
                self.writer.write(b"".join(interleaved(one, channel) for one in group))
                self.writer.write(self.habits.garbage)
                await self.writer.drain()
            else:
                own, port = self.udp
                order = group[1::-1] + group[2:] if self.habits.swaps else group
                for one in order:
                    if sent not in self.habits.drops:
                        own.sendto(one, ("127.0.0.1", port))
                    sent += 1
            await asyncio.sleep(self.habits.picture_interval_s)
        if self.habits.then == "close":
            self.writer.close()
        elif self.habits.then == "bye":
            goodbye = b"\x81\xcb\x00\x01\x00\x00\x00\x07"
            self.writer.write(interleaved(goodbye, self.channels[1]))
