"""What a terminal is shown: a slot whose packets go out in the clear, to a worker.

To the terminal it is one RTP stream, whoever is on it: numbers go on without a gap, time at its
real pace, and a picture of another begins with a keyframe. Nothing is sent that its decoder does
not take: what would be needed instead is in :attr:`Screen.why`.
"""

from __future__ import annotations

import secrets
import struct
import weakref
from collections.abc import Callable

import structlog

from camera_adapters.stream import Codec
from camera_adapters.webrtc.cohort import Cohort
from camera_adapters.webrtc.conference.slot import Feed, PictureLimit
from camera_adapters.webrtc.distribution import VIDEO
from camera_adapters.webrtc.outgoing import Outgoing
from camera_adapters.webrtc.packet_batch import PacketBatch
from gateway.meetings.telephone.h264_limits import macroblocks_of, wide_height_px
from gateway.meetings.telephone.shown_format import (
    ShownFormat,
    at_level,
    in_single_packets,
    picture_of,
    single_pieces,
)

_log = structlog.get_logger(__name__)

SLOT = "picture"
KEYFRAME_ASKED_S = 2.0
"""A terminal has keyframes made for it at most so often: others pay for each."""

_RTP = struct.Struct(">BBHII")
_MARKER = 0x80
_CLOCK_RATE = 90_000
_STEP = 3_000
_BURST_BYTES = 12_000
"""In each tick of the wheel: some 24 Mbit/s, which no access line is drowned by for long."""
_YOUNG_PICTURES = 8
"""A GOP that has just begun is sent from its beginning; of an older one the next is waited for."""
_FAST_S = 3
_REFUSED_S = 30.0
_OVER = 1.3
_MUCH_LOST, _LITTLE_LOST = 0.1, 0.02
_LOSSY_REPORTS, _GOOD_REPORTS = 2, 20
_LEAST_SHARE = 1 / 8
_WAITING = -1


