"""One peer's place in a feed's log: what it is sent next, alone or in a cohort.

A viewer has one for both its RTP streams; a slot of a meeting has one that goes from feed to feed.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from camera_adapters.webrtc.cohort import Cohort
from camera_adapters.webrtc.distribution import AUDIO, VIDEO, Distribution
from camera_adapters.webrtc.outgoing import Outgoing
from camera_adapters.webrtc.packet_batch import PacketBatch, PacketRun, Scratch
from camera_adapters.webrtc.peer import Transport
from camera_adapters.webrtc.srtp import SrtpError, send_time_of
from camera_adapters.webrtc.wheel import BURST_BYTES

_log = structlog.get_logger(__name__)

_REPLAY_STEP_90K = 90
"""A replayed GOP's pictures are stamped a millisecond apart, up to the newest one's real time."""

_WAITING = -1


def _nobody(_reason: str) -> None:
    """Where the owner was."""


class Follower:
    """It is Paced and a cohort's Member. ``outgoing`` are its RTP streams, video and audio.

    ``on_closed(reason)`` is called when it cannot go on (``failed``) or its feed has ended.
    ``skipped`` counts pictures that were not sent because the socket had no room.
    ``asks_when_lost``: the feed has keyframes only when asked for, so one is asked for whenever
    this one waits.
    """

    __slots__ = (
        "_cursor",
        "_feed",
        "_on_closed",
        "_replay_end",
        "_replay_newest",
        "_run_index",
        "_scratch",
        "_wait_past",
        "asks_when_lost",
        "cohort",
        "outgoing",
        "queued",
        "seat",
        "skipped",
        "transport",
    )

    def __init__(
        self, scratch: Scratch, on_closed: Callable[[str], None], *, asks_when_lost: bool
    ) -> None:
        self.transport: Transport
        self.outgoing: list[Outgoing | None] = [None, None]
        self.queued = False
        self.cohort: Cohort | None = None
        self.seat = 0
        self.skipped = 0
        self.asks_when_lost = asks_when_lost
        self._scratch = scratch
        self._on_closed = on_closed
        self._feed: Distribution | None = None
        self._cursor = _WAITING
        self._run_index = 0
        self._replay_end = 0
        self._replay_newest = 0
        self._wait_past = _WAITING

    @property
    def feed(self) -> Distribution | None:
        """What is followed."""
        return self._feed

    def follow(self, feed: Distribution) -> bool:
        """Go over to a feed, to the beginning of its GOP; whether it has one to begin with.

        Without video in ``outgoing`` (sound alone) it begins with what comes next.
        """
        self.leave()
        self._feed = feed
        replayed = self._to_gop(feed)
        feed.add(self)
        return replayed

    def end(self) -> None:
        """Follow nothing, for good: the owner is told nothing more."""
        self.leave()
        self._on_closed = _nobody

    def leave(self) -> None:
        """Follow nothing. May be called twice."""
        feed, self._feed = self._feed, None
        if feed is not None:
            feed.remove(self)

    def replay(self) -> bool:
        """Send the GOP again from its beginning; False when there is none to begin with."""
        feed = self._feed
        if feed is None:
            return False
        self.leave_cohort()
        replayed = self._to_gop(feed)
        feed.wake(self)
        return replayed

    def sent(self, index: int) -> tuple[int, int]:
        """Packets and payload octets sent in one of the RTP streams."""
        one = self.outgoing[index]
        if one is None:
            return 0, 0
        packets, octets = one.rtp.packets_sent, one.rtp.octets_sent
        if self.cohort is not None:
            more_packets, more_octets = self.cohort.sent_to(self, index)
            return packets + more_packets, octets + more_octets
        return packets, octets

    def send_again(self, index: int, numbers: list[int], now_s: float) -> int:
        """Answer a NACK for one of the RTP streams; how many packets were sent."""
        one, path = self.outgoing[index], self.transport.path
        if one is None or one.history is None or path is None:
            return 0
        self.leave_cohort()
        count = 0
        try:
            for number in numbers:
                packet = one.history.again(number, now_s)
                if packet is not None:
                    count += 1
                    if not path[0].send(packet, path[1]):
                        break
        except SrtpError:
            _log.exception("packets could not be encrypted again")
            self._on_closed("failed")
        return count

    def leave_cohort(self) -> None:
        """Send for oneself again, from where the cohort is."""
        cohort = self.cohort
        if cohort is not None and self._feed is not None:
            self._cursor, self._run_index = cohort.cursor, cohort.run_index
            self._feed.leave_cohort(self)

    def pump(self, now_s: float) -> bool:
        """Send up to one burst from the log; True when more is waiting (see Paced)."""
        path, feed = self.transport.path, self._feed
        if feed is None or path is None or self.cohort is not None:
            return False
        try:
            more = self._pump(feed, now_s)
            if self._cursor == feed.log.end and self._feed is feed and self._in_step(feed):
                feed.join_cohort(self, path, self._scratch)
            return more
        except Exception:
            # Whatever it is, it must not reach the feed, nor the next follower.
            _log.exception("a peer could not be sent to")
            self._on_closed("failed")
            return False

    def on_unsent(self) -> None:
        """See Member: as if the socket had refused our own send."""
        if self._feed is not None:
            self._feed.note_apart(self)
            self._skip(self._feed)

    def close(self, reason: str) -> None:
        """See Member."""
        self._on_closed(reason)

    def _to_gop(self, feed: Distribution) -> bool:
        """Go to the beginning of the GOP; wait for the next keyframe when there is none."""
        log = feed.log
        self._run_index = 0
        self._wait_past = _WAITING
        if self.outgoing[VIDEO] is None:
            self._cursor = self._replay_end = log.end
            return True
        if log.joinable:
            self._cursor = log.first
            self._replay_end = log.end
            self._replay_newest = next(
                one.timestamp for one in reversed(log.batches) if one.track_index == VIDEO
            )
            return True
        self._cursor = _WAITING
        feed.want_keyframe()
        return False

    def _in_step(self, feed: Distribution) -> bool:
        """Whether its time stamps are the feed's: members of a cohort have them in common."""
        return all(
            one is None or one.newest <= newest
            for one, newest in zip(self.outgoing, feed.newest, strict=True)
        )

    def _skip(self, feed: Distribution) -> None:
        """Not all of a picture could be sent: go on at the next keyframe."""
        self.skipped += 1
        self._run_index = 0
        if self.outgoing[VIDEO] is None:
            self._cursor = feed.log.end
            return
        self._wait_past = feed.log.first
        self._cursor = _WAITING
        if self.asks_when_lost:
            feed.want_keyframe()

    def _pump(self, feed: Distribution, now_s: float) -> bool:
        log = feed.log
        cursor = self._cursor
        if cursor < log.first:
            # Behind by more than the log, or waiting: only a keyframe helps. Sequence numbers are
            # given when sending, so the receiver sees a step in time, and no loss.
            self._run_index = 0
            if self.outgoing[VIDEO] is None:
                cursor = log.first
            elif not log.joinable or log.first <= self._wait_past:
                if self._cursor != _WAITING and self.asks_when_lost:
                    feed.want_keyframe()
                self._cursor = _WAITING
                return False
            else:
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
                    self._skip(feed)
                    return False
                room -= size
                self._run_index += 1
            self._run_index = 0
            cursor += 1
        self._cursor = cursor
        return False

    def _timestamp(self, one: Outgoing, batch: PacketBatch, cursor: int) -> int:
        """The batch's RTP time stamp for this peer, later than any before it."""
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
        if rtp.timed:
            rtp.send_time = send_time_of(now_s)
        if one.history is not None:
            one.history.note(run, timestamp, now_s, rtp.next_sequence, rtp.wide_number)
        packets, stride = rtp.protect(run, timestamp)
        # If it does not leave, its numbers are spent all the same: encrypting something else under
        # them would use a nonce twice.
        return path[0].send_run(packets, stride, path[1])
