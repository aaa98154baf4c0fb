"""Voice to a camera by RTSP: the back channel of ONVIF Streaming §5.3.

A session of its own beside the one that brings the pictures: DESCRIBE, SETUP and PLAY carry
``Require: www.onvif.org/ver20/backchannel``, and RTP goes from us to the camera inside the
connection. G.711 is sent; a camera that takes other sound alone is refused by its name.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
from typing import cast

import structlog

from camera_adapters import sdp
from camera_adapters.http_authentication import Credentials
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.rtp.tracks import NoVideoError, TrackPlan
from camera_adapters.rtsp.client import (
    Described,
    Ended,
    Failed,
    Playing,
    Redirected,
    RtspClient,
    SetUp,
)
from camera_adapters.rtsp.url import CameraUrl
from camera_adapters.stream import Codec

_log = structlog.get_logger(__name__)

REQUIRE = ("Require", "www.onvif.org/ver20/backchannel")
_CONNECT_TIMEOUT_S = 10.0
_WAITING_BYTES_LIMIT = 32 * 1024
_RTP = struct.Struct(">BBHII")
_SAMPLES_PER_PACKET = 160


class BackchannelError(Exception):
    """The camera takes no voice. ``code`` is stable: ``unreachable``, ``refused``,
    ``unsupported``, ``timed_out``; the message says what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def choose_backchannel(session: sdp.SessionDescription) -> list[TrackPlan]:
    """The section that takes our voice. Raises NoVideoError, whose message names what there is."""
    offered: list[str] = []
    best: TrackPlan | None = None
    for media in session.media:
        # ``sendonly`` is the client's direction there (ONVIF Streaming §5.3.1).
        if media.kind != "audio" or media.direction != "sendonly":
            continue
        for one in media.formats:
            offered.append(one.encoding)
            codec = {"PCMA": Codec.PCMA, "PCMU": Codec.PCMU}.get(one.encoding)
            if codec is None or one.clock_rate != 8000:
                continue
            if best is None or (codec is Codec.PCMA and best.codec is not Codec.PCMA):
                best = TrackPlan("audio", codec, one, media.control)
    if best is not None:
        return [best]
    if offered:
        names = ", ".join(sorted(set(offered)))
        raise NoVideoError(f"the camera takes voice as {names}; set it to G.711 (PCMA or PCMU)")
    raise NoVideoError("the camera has no back channel for voice")


