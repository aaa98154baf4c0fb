"""A section that a site receives: the server fills it with one feed after the other.

To the receiver it is one RTP stream: numbers go on without a gap, and time at its real pace.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import ClassVar, Protocol

from camera_adapters.stream import Codec
from camera_adapters.webrtc.conference.answer import SlotSection
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.distribution import AUDIO, VIDEO, Distribution
from camera_adapters.webrtc.follower import Follower
from camera_adapters.webrtc.outgoing import Outgoing
from camera_adapters.webrtc.packet_batch import Scratch
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.retransmission import SendHistory
from camera_adapters.webrtc.srtp import RtpStream, SrtpSession

RESENDS_PER_S_LIMIT = 600
"""A receiver that asks for more has no room for what is shown."""

_REPLAY_INTERVAL_S = 1.0


class Feed(Protocol):
    """What a slot can show: a source of the meeting, or a camera's
    :class:`~camera_adapters.webrtc.fan_out.FanOut`."""

    distribution: Distribution

    def codec_of(self, kind: str) -> Codec | None:
        """What a slot for ``audio`` or ``video`` would be sent now; None: nothing."""

    def want_keyframe(self) -> None:
        """Somebody needs one."""


@dataclass(frozen=True, slots=True)
class PictureLimit:
    """The largest and fastest picture that a receiver takes."""

    height_px: int
    bps: int

    def takes(self, height_px: int, bps: int) -> bool:
        """Whether one of this height and rate is neither larger nor faster."""
        return height_px <= self.height_px and bps <= self.bps


class Slot:
    """See the module. ``showing`` is the feed whose packets go out, ``wanted`` the one it was told
    to show; they differ while a keyframe is waited for, and until the site is connected. Both are
    None again when the feed ends.
    """

    limit: ClassVar[PictureLimit | None] = None
    """Browsers take whatever there is."""

    __slots__ = (
        "_follower",
        "_line_base",
        "_lossy",
        "_origin",
        "_replayed_s",
        "_resends_left",
        "_scratch",
        "_section",
        "_srtp",
        "_transport",
        "retransmitted",
        "showing",
        "wanted",
    )

    def __init__(self, section: SlotSection, scratch: Scratch) -> None:
        self.showing: Feed | None = None
        self.wanted: Feed | None = None
        self.retransmitted = 0
        self._section = section
        self._scratch = scratch
        self._srtp: SrtpSession | None = None
        self._transport: Transport | None = None
        # Made when first needed: most slots of most sites stay empty.
        self._follower: Follower | None = None
        self._origin = secrets.randbits(32)
        self._line_base = 0
        self._lossy = False
        self._replayed_s = -1e9
        self._resends_left = RESENDS_PER_S_LIMIT

    @property
    def mid(self) -> str:
        """The section's name."""
        return self._section.mid

    @property
    def kind(self) -> str:
        """``audio`` or ``video``."""
        return self._section.kind

    @property
    def ssrc(self) -> int:
        """Of what is sent."""
        return self._section.ssrc

    @property
    def follower(self) -> Follower | None:
        """Its place in the feed; None before anything was shown."""
        return self._follower

    def can_show(self, feed: Feed) -> bool:
        """Whether the receiver offered what the feed has."""
        return feed.codec_of(self.kind) in self._section.formats

    def show(self, feed: Feed | None) -> bool:
        """Switch to ``feed``: at its next keyframe, which is asked for, or at once where its log
        can be joined, it is sound, or nothing is shown. None: nothing more is sent.

        False when the receiver cannot take what the feed has; then it is as if None was given.
        """
        if feed is not None and not self.can_show(feed):
            self.show(None)
            return False
        if feed is self.wanted:
            return True
        if self.wanted is not None:
            self.wanted.distribution.forget(self._switch)
        self.wanted = feed
        if feed is None:
            self.showing = None
            if self._follower is not None:
                self._follower.leave()
        elif self._srtp is not None and feed is not self.showing:
            joinable = feed.distribution.log.joinable
            if self.kind == "audio" or joinable or self.showing is None:
                self._switch()
            else:
                feed.distribution.when_joinable(self._switch)
                feed.want_keyframe()
        return True

    @property
    def lossy(self) -> bool:
        """Whether the receiver loses packets: sound is sent twice then, where it understands."""
        return self._lossy

    @lossy.setter
    def lossy(self, lossy: bool) -> None:
        if lossy == self._lossy:
            return
        self._lossy = lossy
        if self.showing is not None and self._sent_twice(self.showing) != self._sent_twice(
            self.showing, lossy=not lossy
        ):
            self._go_over(self.showing)

    def secure(self, srtp: SrtpSession, transport: Transport) -> None:
        """The site is connected: what it was told to show is sent from now on."""
        self._srtp, self._transport = srtp, transport
        if self.wanted is not None:
            self._switch()

    def close(self) -> None:
        """Show nothing; the site is gone."""
        self.show(None)
        self._srtp = None

    def sent(self) -> tuple[int, int]:
        """Packets and octets sent so far."""
        return (0, 0) if self._follower is None else self._follower.sent(self._index)

    def rtp_time(self, now_s: float) -> tuple[int, int] | None:
        """The stream's RTP time at the event loop's ``now_s``, and its clock rate; None while
        nothing is shown."""
        feed, follower = self.showing, self._follower
        one = None if follower is None else follower.outgoing[self._index]
        if feed is None or one is None:
            return None
        line = feed.distribution.now_90k(now_s) * one.clock_rate // 90000
        return (one.timestamp_base + line) & 0xFFFFFFFF, one.clock_rate

    def renew_resends(self) -> None:
        """To be called once a second."""
        self._resends_left = RESENDS_PER_S_LIMIT

    def send_again(self, numbers: list[int], now_s: float) -> None:
        """Answer a NACK."""
        if self._follower is not None and self.showing is not None:
            count = self._follower.send_again(self._index, numbers[: self._resends_left], now_s)
            self._resends_left -= count
            self.retransmitted += count

    def want_keyframe(self, now_s: float) -> None:
        """The receiver cannot go on: a new keyframe is asked for, and the GOP sent once more."""
        feed, follower = self.showing, self._follower
        if feed is None or follower is None or self.kind != "video":
            return
        feed.want_keyframe()
        if now_s - self._replayed_s >= _REPLAY_INTERVAL_S and feed.distribution.log.joinable:
            self._replayed_s = now_s
            follower.replay()

    @property
    def _index(self) -> int:
        return VIDEO if self.kind == "video" else AUDIO

    def _switch(self) -> None:
        """Go over to the wanted feed now."""
        feed = self.wanted
        if feed is not None and self._srtp is not None and self.can_show(feed):
            self.showing = feed
            self._go_over(feed)

    def _go_over(self, feed: Feed) -> None:
        follower = self._follower or self._new_follower()
        follower.leave()
        self._retime(follower, feed)
        if follower.follow(self._distribution_of(feed)):
            self._replayed_s = feed.distribution.now_s()

    def _sent_twice(self, feed: Feed, *, lossy: bool | None = None) -> int | None:
        """The payload type of Opus in redundant packets; None where they are not for this slot."""
        lossy = self._lossy if lossy is None else lossy
        opus = self._section.formats.get(Codec.OPUS)
        understood = self._section.redundancy_payload_type is not None
        if lossy and understood and opus is not None and isinstance(feed, Source):
            return opus.payload_type if feed.codec is Codec.OPUS else None
        return None

    def _distribution_of(self, feed: Feed) -> Distribution:
        blocks = self._sent_twice(feed)
        if blocks is None or not isinstance(feed, Source):
            return feed.distribution
        return feed.redundant(blocks)

    def _retime(self, follower: Follower, feed: Feed) -> None:
        """Set codec and time base for the feed, so that the receiver's time goes on."""
        one = follower.outgoing[self._index]
        codec = feed.codec_of(self.kind)
        assert one is not None and codec is not None
        spoken = self._section.formats[codec]
        payload_type = spoken.payload_type
        if self._sent_twice(feed) is not None:
            payload_type = self._section.redundancy_payload_type or payload_type
        if one.rtp.payload_type != payload_type:
            one.rtp.payload_type = payload_type
            if one.clock_rate != spoken.clock_rate:
                one.clock_rate = spoken.clock_rate
                one.newest = -(1 << 62)
            if one.history is not None:
                one.history.use(spoken.repair_payload_type)
        now_s = feed.distribution.now_s()
        newest = self._line_base + one.newest
        line = feed.distribution.now_90k(now_s) * one.clock_rate // 90000
        self._line_base = self._origin + int(now_s * one.clock_rate) - line
        one.timestamp_base = self._line_base & 0xFFFFFFFF
        # What was sent last is not in the feed's future, but as near as the clocks are.
        one.newest = newest - self._line_base

    def _new_follower(self) -> Follower:
        srtp, section = self._srtp, self._section
        assert srtp is not None and self._transport is not None
        spoken = next(iter(section.formats.values()))
        follower = Follower(self._scratch, self._on_feed_closed, asks_when_lost=True)
        follower.transport = self._transport
        rtp = self._stream(srtp, section.ssrc, spoken.payload_type)
        history = None
        if section.kind == "video":
            again = None
            if spoken.repair_payload_type is not None:
                again = self._stream(srtp, section.repair_ssrc, spoken.repair_payload_type)
            history = SendHistory(rtp, again)
        follower.outgoing[self._index] = Outgoing(rtp, history, spoken.clock_rate)
        self._follower = follower
        return follower

    def _stream(self, srtp: SrtpSession, ssrc: int, payload_type: int) -> RtpStream:
        return RtpStream(
            srtp,
            self._scratch,
            ssrc=ssrc,
            payload_type=payload_type,
            # Below 2^15: libsrtp and receivers must not take the first wrap for a step back.
            first_sequence=secrets.randbits(15),
            extension_block=self._section.extension_block,
            timed=self._section.timed,
        )

    def _on_feed_closed(self, reason: str) -> None:
        """The feed has ended, or could not be sent."""
        if self._follower is not None:
            self._follower.leave()
        if self.wanted is self.showing:
            self.wanted = None
        self.showing = None
