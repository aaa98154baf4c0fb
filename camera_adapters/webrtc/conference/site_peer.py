"""One site of a meeting: what it sends, what it is shown, and what the two say of the path."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from camera_adapters.rtp.rtcp import build_receiver_report
from camera_adapters.webrtc.conference.answer import PublishedSection, SiteAnswer
from camera_adapters.webrtc.conference.downlink import Downlink, LossWindow
from camera_adapters.webrtc.conference.publication import Publication
from camera_adapters.webrtc.conference.slot import Slot
from camera_adapters.webrtc.conference.source import Source
from camera_adapters.webrtc.feedback import (
    FeedbackError,
    goodbye,
    parse_feedback,
    receiver_estimate,
    round_trip_s,
    sender_report,
)
from camera_adapters.webrtc.header_extensions import elements
from camera_adapters.webrtc.packet_batch import Scratch
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.reception import Lane, Reception
from camera_adapters.webrtc.srtp import SrtpError, SrtpSession
from camera_adapters.webrtc.wheel import Wheel

_log = structlog.get_logger(__name__)

UPLINK_BPS = 8_000_000
"""What a site is told that it may send at most, all together."""
_UPLINK_BYTES_PER_S = UPLINK_BPS // 8 * 3 // 2
"""What is taken of a site that does not listen."""

_CANONICAL_NAME = "gridsight"
_EAGER_REPORTS = 5
_REPORT_INTERVAL_S = 5
_RTCP_PER_S_LIMIT = 200
_LOSSY = 0.005
"""Above this part, a listener hears losses."""
_LOSSY_FOR_S = 60.0


class SiteEvents(Protocol):
    """What a site tells its owner, on the event loop."""

    def on_connected(self) -> None:
        """The handshake is done."""

    def on_source(self, publication: Publication, source: Source) -> None:
        """The first authentic packets of a layer, or of the sound."""

    def on_closed(self, reason: str) -> None:
        """Once: ``ended_by_viewer``, ``no_consent``, ``not_connected``, ``dtls_failed``,
        ``failed``, and what :meth:`SitePeer.close` was given."""


@dataclass(slots=True)
class Uplink:
    """What came of one publication: counters since the start, ``jitter_ms`` now."""

    mid: str
    packets: int = 0
    packets_lost: int = 0
    bitrate_bps: int = 0
    jitter_ms: float = 0.0


@dataclass(slots=True)
class SiteStatistics:
    """Both ways. ``fraction_lost`` is of all slots together, ``jitter_ms`` the worst of what the
    receiver last reported of them; ``packets_refused`` came beyond what a site may send."""

    uplinks: list[Uplink] = field(default_factory=list)
    packets_sent: int = 0
    bytes_sent: int = 0
    fraction_lost: float = 0.0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    retransmitted: int = 0
    keyframes_wanted: int = 0
    pictures_skipped: int = 0
    packets_refused: int = 0
    receiver_estimate_bps: int | None = None


class SitePeer:
    """See the module. ``publications`` and ``slots`` are in the order of the offer.

    ``transport`` is set by the owner right after construction, who calls :meth:`turn` every 50 ms
    while :attr:`restless`, :meth:`report_arrivals` every 100 ms, and :meth:`second` every second.
    """

    def __init__(
        self,
        answer: SiteAnswer,
        events: SiteEvents,
        *,
        wheel: Wheel,
        scratch: Scratch,
        now_us: Callable[[], int],
        on_closed: Callable[[SitePeer], None],
    ) -> None:
        self.transport: Transport
        self.closed = False
        self.publications = tuple(
            Publication(one, now_us, self._on_accepted) for one in answer.publications
        )
        self.slots = tuple(Slot(one, scratch) for one in answer.slots)
        self._downlink = Downlink()
        self._losses = LossWindow()
        self._events = events
        self._wheel = wheel
        self._now_us = now_us
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._by_ssrc = {slot.ssrc: slot for slot in self.slots}
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._reception = Reception(
            now_us,
            find=self._find,
            on_adopted=self._on_adopted,
            send=self._send,
            on_failed=lambda: self.close("failed"),
        )
        self._statistics = SiteStatistics()
        self._bytes_left = 2 * _UPLINK_BYTES_PER_S
        self._rtcp_left = _RTCP_PER_S_LIMIT
        self._seconds = 0
        self._sent_bps = 0
        self._lossy_s = -1e9
        self._octets_before = 0
        self._measured_s = self._loop.time()

    @property
    def secured(self) -> bool:
        """Whether the handshake is over."""
        return self._reception.srtp is not None

    @property
    def estimate_bps(self) -> int | None:
        """What the site's network takes, as far as its reports show a limit; None: no limit."""
        return self._downlink.estimate_bps

    @property
    def restless(self) -> bool:
        """Whether something is waited for that :meth:`turn` must look after."""
        return self._reception.restless or any(
            lane.taker.restless for lane in self._lanes.values() if isinstance(lane.taker, Source)
        )

    @property
    def statistics(self) -> SiteStatistics:
        """A snapshot."""
        found = self._statistics
        sent = [slot.sent() for slot in self.slots]
        followers = [slot.follower for slot in self.slots]
        return SiteStatistics(
            [_uplink(one) for one in self.publications],
            sum(packets for packets, _ in sent),
            sum(octets for _, octets in sent),
            found.fraction_lost,
            found.jitter_ms,
            found.round_trip_ms,
            sum(slot.retransmitted for slot in self.slots),
            found.keyframes_wanted,
            sum(one.skipped for one in followers if one is not None),
            found.packets_refused,
            found.receiver_estimate_bps,
        )

    def close(self, reason: str) -> None:
        """End it now: its sources end, its slots are empty. May be called twice."""
        if self.closed:
            return
        self.closed = True
        self._reception.flush()
        for publication in self.publications:
            for source in publication.layers.values():
                source.close(reason)
        ssrcs = [slot.ssrc for slot in self.slots if slot.sent()[0]]
        for slot in self.slots:
            slot.close()
        if ssrcs:
            self._send(goodbye(ssrcs))
        self.transport.close()
        self._on_closed(self)
        self._events.on_closed(reason)

    def turn(self, now_s: float, now_us: int) -> None:
        """Ask again for what is missing, give up what is too late."""
        self._reception.restless = False
        for lane in tuple(self._lanes.values()):
            if isinstance(lane.taker, Source):
                self._reception.turn(lane, now_us)
                if lane.kept_away and lane.taker.looked_at:
                    # Should the repeats stay away, too, the keyframe is on its way already.
                    lane.taker.want_keyframe()
                lane.taker.turn(now_s)

    def report_arrivals(self) -> None:
        """To be called ten times a second: tell the site when its packets came."""
        # It is of the whole transport; Chromium takes it only where it names one of its sources.
        ssrc = next((lane.ssrc for lane in self._lanes.values() if lane.transport_extension), None)
        if ssrc is not None:
            packet = self._reception.arrivals.feedback(self._reception.our_ssrc, ssrc)
            if packet is not None:
                self._send(packet)

    def second(self, now_s: float, now_us: int) -> None:
        """Look at the clocks, measure, and send reports."""
        self.transport.check(now_s)
        if self.closed or not self.secured:
            return
        self._bytes_left = min(self._bytes_left + _UPLINK_BYTES_PER_S, 2 * _UPLINK_BYTES_PER_S)
        self._rtcp_left = _RTCP_PER_S_LIMIT
        seconds, self._measured_s = now_s - self._measured_s, now_s
        for publication in self.publications:
            for source in publication.layers.values():
                source.measure(max(seconds, 0.001))
        octets = sum(slot.sent()[1] for slot in self.slots)
        self._sent_bps = int((octets - self._octets_before) * 8 / max(seconds, 0.001))
        self._octets_before = octets
        for slot in self.slots:
            slot.renew_resends()
        if self._statistics.round_trip_ms is not None:
            # Asked again before the answer can be here, a packet would only come twice.
            interval_us = int(min(max(self._statistics.round_trip_ms, 40.0), 250.0) * 1000)
            for lane in self._lanes.values():
                lane.nack_interval_us = interval_us
                if isinstance(lane.taker, Source):
                    lane.taker.note_round_trip(self._statistics.round_trip_ms)
        self._seconds += 1
        self._report_reception(now_us)
        if self._seconds <= _EAGER_REPORTS or self._seconds % _REPORT_INTERVAL_S == 0:
            self._report_sending(now_s)

    def on_secured(self, srtp: SrtpSession) -> None:
        """See PeerEvents."""
        self._reception.srtp = srtp
        for slot in self.slots:
            slot.secure(srtp, self.transport)
        self._events.on_connected()

    def on_moved(self) -> None:
        """See PeerEvents."""
        for slot in self.slots:
            if slot.follower is not None:
                slot.follower.leave_cohort()
                if slot.showing is not None:
                    slot.showing.distribution.wake(slot.follower)

    def on_lost(self, reason: str) -> None:
        """See PeerEvents."""
        self.close(reason)

    def on_rtp(self, datagram: bytes) -> None:
        """See PeerEvents: what is beyond a site's share is not even opened."""
        self._bytes_left -= len(datagram)
        if self._bytes_left < 0:
            self._statistics.packets_refused += 1
            return
        self._reception.on_rtp(datagram)

    def on_rtcp(self, packet: bytes) -> None:
        """See PeerEvents."""
        self._rtcp_left -= 1
        if self._rtcp_left < 0:
            self._statistics.packets_refused += 1
            return
        self._reception.on_rtcp(packet)
        try:
            feedback = parse_feedback(packet)
        except FeedbackError:
            return
        statistics = self._statistics
        now_s = self._loop.time()
        ours = [one for one in feedback.reports if one.ssrc in self._by_ssrc]
        if ours:
            wall_us = time.time_ns() // 1000
            lost = self._losses.note(ours)
            if lost is not None:
                statistics.fraction_lost = lost
                self._downlink.note_loss(lost, self._sent_bps, now_s)
                self._protect_sound(lost, now_s)
            video = [one for one in ours if self._by_ssrc[one.ssrc].kind == "video"]
            statistics.jitter_ms = max((one.jitter / 90 for one in video), default=0.0)
            for one in ours:
                seconds = round_trip_s(one, wall_us)
                if seconds is not None:
                    statistics.round_trip_ms = seconds * 1000
        if feedback.estimate_bps is not None:
            statistics.receiver_estimate_bps = feedback.estimate_bps
            self._downlink.note_estimate(feedback.estimate_bps, now_s)
        nacked: dict[int, list[int]] = {}
        for ssrc, number in feedback.nacked:
            nacked.setdefault(ssrc, []).append(number)
        for ssrc, numbers in nacked.items():
            if ssrc in self._by_ssrc:
                self._by_ssrc[ssrc].send_again(numbers, now_s)
        for ssrc in dict.fromkeys(feedback.keyframe_wanted):
            if ssrc in self._by_ssrc:
                statistics.keyframes_wanted += 1
                self._by_ssrc[ssrc].want_keyframe(now_s)

    def _protect_sound(self, lost: float, now_s: float) -> None:
        """Sound is sent twice to who loses packets, and for a good while after."""
        if lost > _LOSSY:
            self._lossy_s = now_s
        lossy = now_s - self._lossy_s < _LOSSY_FOR_S
        for slot in self.slots:
            slot.lossy = lossy

    def _find(self, datagram: bytes) -> Lane | None:
        """The lane of a source that is new, by the names in its header (RFC 8843 §9.2)."""
        named = dict(elements(datagram))
        payload_type = datagram[1] & 0x7F
        ssrc = int.from_bytes(datagram[8:12], "big")
        for publication in self.publications:
            section = publication.section
            track = section.track
            repairs = payload_type == section.repair_payload_type
            if not repairs and payload_type not in (
                track.payload_type,
                section.redundancy_payload_type,
            ):
                continue
            mid = named.get(track.mid_extension) if track.mid_extension else None
            if mid is not None and mid != track.mid.encode():
                continue
            if mid is None and not self._is_alone(section):
                continue
            rid = _rid(section, named, repairs=repairs)
            if repairs:
                return self._repair_lane(section, rid, ssrc)
            if rid is None:
                continue
            return self._lanes.get((track.mid, rid)) or Lane(track, rid)
        return None

    def _is_alone(self, section: PublishedSection) -> bool:
        """Whether no other section could be meant by the same payload types."""
        return not any(
            other.section is not section
            and other.section.track.payload_type == section.track.payload_type
            for other in self.publications
        )

    def _repair_lane(self, section: PublishedSection, rid: str | None, ssrc: int) -> Lane | None:
        repaired = None
        if rid is not None:
            repaired = self._lanes.get((section.track.mid, rid))
        if repaired is None and ssrc in section.repairs:
            repaired = self._reception.lane_of(section.repairs[ssrc])
        return None if repaired is None else Lane(section.track, repaired.rid, repaired)

    def _on_adopted(self, lane: Lane) -> None:
        """The first authentic packet of a source."""
        key = (lane.track.mid, lane.rid)
        publication = next(one for one in self.publications if one.mid == lane.track.mid)
        lane.transport_extension = publication.section.transport_extension
        if lane.repairs is not None or key in self._lanes:
            return
        self._lanes[key] = lane
        lane.redundancy_payload_type = publication.section.redundancy_payload_type
        source = Source(
            lane.track,
            lane.rid,
            self._wheel,
            self._now_us,
            lambda: self._reception.ask_keyframe(lane),
        )
        if publication.section.level_extension:
            lane.hear = publication.hear
        publication.add(source)
        if publication.accepted:
            lane.taker = source
        self._loop.call_soon(self._tell_source, publication, source)

    def _tell_source(self, publication: Publication, source: Source) -> None:
        if not self.closed:
            self._events.on_source(publication, source)

    def _on_accepted(self, publication: Publication) -> None:
        """What is not accepted has no taker."""
        self._reception.flush()
        for rid, source in publication.layers.items():
            lane = self._lanes[publication.mid, rid]
            lane.nacked.clear()
            if publication.accepted:
                source.restart()
                lane.taker = source
            else:
                lane.taker = None
                source.mute()

    def _report_reception(self, now_us: int) -> None:
        """Tell the site how its packets arrive, and how much it may send."""
        lanes = [lane for lane in self._lanes.values() if isinstance(lane.taker, Source)]
        blocks = []
        for lane in lanes:
            assert lane.taker is not None
            block = lane.taker.receiver.report_block(now_us)
            if block is not None:
                blocks.append(block)
        if not blocks:
            return
        packet = build_receiver_report(self._reception.our_ssrc, blocks, _CANONICAL_NAME)
        ssrcs = [
            lane.ssrc
            for lane in lanes
            if lane.ssrc is not None
            and "goog-remb" in lane.track.feedback
            and not lane.transport_extension
        ]
        if ssrcs:
            packet += receiver_estimate(self._reception.our_ssrc, ssrcs, UPLINK_BPS)
        self._send(packet)

    def _report_sending(self, now_s: float) -> None:
        """A sender report for each slot in use."""
        wall_us = time.time_ns() // 1000
        reports = []
        for slot in self.slots:
            at = slot.rtp_time(now_s)
            if at is not None:
                packets, octets = slot.sent()
                name = _CANONICAL_NAME.encode()
                reports.append(sender_report(slot.ssrc, wall_us, at[0], packets, octets, name))
        for first in range(0, len(reports), _REPORTS_PER_DATAGRAM):
            self._send(b"".join(reports[first : first + _REPORTS_PER_DATAGRAM]))

    def _send(self, packet: bytes) -> None:
        try:
            self.transport.send_rtcp(packet)
        except SrtpError:
            _log.info("RTCP for a site could not be encrypted")


_REPORTS_PER_DATAGRAM = 16


def _rid(section: PublishedSection, named: dict[int, bytes], *, repairs: bool) -> str | None:
    """Which quality a packet belongs to; "" without simulcast, None when it does not say."""
    if not section.rids:
        return ""
    extension = section.repaired_rid_extension if repairs else section.rid_extension
    rid = named.get(extension, b"").decode("ascii", "replace") if extension else ""
    return rid if rid in section.rids else None


def _uplink(publication: Publication) -> Uplink:
    found = Uplink(publication.mid)
    for source in publication.layers.values():
        counters = source.receiver.counters
        found.packets += counters.packets
        found.packets_lost += counters.lost
        found.bitrate_bps += source.bitrate_bps
        found.jitter_ms = max(found.jitter_ms, source.receiver.jitter * 1000 / source.clock_rate)
    return found