class Backchannel(asyncio.Protocol):
    """One open way to a camera's loudspeaker. Make it with :func:`open_backchannel`.

    ``ended`` tells in one line why it is over, once it is.
    """

    def __init__(self, client: RtspClient) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._client = client
        self._loop = loop
        self._clock = SteadyClock()
        self._transport: asyncio.Transport | None = None
        self._channel = 0
        self._keepalive: asyncio.TimerHandle | None = None
        self._codec = Codec.PCMA
        self._payload_type = 8
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)
        self._ssrc = secrets.randbits(32)
        self._rest = b""
        self._began = False

    def send(self, samples: bytes) -> None:
        """Send A-law samples at 8 kHz; those that a slow camera has no room for are dropped."""
        transport = self._transport
        if transport is None or self.ended.done() or not self.ready.done():
            return
        if transport.get_write_buffer_size() > _WAITING_BYTES_LIMIT:
            self._timestamp = self._timestamp + len(samples) & 0xFFFFFFFF
            return
        if self._codec is Codec.PCMU:
            samples = samples.translate(A_LAW_TO_MU_LAW)
        data = self._rest + samples
        whole = len(data) - len(data) % _SAMPLES_PER_PACKET
        for start in range(0, whole, _SAMPLES_PER_PACKET):
            marker = 0 if self._began else 0x80
            self._began = True
            head = _RTP.pack(
                0x80, marker | self._payload_type, self._sequence, self._timestamp, self._ssrc
            )
            payload = head + data[start : start + _SAMPLES_PER_PACKET]
            self._client.send_interleaved(self._channel, payload)
            self._sequence = self._sequence + 1 & 0xFFFF
            self._timestamp = self._timestamp + _SAMPLES_PER_PACKET & 0xFFFFFFFF
        self._rest = data[whole:]
        self._flush()

    def close(self) -> None:
        """Hang up. May be called twice."""
        self._end("hung up")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        # uvloop's transports do not derive from asyncio.Transport.
        self._transport = cast("asyncio.Transport", transport)
        self._client.start()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        try:
            self._client.receive(data, self._clock.now_us())
            for event in self._client.events():
                self._on_event(event)
        except Exception:
            _log.exception("a back channel failed on received bytes")
            self._end("an internal error; see the log")
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._fail("unreachable", "the camera closed the connection")

    def _on_event(self, event: object) -> None:
        match event:
            case Described(plans):
                self._codec = plans[0].codec
                self._payload_type = plans[0].format.payload_type
                self._client.setup()
            case SetUp(transports):
                self._channel = transports[0].rtp_channel
                self._client.play()
            case Playing(keepalive_s):
                if not self.ready.done():
                    self.ready.set_result(None)
                self._keep_alive(keepalive_s)
            case Redirected():
                self._fail("unsupported", "the camera redirects its back channel")
            case Failed(code, line):
                known = {"refused": "refused", "forbidden": "refused"}
                # 551 Option not supported, and cameras that answer it with other errors.
                self._fail(known.get(str(code), "unsupported"), line)
            case Ended():
                self._fail("unreachable", "the camera ended the session")

    def _keep_alive(self, interval_s: float) -> None:
        if self.ended.done():
            return
        self._keepalive = self._loop.call_later(interval_s, self._keep_alive, interval_s)
        self._client.keep_alive()
        self._flush()

    def _flush(self) -> None:
        data = self._client.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _fail(self, code: str, line: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(BackchannelError(code, line))
        self._end(line)

    def _end(self, line: str) -> None:
        if self.ended.done():
            return
        self.ended.set_result(line)
        if not self.ready.done():
            self.ready.cancel()
        if self._keepalive is not None:
            self._keepalive.cancel()
        if self._transport is not None:
            self._client.teardown()
            self._flush()
            self._transport.close()
            self._loop.call_later(2.0, self._transport.abort)


async def open_backchannel(
    url: CameraUrl, credentials: Credentials | None, timeout_s: float = 10.0
) -> Backchannel:
    """Connect, negotiate, and wait until the camera takes voice. Raises BackchannelError."""
    client = RtspClient(
        url.request_url,
        credentials,
        tcp=True,
        describe_headers=(REQUIRE,),
        setup_headers=(REQUIRE,),
        play_headers=(REQUIRE,),
        choose=choose_backchannel,
    )
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, channel = await loop.create_connection(
                lambda: Backchannel(client), url.host, url.port
            )
    except socket.gaierror:
        raise BackchannelError("unreachable", f"the name {url.host} does not resolve") from None
    except TimeoutError:
        raise BackchannelError("unreachable", f"{url.host} does not answer") from None
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        raise BackchannelError(
            "unreachable", f"{url.host} cannot be reached ({name or error})"
        ) from None
    try:
        async with asyncio.timeout(timeout_s):
            await channel.ready
    except TimeoutError:
        channel.close()
        raise BackchannelError(
            "timed_out", "the camera does not answer for its back channel"
        ) from None
    except BaseException:
        channel.close()
        raise
    return channel


def _a_law_to_linear(value: int) -> int:
    """ITU-T G.711 §3.1: 13 bits, here scaled to 16."""
    value ^= 0x55
    magnitude = (value & 0x0F) << 4
    segment = value >> 4 & 7
    magnitude = magnitude + 8 if segment == 0 else magnitude + 0x108 << segment - 1
    return magnitude if value & 0x80 else -magnitude


def _linear_to_mu_law(sample: int) -> int:
    """ITU-T G.711 §3.2."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 0x84
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> exponent + 3 & 0x0F) & 0xFF


A_LAW_TO_MU_LAW = bytes(_linear_to_mu_law(_a_law_to_linear(value)) for value in range(256))
"""For :meth:`bytes.translate`."""
