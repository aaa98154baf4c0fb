"""One viewer of one Stream: its place in the Stream's log, its RTP streams, its feedback."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from camera_adapters.webrtc.cohort import Cohort
from camera_adapters.webrtc.fan_out import AUDIO, VIDEO, FanOut, why_not_continued
from camera_adapters.webrtc.feedback import (
    FeedbackError,
    ReceptionReport,
    goodbye,
    parse_feedback,
    round_trip_s,
    sender_report,
)
from camera_adapters.webrtc.outgoing import Outgoing
from camera_adapters.webrtc.packet_batch import PacketBatch, PacketRun, Scratch
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.retransmission import SendHistory
from camera_adapters.webrtc.sdp_answer import NegotiatedTrack
from camera_adapters.webrtc.srtp import RtpStream, SrtpError, SrtpSession, TransportSequence
from camera_adapters.webrtc.wheel import BURST_BYTES

_log = structlog.get_logger(__name__)

_CANONICAL_NAME = b"gridsight"

_REPLAY_STEP_90K = 90
"""A replayed GOP's pictures are stamped a millisecond apart, up to the newest one's real time."""

_KEYFRAME_INTERVAL_S = 1.0

_EAGER_REPORTS = 5
_REPORT_INTERVAL_S = 5

RESENDS_PER_S_LIMIT = 600
"""A receiver that asks for more has no room for the stream itself."""

_WAITING = -1


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
        "_cursor",
        "_fan_out",
        "_keyframe_at_s",
        "_negotiated",
        "_on_closed",
        "_promised",
        "_replay_end",
        "_replay_newest",
        "_report_calls",
        "_resends_left",
        "_run_index",
        "_scratch",
        "_statistics",
        "_wait_past",
        "closed",
        "cohort",
        "outgoing",
        "queued",
        "seat",
        "transport",
    )

    def __init__(
        self,
        fan_out: FanOut,
        scratch: Scratch,
        negotiated: Sequence[NegotiatedTrack],
        on_closed: Callable[[str], None],
    ) -> None:
        self.transport: Transport
        self.queued = False
        self.closed = False
        self.cohort: Cohort | None = None
        self.seat = 0
        self._fan_out = fan_out
        self._scratch = scratch
        self._negotiated = negotiated
        self._on_closed = on_closed
        self._promised = fan_out.tracks
        self.outgoing: list[Outgoing | None] = [None, None]
        self._cursor = _WAITING
        self._run_index = 0
        self._replay_end = 0
        self._replay_newest = 0
        self._keyframe_at_s = 0.0
        self._wait_past = _WAITING
        self._report_calls = 0
        self._resends_left = RESENDS_PER_S_LIMIT
        self._statistics = ViewerStatistics()

    @property
    def ice_session(self) -> str:
        """Our ICE ufrag, which changes with every session."""
        return self.transport.ice.local_ufrag

    @property
    def statistics(self) -> ViewerStatistics:
        """A snapshot for /metrics."""
        sent = [self._sent(index) for index in (VIDEO, AUDIO)]
        return replace(
            self._statistics,
            packets_sent=sum(packets for packets, _ in sent),
            bytes_sent=sum(octets for _, octets in sent),
        )

    def close(self, reason: str) -> None:
        """End it now: tell the browser, leave the Stream. May be called twice."""
        if self.closed:
            return
        self.closed = True
        self._fan_out.remove(self)
        ssrcs = [one.rtp.ssrc for one in self.outgoing if one is not None]
        try:
            if ssrcs:
                self.transport.send_rtcp(goodbye(ssrcs))
        except SrtpError:
            _log.info("a viewer's goodbye could not be encrypted")
        self.transport.close()
        self._on_closed(reason)

    def pump(self, now_s: float) -> bool:
        """Send up to one burst from the log; True when more is waiting (see Paced)."""
        path = self.transport.path
        if self.closed or path is None or self.cohort is not None:
            return False
        try:
            more = self._pump(now_s)
            if self._cursor == self._fan_out.log.end:
                self._fan_out.join_cohort(self, path, self._scratch)
            return more
        except Exception:
            # Whatever it is, it must not reach the Stream, nor the next viewer.
            _log.exception("a viewer could not be sent to")
            self.close("failed")
            return False

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
            self.outgoing[index] = Outgoing(rtp, history, one.clock_rate)
        # The camera may have changed its format while the viewer was still connecting.
        reason = why_not_continued(self._promised, self._fan_out.tracks)
        if reason is not None:
            self.close(reason)
            return
        self._replay()
        self._fan_out.add(self)

    def on_moved(self) -> None:
        """See PeerEvents."""
        self._leave_cohort()

    def on_unsent(self) -> None:
        """See Member: as if the socket had refused our own send."""
        self._fan_out.note_apart(self)
        self._skip()

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
        video = self.outgoing[VIDEO]
        statistics = self._statistics
        for report in feedback.reports:
            if video is not None and report.ssrc == video.rtp.ssrc:
                self._note_report(report, video.clock_rate)
        if feedback.estimate_bps is not None:
            statistics.receiver_estimate_bps = feedback.estimate_bps
        statistics.transport_missing += feedback.transport_missing
        if video is None:
            return
        now_s = self._fan_out.now_s()
        if feedback.nacked:
            self._resend(video, [n for ssrc, n in feedback.nacked if ssrc == video.rtp.ssrc], now_s)
        if video.rtp.ssrc in feedback.keyframe_wanted:
            statistics.keyframes_wanted += 1
            if now_s - self._keyframe_at_s >= _KEYFRAME_INTERVAL_S:
                # The GOP is replayed at once; a new one is shorter for who loses much.
                self._fan_out.stream.want_keyframe()
                self._leave_cohort()
                self._replay()
                self._fan_out.wake(self)

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
        now_90k = self._fan_out.now_90k(now_s)
        for index, one in enumerate(self.outgoing):
            packets_sent, octets_sent = self._sent(index)
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

    def _sent(self, index: int) -> tuple[int, int]:
        """Packets and payload octets sent in one of the RTP streams."""
        one = self.outgoing[index]
        if one is None:
            return 0, 0
        packets, octets = one.rtp.packets_sent, one.rtp.octets_sent
        if self.cohort is not None:
            more_packets, more_octets = self.cohort.sent_to(self, index)
            return packets + more_packets, octets + more_octets
        return packets, octets

    def _leave_cohort(self) -> None:
        """Send for oneself again, from where the cohort is."""
        cohort = self.cohort
        if cohort is not None:
            self._cursor, self._run_index = cohort.cursor, cohort.run_index
            self._fan_out.leave_cohort(self)

    def _skip(self) -> None:
        """Not all of a picture could be sent: go on at the next keyframe."""
        self._statistics.pictures_skipped += 1
        self._wait_past = self._fan_out.log.first
        self._cursor = _WAITING

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

    def _replay(self) -> None:
        """Go to the beginning of the GOP; wait for the next keyframe when there is none."""
        log = self._fan_out.log
        self._run_index = 0
        self._cursor = _WAITING
        self._wait_past = _WAITING
        if log.joinable:
            self._keyframe_at_s = self._fan_out.now_s()
            self._cursor = log.first
            self._replay_end = log.end
            self._replay_newest = next(
                one.timestamp for one in reversed(log.batches) if one.track_index == VIDEO
            )
        else:
            self._fan_out.stream.want_keyframe()

    def _pump(self, now_s: float) -> bool:
        log = self._fan_out.log
        cursor = self._cursor
        if cursor < log.first:
            # Behind by more than the log, or waiting: only a keyframe helps. Sequence numbers are
            # given when sending, so the receiver sees a step in time, and no loss.
            self._run_index = 0
            if not log.joinable or log.first <= self._wait_past:
                self._cursor = _WAITING
                return False
            cursor = log.first
        outgoing = self.outgoing
        batches = log.batches
        room = BURST_BYTES
        while cursor < log.end:
            batch = batches[cursor - log.first]
            one = outgoing[batch.track_index]
            # A GOP's replay is silent: old sound would only make the receiver wait.
            if one is None or (cursor < self._replay_end and batch.track_index == AUDIO):
                cursor += 1
                continue
            timestamp = self._timestamp(one, batch, cursor)
            runs = batch.runs
            if self._run_index:
                runs = runs[self._run_index :]
            for run in runs:
                size = run.size
                if room < size and room < BURST_BYTES:
                    self._cursor = cursor
                    return True
                if not self._send(one, run, timestamp, now_s):
                    self._skip()
                    return False
                room -= size
                self._run_index += 1
            self._run_index = 0
            cursor += 1
        self._cursor = cursor
        return False

    def _timestamp(self, one: Outgoing, batch: PacketBatch, cursor: int) -> int:
        """The batch's RTP time stamp for this viewer, later than any before it."""
        if self._run_index:
            return one.timestamp_base + one.newest
        time = batch.timestamp
        if cursor < self._replay_end:
            time = self._replay_newest - (self._replay_end - 1 - cursor) * _REPLAY_STEP_90K
        one.newest = max(time, one.newest + 1)
        return one.timestamp_base + one.newest

    def _send(self, one: Outgoing, run: PacketRun, timestamp: int, now_s: float) -> bool:
        path = self.transport.path
        if path is None:
            return False
        rtp = one.rtp
        if one.history is not None:
            transport = rtp.transport_sequence
            number = 0 if transport is None else transport.next
            one.history.note(run, timestamp, now_s, rtp.next_sequence, number)
        packets, stride = rtp.protect(run, timestamp)
        # If it does not leave, its numbers are spent all the same: encrypting something else under
        # them would use a nonce twice.
        return path[0].send_run(packets, stride, path[1])

    def _note_report(self, report: ReceptionReport, clock_rate: int) -> None:
        statistics = self._statistics
        statistics.packets_lost = report.packets_lost
        statistics.fraction_lost = report.fraction_lost
        statistics.jitter_ms = report.jitter * 1000 / clock_rate
        seconds = round_trip_s(report, time.time_ns() // 1000)
        if seconds is not None:
            statistics.round_trip_ms = seconds * 1000

    def _resend(self, one: Outgoing, numbers: list[int], now_s: float) -> None:
        path = self.transport.path
        if one.history is None or path is None:
            return
        self._leave_cohort()
        try:
            for number in numbers[: self._resends_left]:
                packet = one.history.again(number, now_s)
                if packet is not None:
                    self._resends_left -= 1
                    self._statistics.retransmitted += 1
                    if not path[0].send(packet, path[1]):
                        return
        except SrtpError:
            _log.exception("a viewer's packets could not be encrypted")
            self.close("failed")
