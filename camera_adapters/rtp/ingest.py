"""From one connection's RTP packets to a Stream: tracks, runs, time, losses.

The policy for losses. A picture with a hole is dropped and counted; the pictures that refer to it
are kept, since a decoder conceals far better than an investigator guesses. A *keyframe* with a hole
leaves nothing to refer to: the Stream is interrupted (``bad_media``) until the next keyframe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from camera_adapters import sdp
from camera_adapters.rtp import depacketise_h264, depacketise_h265, rtcp
from camera_adapters.rtp.clocks import CameraClock, TrackClock
from camera_adapters.rtp.depacketise_h264 import H264Depacketiser
from camera_adapters.rtp.depacketise_h265 import H265Depacketiser
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.opening import Opening
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.rtp.tracks import TrackPlan, audio_depacketiser
from camera_adapters.rtp.video_groups import VideoGroups
from camera_adapters.stream import Codec, Stream, Track
from camera_adapters.stream_runs import StreamRuns, nal_kind


class Ingest:
    """Feeds ``stream`` from the tracks of one connection.

    Give packets to ``receivers`` (one per plan, in order), RTCP to :meth:`receive_rtcp`. ``on_run``
    is called after each start of a run. A new connection needs a new Ingest; ``camera_clock``
    outlives it. ``clocks``, one per plan, are given where packets tell their time themselves (a
    recording): arrival says nothing then, and nothing is held back. The caller interrupts the
    Stream when the connection ends, after :meth:`close`.
    """

    def __init__(
        self,
        stream: Stream,
        plans: list[TrackPlan],
        camera_clock: CameraClock,
        *,
        reordering: bool,
        channels: list[int] | None = None,
        on_run: Callable[[], None] | None = None,
        clocks: Sequence[TrackClock] | None = None,
    ) -> None:
        self._camera_clock = camera_clock
        self._plans = plans
        self._clocks = list(clocks or ())
        if clocks is None:
            self._clocks = [TrackClock(plan.format.clock_rate or 90000) for plan in plans]
        self._opening = Opening(self._clocks, self._on_settled)
        self.receivers: list[RtpReceiver] = []
        self._video_clock = self._clocks[0]
        for index, plan in enumerate(plans):
            video = plan.kind == "video"
            deliver = self._on_video if video else self._on_audio
            self.receivers.append(
                RtpReceiver(
                    plan.format.payload_type,
                    plan.format.clock_rate or 90000,
                    deliver if clocks is not None else self._opening.taker(index, deliver),
                    by_packet=not video,
                    reordering=reordering,
                    channel=channels[index] if channels else 0,
                    head_bytes=_head_bytes(plan.codec) if video else 0,
                    starts_picture=_starts_picture(plan.codec) if video else None,
                )
            )
            if video:
                self._video_clock = self._clocks[index]
                self._groups = VideoGroups(_depacketiser(plan), self.receivers[index])
                self._runs = StreamRuns(
                    stream,
                    plan.codec,
                    camera_clock,
                    parameter_sets=_known_sets(plan),
                    audio_tracks=tuple(one.track for one in plans if one.track is not None),
                    on_format=self._groups.note_format,
                    on_run=on_run,
                )
            else:
                self._audio_clock = self._clocks[index]
                self._audio = audio_depacketiser(plan)
        self.counters = self._runs.counters
        self._early_reports: list[list[tuple[int, int]]] = [[] for _ in plans]

    @property
    def video_track(self) -> Track | None:
        """The format of the pictures, once it is known."""
        return self._runs.video_track

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._runs.running

    def receive_rtcp(self, index: int, data: bytes, now_us: int) -> bool:
        """Take a compound packet of the plan's RTCP channel; True when the source says goodbye.

        Raises nothing: what is no RTCP is counted.
        """
        try:
            packets = rtcp.parse(data)
        except rtcp.RtcpError:
            self.counters.malformed += 1
            return False
        receiver = self.receivers[index]
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport):
                receiver.note_sender_report(packet.ntp, now_us)
                if packet.ntp:
                    our_us = self._camera_clock.to_our_time(rtcp.ntp_to_us(packet.ntp), now_us)
                    self._note_report(index, packet.rtp_timestamp, our_us)
            elif isinstance(packet, rtcp.Goodbye) and receiver.ssrc in packet.ssrcs:
                return True
        return False

    def build_receiver_report(self, index: int, ssrc: int, now_us: int) -> bytes | None:
        """The report for the plan's RTCP channel; None before its first packet."""
        block = self.receivers[index].report_block(now_us)
        return None if block is None else rtcp.build_receiver_report(ssrc, [block], "gridsight")

    @property
    def settled(self) -> bool:
        """False while the first groups are held, until it is known which instant they show."""
        return self._opening.settled

    def expire(self, now_us: int) -> None:
        """Call every 50 ms or so, over UDP or while not ``settled``: gives up waiting."""
        for receiver in self.receivers:
            receiver.expire(now_us)
        self._opening.expire(now_us)

    def end_run(self) -> None:
        """Time leaps: the next keyframe begins a new run."""
        self._runs.end_run()

    def close(self) -> None:
        """The connection is over: the next run begins no earlier than this one ended."""
        self._opening.close()
        self._runs.close()

    def _note_report(self, index: int, rtp_timestamp: int, our_us: int) -> None:
        timestamp = self.receivers[index].unwrap(rtp_timestamp)
        if timestamp is None:
            # Before the first packet there is nothing to unwrap it against; the newest counts.
            self._early_reports[index] = [(rtp_timestamp, our_us)]
        else:
            self._clocks[index].note_report(timestamp, our_us)
        self._opening.note_report(index)

    def _on_settled(self) -> None:
        """The lines can begin; groups need not go the long way any more."""
        for index, receiver in enumerate(self.receivers):
            if receiver.unwrap(0) is None:
                receiver.deliver = partial(self._on_first_group, index)
            else:
                self._begin_line(index)

    def _on_first_group(self, index: int, group: Group) -> None:
        """A track that was still quiet when the others' lines began."""
        self._begin_line(index)
        self.receivers[index].deliver(group)

    def _begin_line(self, index: int) -> None:
        receiver = self.receivers[index]
        for rtp_timestamp, our_us in self._early_reports[index]:
            timestamp = receiver.unwrap(rtp_timestamp)
            if timestamp is not None:
                self._clocks[index].note_report(timestamp, our_us)
        video = self._plans[index].kind == "video"
        receiver.deliver = self._on_video if video else self._on_audio

    def _on_video(self, group: Group) -> None:
        clock = self._video_clock
        if group.restarted:
            clock.restart()
        for picture in self._groups.pictures(group):
            if picture.damaged:
                self._runs.drop(picture.keyframe)
            else:
                self._runs.picture(picture, clock.line_us(group.timestamp, group.arrival_us))

    def _on_audio(self, group: Group) -> None:
        clock = self._audio_clock
        if group.restarted:
            clock.restart()
        frames = self._audio.frames(group.bodies[0], marker=group.marker, after_gap=group.after_gap)
        if not frames:
            return
        line_us = clock.line_us(group.timestamp, group.arrival_us)
        sound = self._runs.sound
        for frame in frames:
            if frame.offset:
                sound(frame.payload, line_us + frame.offset * 1_000_000 // clock.clock_rate)
            else:
                sound(frame.payload, line_us)


def _known_sets(plan: TrackPlan) -> list[bytes]:
    kinds = (32, 33, 34) if plan.codec is Codec.H265 else (7, 8)
    return [one for one in sdp.parameter_sets(plan.format) if nal_kind(plan.codec, one) in kinds]


def _depacketiser(plan: TrackPlan) -> H264Depacketiser | H265Depacketiser:
    if plan.codec is Codec.H264:
        return H264Depacketiser()
    order = plan.format.parameters.get("sprop-max-don-diff", "0")
    return H265Depacketiser(with_decoding_order=order.isdigit() and int(order) > 0)


def _head_bytes(codec: Codec) -> int:
    return depacketise_h264.HEAD_BYTES if codec is Codec.H264 else depacketise_h265.HEAD_BYTES


def _starts_picture(codec: Codec) -> Callable[[bytes], bool]:
    if codec is Codec.H264:
        return depacketise_h264.starts_picture
    return depacketise_h265.starts_picture
