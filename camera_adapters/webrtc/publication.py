"""A camera that publishes by WebRTC: a peer's tracks into a Stream (WHIP, RFC 9725)."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.pushed import Target
from camera_adapters.rtp.ingest import Ingest
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.rtp.tracks import TrackPlan, audio_track
from camera_adapters.source import SourceCounters
from camera_adapters.stream import Codec
from camera_adapters.webrtc.incoming import IncomingPeer
from camera_adapters.webrtc.receive_answer import IncomingTrack

ACCEPTED = (Codec.H264, Codec.OPUS)
"""What a camera may publish."""

# Browsers send keyframes only when asked: recording and late joiners need one this often.
KEYFRAME_INTERVAL_US = 2_000_000


@dataclass(slots=True)
class _Taker:
    """One track of an ingest; see :class:`~camera_adapters.webrtc.incoming.MediaTaker`."""

    ingest: Ingest
    index: int

    @property
    def receiver(self) -> RtpReceiver:
        """See the protocol."""
        return self.ingest.receivers[self.index]

    def receive_rtcp(self, data: bytes, now_us: int) -> bool:
        """See the protocol."""
        return self.ingest.receive_rtcp(self.index, data, now_us)

    def build_receiver_report(self, ssrc: int, now_us: int) -> bytes | None:
        """See the protocol."""
        return self.ingest.build_receiver_report(self.index, ssrc, now_us)


class WebRtcPublication:
    """A :class:`~camera_adapters.pushed.Publication`. The peer must send video."""

    def __init__(self, peer: IncomingPeer, address: str) -> None:
        self.peer = peer
        self._address = address
        self._ingest: Ingest | None = None
        self._target: Target | None = None
        self._asked_us = 0
        video = next(i for i, track in enumerate(peer.tracks) if track.kind == "video")
        audio = next((i for i, track in enumerate(peer.tracks) if track.kind == "audio"), None)
        # An Ingest has its video first.
        self._order = [video] if audio is None else [video, audio]

    @property
    def description(self) -> str:
        """See the protocol."""
        return f"WebRTC from {self._address}"

    @property
    def settled(self) -> bool:
        """See the protocol."""
        return self._ingest is None or self._ingest.settled

    @property
    def counters(self) -> SourceCounters:
        """See the protocol."""
        ingest = self._ingest
        if ingest is None:
            return SourceCounters()
        made, received = ingest.counters, [one.counters for one in ingest.receivers]
        return SourceCounters(
            bytes=sum(self.peer.counts(index)[1] for index in self._order),
            packets=received[0].packets,
            lost=sum(one.lost for one in received),
            duplicates=sum(one.duplicates for one in received),
            reordered=sum(one.reordered for one in received),
            malformed=made.malformed + sum(one.malformed for one in received),
            pictures=made.pictures,
            keyframes=made.keyframes,
            audio_frames=made.audio_frames,
            damaged=made.damaged,
            gop_us=made.gop_us,
            gop_pictures=made.gop_pictures,
        )

    def feed(self, target: Target | None) -> None:
        """See the protocol."""
        takers: list[_Taker | None] = [None] * len(self.peer.tracks)
        self.peer.take(takers)
        if self._ingest is not None:
            self._ingest.close()
        self._target, self._ingest = target, None
        if target is None:
            return
        plans = [_plan(self.peer.tracks[index]) for index in self._order]
        self._ingest = Ingest(
            target.stream, plans, target.camera_clock, reordering=True, on_run=self._on_run
        )
        for index, of_peer in enumerate(self._order):
            takers[of_peer] = _Taker(self._ingest, index)
        self.peer.take(takers)
        self._asked_us = 0
        self.want_keyframe()

    def tick(self, now_us: int) -> None:
        """See the protocol."""
        ingest = self._ingest
        if ingest is None:
            return
        ingest.expire(now_us)
        if not ingest.running or now_us - self._asked_us >= KEYFRAME_INTERVAL_US:
            self._asked_us = now_us
            self.want_keyframe()

    def want_keyframe(self) -> None:
        """See the protocol."""
        self.peer.want_keyframe(self._order[0])

    def end(self, why: str) -> None:
        """See the protocol."""
        self.peer.close(why)

    def _on_run(self) -> None:
        if self._target is not None and self._ingest is not None:
            self._target.on_run(self._ingest.video_track)


def _plan(track: IncomingTrack) -> TrackPlan:
    if track.kind == "video":
        return TrackPlan("video", track.codec, track.format, "")
    return TrackPlan("audio", track.codec, track.format, "", audio_track(track.format))