class Screen:
    """A picture slot of a member. ``send`` takes an RTP packet; ``on_why`` is told when ``why`` has
    changed: None, or ``codec``, ``profile``, ``size``, ``rate``, ``packets``.
    """

    mid = SLOT
    kind = "video"

    def __init__(self, send: Callable[[bytes], None], on_why: Callable[[], None]) -> None:
        self.ssrc = secrets.randbits(32)
        self.why: str | None = None
        self.limit: PictureLimit | None = None
        self.packets = self.octets = 0
        self._takes_fragments = False
        self._send = send
        self._on_why = on_why
        self._formats: tuple[ShownFormat, ...] = ()
        self._format: ShownFormat | None = None
        self._label = 0
        self._kbps = 0
        self._now: _Place | None = None
        self._next: _Place | None = None
        self._sequence = secrets.randbits(15)
        self._base = 0
        self._newest = secrets.randbits(31)
        self._newest_s = 0.0
        self._asked_s = -1e9
        self._octets_before = 0
        # How much of what was agreed its network carries, and for how many reports it is so.
        self._share = 1.0
        self._lossy_reports = self._good_reports = 0
        self._fast_seconds = 0
        # What the terminal could not take of a feed, and until when that is believed.
        self._refused: weakref.WeakKeyDictionary[Feed, tuple[str, float]] = (
            weakref.WeakKeyDictionary()
        )

    def agree(self, formats: tuple[ShownFormat, ...], kbps: int) -> None:
        """From now on this may be sent, at ``kbps``; without formats nothing is."""
        if (formats, kbps) == (self._formats, self._kbps):
            return
        self._formats, self._kbps, self._share = formats, kbps, 1.0
        self._refused.clear()
        if not formats:
            self.limit = None
            self.show(None)
            self._because(None)
            return
        self._set_limit()
        wanted = self.wanted
        self.show(None)
        self.show(wanted)

    @property
    def showing(self) -> Feed | None:
        """See Slot."""
        return None if self._now is None else self._now.feed

    @property
    def wanted(self) -> Feed | None:
        """See Slot."""
        place = self._next or self._now
        return None if place is None else place.feed

    def show(self, feed: Feed | None) -> bool:
        """See Slot: goes over at the feed's next keyframe, which is asked for."""
        if feed is None:
            self._because(None)
        elif self._formats:
            why, found = self._fitting(feed)
            self._because(why)
            if found is None:
                feed = None
        fits = feed is not None and bool(self._formats)
        if feed is not None and fits and feed is self.wanted:
            return True
        self._drop_next()
        if feed is None or not fits:
            self._drop_now()
        elif self._now is None or feed is not self._now.feed:
            self._next = _Place(self, feed)
            self._next.begin()
        return fits

    def take_fragments(self) -> None:
        """The terminal sends fragments itself: whatever mode it has named, it takes them, too."""
        if not self._takes_fragments:
            self._takes_fragments = True
            self._refused.clear()

    def want_keyframe(self, now_s: float) -> None:
        """The terminal cannot go on."""
        if self._now is not None and now_s - self._asked_s >= KEYFRAME_ASKED_S:
            self._asked_s = now_s
            self._now.feed.want_keyframe()

    def note_loss(self, fraction: float) -> None:
        """The terminal reports that it loses so much: of several qualities it gets a lower one, as
        long as there is one, and later a better again.
        """
        self._lossy_reports = self._lossy_reports + 1 if fraction >= _MUCH_LOST else 0
        self._good_reports = self._good_reports + 1 if fraction < _LITTLE_LOST else 0
        if self._lossy_reports >= _LOSSY_REPORTS and self._share > _LEAST_SHARE:
            self._share, self._lossy_reports = self._share / 2, 0
        elif self._good_reports >= _GOOD_REPORTS and self._share < 1:
            self._share, self._good_reports = self._share * 2, 0
        else:
            return
        if self.limit is not None:
            self._set_limit()

    def second(self, now_s: float) -> None:
        """To be called once a second: what is faster than the terminal takes is not sent on."""
        sent, self._octets_before = self.octets - self._octets_before, self.octets
        if self._now is None or sent * 8 <= self._agreed_bps() * _OVER:
            self._fast_seconds = 0
            return
        self._fast_seconds += 1
        if self._fast_seconds >= _FAST_S:
            self._refuse(self._now.feed, "rate", now_s)

    def rtp_time(self, now_s: float) -> int | None:
        """The stream's RTP time at the event loop's ``now_s``; None while nothing is shown."""
        if self._now is None:
            return None
        return self._base + self._now.feed.distribution.now_90k(now_s) & 0xFFFFFFFF

    def close(self) -> None:
        """The terminal is gone."""
        self._formats = ()
        self.show(None)

    # ------------------------------------------------------------ for _Place

    def take_over(self, place: _Place, keyframe: PacketBatch) -> bool:
        """The feed of ``place`` has a keyframe to begin with; False when it is not for us."""
        why, found = self._fitting(place.feed)
        if found is None:
            self.on_feed_closed(place)
            self._because(why)
            return False
        self._because(None)
        self._format = found
        _, width, height = picture_of(place.feed)
        self._label = found.label(macroblocks_of(width, height))
        if place is self._next:
            self._next = None
            self._drop_now()
            self._now = place
            now_s = place.feed.distribution.now_s()
            passed = int((now_s - self._newest_s) * _CLOCK_RATE) if self._newest_s else 0
            self._base = self._newest + max(passed, _STEP) - keyframe.timestamp
            self._fast_seconds = 0
        return True

    def put(self, batch: PacketBatch, now_s: float) -> None:
        """Send a picture."""
        spoken = self._format
        if spoken is None or self._now is None:
            return
        fragments = spoken.mode == 1 or self._takes_fragments
        if not fragments and not in_single_packets(batch):
            self._refuse(self._now.feed, "packets", now_s)
            return
        self._newest = batch.timestamp + self._base
        self._newest_s = now_s
        for run in batch.runs:
            for index in range(run.count):
                last = run.ends_picture and index == run.count - 1
                payload = run.payload(index)
                pieces = [payload] if fragments else single_pieces(payload)
                for piece in pieces:
                    marker = _MARKER if last and piece is pieces[-1] else 0
                    sent = at_level(piece, self._label) if self._label else piece
                    head = _RTP.pack(
                        0x80, spoken.payload_type | marker, self._sequence,
                        self._newest & 0xFFFFFFFF, self.ssrc,
                    )  # fmt: skip
                    self._sequence = (self._sequence + 1) & 0xFFFF
                    self.packets += 1
                    self.octets += len(piece)
                    self._send(head + sent)

    def on_feed_closed(self, place: _Place) -> None:
        """The feed has ended."""
        if place is self._next:
            self._drop_next()
        elif place is self._now:
            self._drop_now()

    def _agreed_bps(self) -> int:
        return min(self._kbps, max((one.kbps for one in self._formats), default=0)) * 1000

    def _set_limit(self) -> None:
        macroblocks = max(one.macroblocks for one in self._formats)
        rate_bps = int(self._agreed_bps() * self._share)
        self.limit = PictureLimit(wide_height_px(macroblocks), rate_bps)

    def _fitting(self, feed: Feed) -> tuple[str | None, ShownFormat | None]:
        """The payload type for this feed; or why there is none. What is not known of a picture yet
        is looked at again when its keyframe is there.
        """
        if feed.codec_of("video") is not Codec.H264:
            return "codec", None
        refused, until_s = self._refused.get(feed, ("", 0.0))
        if until_s > feed.distribution.now_s():
            return refused, None
        profile, width, height = picture_of(feed)
        fitting = [one for one in self._formats if profile is None or profile.rank <= one.rank]
        if not fitting:
            return "profile", None
        size = macroblocks_of(width, height)
        found = next((one for one in fitting if size <= one.macroblocks), None)
        return (None, found) if found is not None else ("size", None)

    def _refuse(self, feed: Feed, why: str, now_s: float) -> None:
        self._refused[feed] = (why, now_s + _REFUSED_S)
        self._fast_seconds = 0
        self._drop_next()
        self._drop_now()
        self._because(why)

    def _because(self, why: str | None) -> None:
        if why != self.why:
            self.why = why
            self._on_why()

    def _drop_now(self) -> None:
        place, self._now = self._now, None
        if place is not None:
            place.leave()

    def _drop_next(self) -> None:
        place, self._next = self._next, None
        if place is not None:
            place.leave()


