"""One viewer of one Stream: what it is promised, its RTP streams, its feedback."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from camera_adapters.webrtc.distribution import AUDIO, VIDEO
from camera_adapters.webrtc.fan_out import FanOut, why_not_continued
from camera_adapters.webrtc.feedback import (
    FeedbackError,
    ReceptionReport,
    goodbye,
    parse_feedback,
    round_trip_s,
    sender_report,
)
from camera_adapters.webrtc.follower import Follower
from camera_adapters.webrtc.outgoing import Outgoing
from camera_adapters.webrtc.packet_batch import Scratch
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.retransmission import SendHistory
from camera_adapters.webrtc.sdp_answer import NegotiatedTrack
from camera_adapters.webrtc.srtp import RtpStream, SrtpError, SrtpSession, TransportSequence

_log = structlog.get_logger(__name__)

_CANONICAL_NAME = b"gridsight"

_KEYFRAME_INTERVAL_S = 1.0

_EAGER_REPORTS = 5
_REPORT_INTERVAL_S = 5

RESENDS_PER_S_LIMIT = 600
"""A receiver that asks for more has no room for the stream itself."""


def _nobody(_reason: str) -> None:
    """Where the owner was: what knows one another would wait for the garbage collector."""


@dataclass(slots=True)
class ViewerStatistics:
    """Counters since the viewer came; losses, jitter and round trip are the video's, as the last
    receiver report said. ``pictures_skipped``: not sent because the socket had no room."""

    packets_sent: int = 0
    bytes_sent: int = 0
    packets_lost: int = 0
    fraction_lost: float = 0.0
    round_trip_ms: float | None = None
    jitter_ms: float = 0.0
    retransmitted: int = 0
    keyframes_wanted: int = 0
    pictures_skipped: int = 0
    receiver_estimate_bps: int | None = None
    transport_missing: int = 0


class Viewer:
    """A peer that watches. ``ice_session`` names its ICE session (used as ETag).

    It joins the FanOut when its transport is secured, and leaves in :meth:`close`, which calls
    ``on_closed`` once. ``transport`` is set by the owner right after construction.
    """

    __slots__ = (
        "_fan_out",
        "_keyframe_at_s",
        "_negotiated",
        "_on_closed",
        "_promised",
        "_report_calls",
        "_resends_left",
        "_scratch",
        "_statistics",
        "_transport",
        "closed",
        "follower",
    )

    def __init__(
        self,
        fan_out: FanOut,
        scratch: Scratch,
        negotiated: Sequence[NegotiatedTrack],
        on_closed: Callable[[str], None],
    ) -> None:
        self._transport: Transport
        self.closed = False
        self.follower = Follower(scratch, self.close, asks_when_lost=False)
        self._fan_out = fan_out
        self._scratch = scratch
        self._negotiated = negotiated
        self._on_closed = on_closed
        self._promised = fan_out.tracks
        self._keyframe_at_s = 0.0
        self._report_calls = 0
        self._resends_left = RESENDS_PER_S_LIMIT
        self._statistics = ViewerStatistics()

    @property
    def transport(self) -> Transport:
        """The peer's side of the port."""
        return self._transport

    @transport.setter
    def transport(self, transport: Transport) -> None:
        self._transport = self.follower.transport = transport

    @property
    def ice_session(self) -> str:
        """Our ICE ufrag, which changes with every session."""
        return self.transport.ice.local_ufrag

    @property
    def statistics(self) -> ViewerStatistics:
        """A snapshot for /metrics."""
        sent = [self.follower.sent(index) for index in (VIDEO, AUDIO)]
        return replace(
            self._statistics,
            packets_sent=sum(packets for packets, _ in sent),
            bytes_sent=sum(octets for _, octets in sent),
            pictures_skipped=self.follower.skipped,
        )

    def close(self, reason: str) -> None:
        """End it now: tell the browser, leave the Stream. May be called twice."""
        if self.closed:
            return
        self.closed = True
        self.follower.end()
        ssrcs = [one.rtp.ssrc for one in self.follower.outgoing if one is not None]
        try:
            if ssrcs:
                self.transport.send_rtcp(goodbye(ssrcs))
        except SrtpError:
            _log.info("a viewer's goodbye could not be encrypted")
        self.transport.close()
        on_closed, self._on_closed = self._on_closed, _nobody
        on_closed(reason)

    def on_secured(self, srtp: SrtpSession) -> None:
        """See PeerEvents: make the RTP streams and join."""
        transport_sequence = TransportSequence()
        for one in self._negotiated:
            shared = transport_sequence if one.transport_cc else None
            rtp = self._stream(srtp, one, one.ssrc, one.payload_type, shared)
            history = None
            if one.kind == "video":
                again = None
                if one.retransmission_payload_type is not None:
                    again = self._stream(
                        srtp,
                        one,
                        one.retransmission_ssrc,
                        one.retransmission_payload_type,
                        shared,
                    )
                history = SendHistory(rtp, again)
            index = VIDEO if one.kind == "video" else AUDIO
            self.follower.outgoing[index] = Outgoing(rtp, history, one.clock_rate)
        # The camera may have changed its format while the viewer was still connecting.
        reason = why_not_continued(self._promised, self._fan_out.tracks)
        if reason is not None:
            self.close(reason)
            return
        if self.follower.follow(self._fan_out.distribution):
            self._keyframe_at_s = self._fan_out.distribution.now_s()

    def on_moved(self) -> None:
        """See PeerEvents."""
        self.follower.leave_cohort()

    def on_lost(self, reason: str) -> None:
        """See PeerEvents."""
        self.close(reason)

    def on_rtp(self, datagram: bytes) -> None:
        """See PeerEvents: who watches sends no media."""

    def on_rtcp(self, packet: bytes) -> None:
        """See PeerEvents: answer what the viewer asks for, note what it reports."""
        try:
            feedback = parse_feedback(packet)
        except FeedbackError:
            return
        video = self.follower.outgoing[VIDEO]
        statistics = self._statistics
        for report in feedback.reports:
            if video is not None and report.ssrc == video.rtp.ssrc:
                self._note_report(report, video.clock_rate)
        if feedback.estimate_bps is not None:
            statistics.receiver_estimate_bps = feedback.estimate_bps
        statistics.transport_missing += feedback.transport_missing
        if video is None:
            return
        now_s = self._fan_out.distribution.now_s()
        if feedback.nacked:
            self._resend([n for ssrc, n in feedback.nacked if ssrc == video.rtp.ssrc], now_s)
        if video.rtp.ssrc in feedback.keyframe_wanted:
            statistics.keyframes_wanted += 1
            if now_s - self._keyframe_at_s >= _KEYFRAME_INTERVAL_S:
                # The GOP is replayed at once; a new one is shorter for who loses much.
                self._fan_out.stream.want_keyframe()
                if self.follower.replay():
                    self._keyframe_at_s = now_s

    def send_reports(self, now_s: float) -> None:
        """To be called once a second: a sender report for each stream, all on one clock (lip sync).

        Each second at first, then every fifth, the least interval of RFC 3550 §6.2.
        """
        self._resends_left = RESENDS_PER_S_LIMIT
        if self.transport.srtp is None:
            return
        self._report_calls += 1
        if self._report_calls > _EAGER_REPORTS and self._report_calls % _REPORT_INTERVAL_S:
            return
        wall_us = time.time_ns() // 1000
        now_90k = self._fan_out.distribution.now_90k(now_s)
        for index, one in enumerate(self.follower.outgoing):
            packets_sent, octets_sent = self.follower.sent(index)
            if one is not None and packets_sent:
                timestamp = one.timestamp_base + now_90k * one.clock_rate // 90000
                report = sender_report(
                    one.rtp.ssrc,
                    wall_us,
                    timestamp,
                    packets_sent,
                    octets_sent,
                    _CANONICAL_NAME,
                )
                try:
                    self.transport.send_rtcp(report)
                except SrtpError:
                    self.close("failed")
                    return

    def _stream(
        self,
        srtp: SrtpSession,
        negotiated: NegotiatedTrack,
        ssrc: int,
        payload_type: int,
        transport_sequence: TransportSequence | None,
    ) -> RtpStream:
        return RtpStream(
            srtp,
            self._scratch,
            ssrc=ssrc,
            payload_type=payload_type,
            # Below 2^15: libsrtp and receivers must not take the first wrap for a step back.
            first_sequence=secrets.randbits(15),
            extension_block=negotiated.extension_block,
            transport_sequence=transport_sequence,
        )

    def _note_report(self, report: ReceptionReport, clock_rate: int) -> None:
        statistics = self._statistics
        statistics.packets_lost = report.packets_lost
        statistics.fraction_lost = report.fraction_lost
        statistics.jitter_ms = report.jitter * 1000 / clock_rate
        seconds = round_trip_s(report, time.time_ns() // 1000)
        if seconds is not None:
            statistics.round_trip_ms = seconds * 1000

    def _resend(self, numbers: list[int], now_s: float) -> None:
        count = self.follower.send_again(VIDEO, numbers[: self._resends_left], now_s)
        self._resends_left -= count
        self._statistics.retransmitted += count
