"""Received bytes to pictures: which payload it is, whose SSRC, how TCP frames it. No sockets.

GB/T 28181-2016 Annex C asks for a program stream in RTP; some devices send H.264 or H.265 plainly,
whatever they announced. The bytes decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from camera_adapters.gb28181.media_terms import format_ssrc
from camera_adapters.mpeg_ps.ingest import PictureTaker, PsFeed
from camera_adapters.mpeg_ps.packets import START_CODE
from camera_adapters.rtp import rtcp
from camera_adapters.rtp.clocks import CameraClock
from camera_adapters.rtp.plain_video_feed import PlainVideoFeed
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.stream import Codec

# So much without a pack header, and it is no program stream.
_DOUBT_OCTETS = 256 * 1024
_MALFORMED_LIMIT = 50


@dataclass(frozen=True, slots=True)
class MediaFault:
    """Why what comes is of no use. ``code``: ``wrong_ssrc``, ``unsupported_codec``,
    ``bad_framing``; ``line`` is one English line that says what to do.
    """

    code: Literal["wrong_ssrc", "unsupported_codec", "bad_framing"]
    line: str


class _Manner(TypedDict):
    reordering: bool
    framing: int


class MediaIntake:
    """One session's media. ``ssrc`` is the agreed one; another is taken only with ``any_ssrc``.

    ``formats`` are the answered payload types. Raises nothing, whatever comes.
    """

    def __init__(
        self,
        ingest: PictureTaker,
        camera_clock: CameraClock,
        *,
        ssrc: int | None,
        any_ssrc: bool,
        formats: Mapping[int, str],
        tcp: bool,
    ) -> None:
        self.malformed_reports = 0
        self._ingest = ingest
        self._camera_clock = camera_clock
        self._ssrc = ssrc
        self._any_ssrc = any_ssrc
        self._formats = formats
        self._tcp = tcp
        # RFC 4571's two bytes, or RTSP's four, which some devices use here as well.
        self._framing = 4
        self._rest = b""
        self._feed: PsFeed | PlainVideoFeed | None = None
        self._certain = False

    @property
    def receiver(self) -> RtpReceiver | None:
        """What counts packets; None before the first."""
        return None if self._feed is None else self._feed.receiver

    @property
    def feed(self) -> PsFeed | PlainVideoFeed | None:
        """What takes the payload apart; None before the first packet."""
        return self._feed

    def receive_datagrams(self, batch: bytes, now_us: int) -> None:
        """Take datagrams, each behind four bytes of which the last two are its length."""
        if not self._certain:
            self._choose(batch, 4)
        feed = self._feed
        if feed is not None:
            feed.receiver.receive_batch(batch, now_us)

    def receive_stream(self, data: bytes, now_us: int) -> None:
        """Take the next bytes of a TCP connection."""
        data = self._rest + data
        if self._feed is None:
            self._rest = data
            if len(data) < 20:
                return
            self._framing = 4 if _is_interleaved(data) else 2
            if self._framing == 2:
                data = b"\0\0" + data
        if not self._certain:
            self._choose(data, 4)
        feed = self._feed
        if feed is None:
            return
        if self._framing == 2:
            position = feed.receiver.receive_framed(data, now_us)
        else:
            position = self._receive_interleaved(feed.receiver, data, now_us)
        self._rest = data[position:]

    def receive_report(self, data: bytes, now_us: int) -> bool:
        """Take a compound RTCP packet; True when the source says goodbye."""
        feed = self._feed
        if feed is None:
            return False
        try:
            packets = rtcp.parse(data)
        except rtcp.RtcpError:
            self.malformed_reports += 1
            return False
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport) and packet.ssrc == feed.receiver.ssrc:
                feed.receiver.note_sender_report(packet.ntp, now_us)
                if packet.ntp:
                    our_us = self._camera_clock.to_our_time(rtcp.ntp_to_us(packet.ntp), now_us)
                    feed.note_report(packet.rtp_timestamp, our_us)
            elif isinstance(packet, rtcp.Goodbye) and feed.receiver.ssrc in packet.ssrcs:
                return True
        return False

    def receiver_report(self, ssrc: int, now_us: int) -> bytes | None:
        """Our report on the source; None before its first packet."""
        block = self._feed.receiver.report_block(now_us) if self._feed is not None else None
        return None if block is None else rtcp.build_receiver_report(ssrc, [block], "gridsight")

    def expire(self, now_us: int) -> None:
        """Over UDP, every 50 ms or so: gives up waiting for what is too late."""
        if self._feed is not None:
            self._feed.receiver.expire(now_us)

    def close(self) -> None:
        """Nothing more comes."""
        if self._feed is not None:
            self._feed.close()

    @property
    def fault(self) -> MediaFault | None:
        """What is wrong with what comes; None while nothing is."""
        feed = self._feed
        if feed is None:
            return None
        receiver = feed.receiver
        if receiver.refused_ssrc is not None and not receiver.counters.packets:
            assert self._ssrc is not None
            return MediaFault(
                "wrong_ssrc",
                f"media come with SSRC {format_ssrc(receiver.refused_ssrc)}, but "
                f"{format_ssrc(self._ssrc)} was agreed; if the device cannot do otherwise, "
                "allow any SSRC in the platform's options",
            )
        if isinstance(feed, PsFeed) and feed.facts.unsupported_video:
            return MediaFault(
                "unsupported_codec",
                f"the camera sends {feed.facts.unsupported_video}, which the gateway does not "
                "carry; set its encoding to H.264 or H.265",
            )
        if self._tcp and receiver.counters.malformed > _MALFORMED_LIMIT:
            return MediaFault(
                "bad_framing", "what comes by TCP is not framed as RFC 4571 or RTSP have it"
            )
        return None

    @property
    def remarks(self) -> str:
        """What is odd and yet works, in one English line; "" while nothing is."""
        feed = self._feed
        if isinstance(feed, PlainVideoFeed):
            return "plain video comes where a program stream was asked for"
        if feed is None or not feed.recognised:
            return ""
        facts = feed.facts
        remarks = []
        if facts.codec_guessed:
            why = "the stream's map names another codec" if facts.has_map else "no stream map comes"
            remarks.append(f"{why}: the codec was told from the pictures")
        if facts.unsupported_sound:
            remarks.append(f"its sound is {facts.unsupported_sound}, which is left out")
        elif facts.sound_guessed:
            remarks.append("the codec of its sound was told from its bytes")
        if facts.times_by_rtp:
            remarks.append("its pictures' times stand still: those of RTP are used")
        return "; ".join(remarks)

    def _receive_interleaved(self, receiver: RtpReceiver, data: bytes, now_us: int) -> int:
        """RTSP's frames; other channels and what is too short are passed over."""
        position, end = 0, len(data)
        while True:
            position = receiver.receive_interleaved(data, position, end, now_us)
            if position + 4 > end:
                return position
            following = position + 4 + (data[position + 2] << 8 | data[position + 3])
            if data[position] != 0x24:
                receiver.counters.malformed += 1
                at = data.find(b"$", position + 1)
                position = at if at >= 0 else end
                continue
            if following > end:
                return position
            if following - position < 16:
                receiver.counters.malformed += 1
            position = following

    def _choose(self, data: bytes, start: int) -> None:
        """Look at the first packet, behind ``start``: which payload is it?"""
        if len(data) < start + 14:
            return
        payload_type = data[start + 1] & 0x7F
        payload = data[start + 12 + 4 * (data[start] & 15) :][:64]
        if self._feed is None:
            codec = self._announced(payload_type)
            if codec is None or payload.startswith(START_CODE):
                self._use(PsFeed(self._ingest, payload_type=payload_type, **self._manner()))
            else:
                self._use_plain(codec, payload_type)
                self._certain = True
            return
        if not isinstance(self._feed, PsFeed) or self._feed.recognised:
            self._certain = True
        elif self._feed.receiver.counters.octets > _DOUBT_OCTETS:
            self._certain = True
            found = _plain_codec(payload)
            if found is not None:
                self._use_plain(found, payload_type)

    def _announced(self, payload_type: int) -> Codec | None:
        name = self._formats.get(payload_type, "").partition("/")[0].upper()
        return {"H264": Codec.H264, "H265": Codec.H265, "HEVC": Codec.H265}.get(name)

    def _use_plain(self, codec: Codec, payload_type: int) -> None:
        feed = PlainVideoFeed(self._ingest, codec, payload_type=payload_type, **self._manner())
        self._use(feed)

    def _manner(self) -> _Manner:
        return {"reordering": not self._tcp, "framing": self._framing}

    def _use(self, feed: PsFeed | PlainVideoFeed) -> None:
        if self._ssrc is not None and not self._any_ssrc:
            feed.receiver.only_ssrc = self._ssrc
        self._feed = feed


def _is_interleaved(data: bytes) -> bool:
    """Whether the connection's first bytes are RTSP's "$", channel, length, and then RTP."""
    return data[0] == 0x24 and data[1] < 4 and data[4] >> 6 == 2 and data[2] >> 6 != 2


def _plain_codec(payload: bytes) -> Codec | None:
    """Which codec's RTP payload this looks like (RFC 6184 §5.2, RFC 7798 §4.4)."""
    if len(payload) < 2 or payload[0] & 0x80:
        return None
    if payload[1] == 1 and payload[0] >> 1 in (0, 1, 19, 20, 21, 32, 33, 34, 39, 48, 49):
        return Codec.H265
    return Codec.H264 if payload[0] & 0x1F in (1, 5, 6, 7, 8, 24, 28) else None