class _Place:
    """The screen's place in one feed: before it is shown, and while. See Following."""

    def __init__(self, screen: Screen, feed: Feed) -> None:
        self.feed = feed
        self.queued = False
        self.cohort: Cohort | None = None
        self.seat = 0
        self.outgoing: list[Outgoing | None] = [None, None]
        self._screen = screen
        self._cursor = _WAITING
        self._gone = False
        log = feed.distribution.log
        young = log.joinable and len(log.batches) <= _YOUNG_PICTURES
        self._past = log.first if log.joinable and not young else _WAITING

    def begin(self) -> None:
        """Follow the feed from its next keyframe on, or from one that was a moment ago."""
        if self._past != _WAITING or not self.feed.distribution.log.joinable:
            self.feed.want_keyframe()
        self.feed.distribution.add(self)

    def leave(self) -> None:
        """Follow it no more. May be called twice."""
        if not self._gone:
            self._gone = True
            self.feed.distribution.remove(self)

    def on_unsent(self) -> None:
        """See Member; it is in no cohort."""

    def close(self, reason: str) -> None:
        """See Member: the feed has ended."""
        self._screen.on_feed_closed(self)

    def pump(self, now_s: float) -> bool:
        """See Paced."""
        try:
            return not self._gone and self._pump(now_s)
        except Exception:
            # Whatever it is, it must not reach the feed, nor who else follows it.
            _log.exception("a terminal could not be sent to")
            self._screen.on_feed_closed(self)
            return False

    def _pump(self, now_s: float) -> bool:
        log = self.feed.distribution.log
        if self._cursor < log.first:
            if not log.joinable or log.first <= self._past:
                if self._cursor != _WAITING:
                    # Behind by more than the log: only a keyframe helps.
                    self._cursor = _WAITING
                    self.feed.want_keyframe()
                return False
            self._cursor = log.first
        room = _BURST_BYTES
        while self._cursor < log.end and not self._gone:
            batch = log.batches[self._cursor - log.first]
            if room <= 0:
                return True
            self._cursor += 1
            if batch.track_index != VIDEO:
                continue
            if batch.keyframe and not self._screen.take_over(self, batch):
                return False
            room -= batch.size
            self._screen.put(batch, now_s)
        return False
