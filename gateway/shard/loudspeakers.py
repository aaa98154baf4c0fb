"""The way to a camera's loudspeaker, by what its address says: RTSP's back channel, or GB/T 28181's
voice broadcast.
"""

from __future__ import annotations

import asyncio
import contextlib

from camera_adapters.gb28181.dialogs import SessionRefused
from camera_adapters.gb28181.media_ports import NoPortLeft, bind_listener, bind_pair
from camera_adapters.gb28181.media_sending import MediaSending, MediaTarget, TcpSending, UdpSending
from camera_adapters.gb28181.media_terms import MediaOffer, MediaTransport
from camera_adapters.gb28181.sender import TalkSender
from camera_adapters.rtsp.backchannel import BackchannelError, open_backchannel
from camera_adapters.rtsp.client_transport import credentials_for
from camera_adapters.rtsp.url import parse_camera_url
from gateway.live.talk import Loudspeaker, LoudspeakerRefused
from gateway.shard.desired import DesiredSource
from gateway.sources.addresses import scheme_of
from gateway.sources.gb28181 import dialogs, parse_address
from gateway.sources.registry import SourceContext


async def open_loudspeaker(source: DesiredSource, context: SourceContext) -> Loudspeaker:
    """Open it. Raises LoudspeakerRefused."""
    match scheme_of(source.url):
        case "rtsp":
            return await _open_rtsp(source)
        case "gb28181":
            return await _open_gb(source, context)
        case other:
            raise LoudspeakerRefused("unsupported", f"there is no voice to {other}:// cameras")


async def _open_rtsp(source: DesiredSource) -> Loudspeaker:
    try:
        url = parse_camera_url(source.url)
        credentials = credentials_for(url, source.username or "", source.password or "")
        return await open_backchannel(url, credentials)
    except ValueError as error:
        raise LoudspeakerRefused("unsupported", str(error)) from None
    except BackchannelError as error:
        raise LoudspeakerRefused(error.code, str(error)) from None


async def _open_gb(source: DesiredSource, context: SourceContext) -> Loudspeaker:
    if context.signalling is None or context.media is None:
        raise LoudspeakerRefused("unsupported", "GB/T 28181 is switched off here")
    # Most devices take their voice by UDP; those that do not say so, and are asked again.
    try:
        return await _GbLoudspeaker.open(source, context, "udp")
    except SessionRefused as error:
        if error.code != "unsupported":
            raise LoudspeakerRefused(error.code, str(error)) from None
    try:
        return await _GbLoudspeaker.open(source, context, "tcp_passive")
    except SessionRefused as error:
        raise LoudspeakerRefused(error.code, str(error)) from None


class _GbLoudspeaker:
    """A dialog that signalling holds, and RTP from a port of this shard."""

    def __init__(self, stack: contextlib.AsyncExitStack, sender: TalkSender) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._stack = stack
        self._sender = sender
        self._watching: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, source: DesiredSource, context: SourceContext, transport: MediaTransport
    ) -> _GbLoudspeaker:
        """Raises SessionRefused, LoudspeakerRefused."""
        signalling, place = context.signalling, context.media
        assert signalling is not None and place is not None
        async with contextlib.AsyncExitStack() as stack:
            try:
                bind = bind_pair if transport == "udp" else bind_listener
                ports = bind(place.pool, place.address)
            except (NoPortLeft, OSError) as error:
                raise LoudspeakerRefused("busy", f"no port for the voice: {error}") from None
            stack.callback(ports.close)
            offer = MediaOffer(place.advertised, ports.port, transport)
            opened = dialogs(signalling, parse_address(source.url), "talk")
            dialog = await stack.enter_async_context(opened(offer))
            answer = dialog.answer
            target = MediaTarget(answer.address, answer.port, transport, answer.ssrc or 0)
            kind = UdpSending if transport == "udp" else TcpSending
            sending: MediaSending = kind(ports, target)
            stack.callback(sending.close)
            sending.start()
            names = {name.partition("/")[0].upper() for name in answer.formats.values()}
            sender = TalkSender(sending, target, in_program_stream=names == {"PS"})
            speaker = cls(stack.pop_all(), sender)

            async def watch() -> None:
                event = asyncio.ensure_future(dialog.next_event())
                way = asyncio.ensure_future(asyncio.wait((sending.ended,)))
                try:
                    await asyncio.wait((event, way), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    event.cancel()
                    way.cancel()
                speaker.close()

            speaker._watching = asyncio.get_running_loop().create_task(watch())
            return speaker

    def send(self, samples: bytes) -> None:
        """See :class:`gateway.live.talk.Loudspeaker`."""
        self._sender.send(samples)

    def close(self) -> None:
        """See :class:`gateway.live.talk.Loudspeaker`."""
        if self.ended.done():
            return
        self.ended.set_result("the voice session is over")
        if self._watching is not None and self._watching is not asyncio.current_task():
            self._watching.cancel()
        self._closing = asyncio.get_running_loop().create_task(self._stack.aclose())
