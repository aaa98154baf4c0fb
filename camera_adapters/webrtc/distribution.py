"""One feed's pictures on their way to all its followers: the log, the cohorts, who is apart.

A feed is a camera's Stream (:class:`~camera_adapters.webrtc.fan_out.FanOut`) or a source of a
meeting (:class:`~camera_adapters.webrtc.conference.source.Source`); whoever follows it, a viewer
or a slot of a meeting, is told by :class:`~camera_adapters.webrtc.follower.Follower`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from camera_adapters.webrtc.batch_log import BatchLog
from camera_adapters.webrtc.cohort import Cohort, Member, key_of
from camera_adapters.webrtc.ice_lite import Address
from camera_adapters.webrtc.packet_batch import PacketBatch, Scratch
from camera_adapters.webrtc.udp_mux import UdpSocket
from camera_adapters.webrtc.wheel import Paced, Wheel

VIDEO, AUDIO = 0, 1
"""The ``track_index`` of batches: every follower has at most one RTP stream of each."""


class Following(Paced, Member, Protocol):
    """What a Distribution knows of a follower."""


class Distribution:
    """Batches of a feed, in a log from which followers are sent to.

    Time is a line of 90 kHz ticks that goes on whatever happens to the feed; batches are stamped on
    it, in their track's clock; ``newest`` are the newest stamps of video and audio.
    ``want_keyframe`` asks the feed for one.
    """

    __slots__ = (
        "_apart",
        "_cohorts",
        "_loop",
        "_newest_90k",
        "_newest_at_s",
        "_waiting",
        "_wheel",
        "followers",
        "log",
        "newest",
        "want_keyframe",
    )

    def __init__(self, log: BatchLog, wheel: Wheel, want_keyframe: Callable[[], None]) -> None:
        self.log = log
        self.want_keyframe = want_keyframe
        self.followers: list[Following] = []
        self.newest = [-(1 << 62), -(1 << 62)]
        # Who is sent to: the cohorts, and the followers that are in none.
        self._cohorts: list[Cohort] = []
        self._apart: list[Following] = []
        self._waiting: list[Callable[[], None]] = []
        self._wheel = wheel
        self._loop = asyncio.get_running_loop()
        self._newest_90k = 0
        self._newest_at_s = self._loop.time()

    def add(self, follower: Following) -> None:
        """The follower is ready for pictures, and has its place in the log."""
        self.followers = [*self.followers, follower]
        self._apart = [*self._apart, follower]
        if self.log.batches:
            self._wheel.wake((follower,))

    def remove(self, follower: Following) -> None:
        """The follower is gone."""
        self.leave_cohort(follower)
        self.followers = [one for one in self.followers if one is not follower]
        self._apart = [one for one in self._apart if one is not follower]

    def when_joinable(self, call: Callable[[], None]) -> None:
        """``call`` once, as soon as a decoder can start with the log: at the next keyframe."""
        self._waiting.append(call)

    def forget(self, call: Callable[[], None]) -> None:
        """It is not to be called any more."""
        if call in self._waiting:
            self._waiting.remove(call)

    @property
    def wanted(self) -> bool:
        """Whether anybody follows, or waits to."""
        return bool(self.followers or self._waiting)

    def join_cohort(
        self, follower: Following, path: tuple[UdpSocket, Address], scratch: Scratch
    ) -> None:
        """The follower has sent everything in the log: from now on a cohort sends for it."""
        port, address = path
        if not port.offload:
            return
        key = key_of(follower.outgoing, port)
        end = self.log.end
        for cohort in self._cohorts:
            if cohort.key == key and cohort.has_room_at(end):
                break
        else:
            cohort = Cohort(key, port, self.log, scratch)
            self._cohorts = [*self._cohorts, cohort]
        cohort.join(follower, address)
        self._apart = [one for one in self._apart if one is not follower]

    def leave_cohort(self, follower: Following) -> None:
        """The follower sends for itself again, if it does not already."""
        cohort = follower.cohort
        if cohort is None:
            return
        cohort.leave(follower)
        self.note_apart(follower)

    def note_apart(self, follower: Following) -> None:
        """The follower is in a cohort no more."""
        self._apart = [*self._apart, follower]
        self._cohorts = [one for one in self._cohorts if one.members]

    def wake(self, follower: Following) -> None:
        """The follower has moved its place in the log."""
        self._wheel.wake((follower,))

    def append(self, batch: PacketBatch) -> None:
        """Add to the log; :meth:`send` when all of a moment's batches are there."""
        self.log.append(batch)
        self.newest[batch.track_index] = batch.timestamp

    def send(self) -> None:
        """Everybody goes on to the log's end."""
        if self._waiting and self.log.joinable:
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                call()
        if self._cohorts:
            self._wheel.wake(self._cohorts)
        if self._apart:
            self._wheel.wake(self._apart)

    def now_s(self) -> float:
        """The event loop's clock."""
        return self._loop.time()

    def now_90k(self, now_s: float) -> int:
        """Where the feed's time line stands at the event loop's ``now_s``."""
        return self._newest_90k + int((now_s - self._newest_at_s) * 90000)

    def note_time(self, time_90k: int, now_s: float) -> None:
        """The newest picture is of this place on the line, and came now."""
        self._newest_90k = time_90k
        self._newest_at_s = now_s

    def close(self, reason: str) -> None:
        """Nothing more comes: every follower is closed, and nobody waits any longer."""
        self._waiting = []
        for follower in self.followers:
            follower.close(reason)
