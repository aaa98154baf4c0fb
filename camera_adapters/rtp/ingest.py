"""From one connection's RTP packets to a Stream: tracks, runs, time, losses.

The policy for losses. A picture with a hole is dropped and counted; the pictures that refer to it
are kept, since a decoder conceals far better than an investigator guesses. A *keyframe* with a hole
leaves nothing to refer to: the Stream is interrupted (``bad_media``) until the next keyframe.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from camera_adapters import sdp
from camera_adapters.codecs import CodecError, h264, h265
from camera_adapters.rtp import depacketise_h264, depacketise_h265, rtcp
from camera_adapters.rtp.clocks import CameraClock, TrackClock
from camera_adapters.rtp.decoding_order import DecodingTimes
from camera_adapters.rtp.depacketise_h264 import H264Depacketiser
from camera_adapters.rtp.depacketise_h265 import H265Depacketiser
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.opening import Opening
from camera_adapters.rtp.pictures import Picture
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.rtp.tracks import TrackPlan, audio_depacketiser
from camera_adapters.stream import AccessUnit, Codec, GapCause, Interruption, Stream, Track

_PARAMETER_SETS_LIMIT = 32
# A GOP that the camera had ready may begin this long before the last run ended.
_REPLAY_US = 15_000_000
_SQUEEZE = 200


@dataclass(slots=True)
class IngestCounters:
    """What came of the packets. ``gop_us`` and ``gop_pictures`` are the last whole GOP's."""

    pictures: int = 0
    keyframes: int = 0
    audio_frames: int = 0
    damaged: int = 0
    undecodable: int = 0
    malformed: int = 0
    runs: int = 0
    gop_us: int = 0
    gop_pictures: int = 0
    last_picture_us: int = 0


class Ingest:
    """Feeds ``stream`` from the tracks of one connection.

    Give packets to ``receivers`` (one per plan, in order), RTCP to :meth:`receive_rtcp`. ``on_run``
    is called after each start of a run. A new connection needs a new Ingest; ``camera_clock``
    outlives it. The caller interrupts the Stream when the connection ends, after :meth:`close`.
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
    ) -> None:
        self.counters = IngestCounters()
        self.video_track: Track | None = None
        self.running = False
        self._stream = stream
        self._camera_clock = camera_clock
        self._on_run = on_run
        self._plans = plans
        self._clocks = [TrackClock(plan.format.clock_rate or 90000) for plan in plans]
        self._opening = Opening(self._clocks, self._on_settled)
        self.receivers: list[RtpReceiver] = []
        self._audio_index = -1
        self._video_clock = self._clocks[0]
        for index, plan in enumerate(plans):
            video = plan.kind == "video"
            self.receivers.append(
                RtpReceiver(
                    plan.format.payload_type,
                    plan.format.clock_rate or 90000,
                    self._opening.taker(index, self._on_video if video else self._on_audio),
                    by_packet=not video,
                    reordering=reordering,
                    channel=channels[index] if channels else 0,
                    head_bytes=_head_bytes(plan.codec) if video else 0,
                    starts_picture=_starts_picture(plan.codec) if video else None,
                )
            )
            if video:
                self._video_receiver = self.receivers[index]
                self._video_clock = self._clocks[index]
                self._depacketiser = _depacketiser(plan)
                self._codec = plan.codec
                self._parameter_sets = _known_sets(plan)
            else:
                self._audio_index = index
                self._audio_clock = self._clocks[index]
                self._audio = audio_depacketiser(plan)
        self._audio_tracks = tuple(plan.track for plan in plans if plan.track is not None)
        self._decoding = DecodingTimes(0)
        self._declared_depth = 0
        self._run_start_us = 0
        self._run_shift_us = 0
        self._first_line_us = 0
        self._squeezed_until_us = 0
        self._early_reports: list[list[tuple[int, int]]] = [[] for _ in plans]
        self._last_wall_us = 0
        self._last_audio_pts = -1
        self._last_timestamp = -1
        self._gop_start_us = 0
        self._gop_pictures = 0

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

    def close(self) -> None:
        """The connection is over: the next run begins no earlier than this one ended."""
        self._opening.close()
        self.running = False
        if self._last_wall_us:
            self._camera_clock.floor_us = max(self._camera_clock.floor_us, self._last_wall_us + 12)

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
        depacketiser = self._depacketiser
        picture = None
        if not group.hole:
            picture = depacketiser.fragmented_picture(group.heads, group.bodies)
        if picture is None:
            pictures = depacketiser.pictures(
                group.payloads, hole=group.hole, after_gap=group.after_gap
            )
        else:
            picture.damaged = group.after_gap and picture.continues
            pictures = [picture]
        for picture in pictures:
            if picture.continues and not picture.damaged:
                picture.damaged = group.timestamp == self._last_timestamp
                if picture.damaged:
                    # A marker bit stood in the middle of a picture: from now on timestamps divide.
                    self._video_receiver.ends_on_marker = False
            self._last_timestamp = group.timestamp
            if picture.damaged:
                self._drop(picture)
            else:
                self._on_picture(picture, clock.line_us(group.timestamp, group.arrival_us))

    def _on_picture(self, picture: Picture, line_us: int) -> None:
        counters = self.counters
        if picture.keyframe:
            if not self._prepare_run(picture):
                counters.undecodable += 1
                return
            counters.keyframes += 1
            if not self.running:
                self._start_run(line_us)
            else:
                counters.gop_us = line_us - self._gop_start_us
                counters.gop_pictures = self._gop_pictures
            self._gop_start_us = line_us
            self._gop_pictures = 0
        elif not self.running:
            if picture.parameter_sets:
                self._merge_sets(picture.parameter_sets)
            return
        self._gop_pictures += 1
        counters.pictures += 1
        wall_us = line_us + self._run_shift_us
        if wall_us < self._squeezed_until_us:
            wall_us = self._squeezed_us(line_us)
        counters.last_picture_us = wall_us
        pts = (wall_us - self._run_start_us) * 9 // 100
        if pts < 0:
            pts = 0
        dts = self._decoding.decoding_time(pts)
        if dts > pts:
            # No reordering declared, and none seen: keep both the same, and growing.
            pts = dts if not self._decoding.needed_depth else pts
        if wall_us > self._last_wall_us:
            self._last_wall_us = wall_us
        self._stream.publish(AccessUnit(0, picture.payload, pts, dts, picture.keyframe, wall_us))

    def _prepare_run(self, picture: Picture) -> bool:
        """At a keyframe: is the format known, is it still the same? Ends the run when it is not."""
        needed = max(self._declared_depth, self._decoding.needed_depth)
        if picture.parameter_sets:
            self._merge_sets(picture.parameter_sets)
        track = self.video_track
        if track is not None and track.parameter_sets == self._parameter_sets:
            if needed > track.reorder_depth:
                self.video_track = dataclasses.replace(track, reorder_depth=needed)
                self.running = False
            return True
        try:
            track = _track(self._codec, self._parameter_sets)
        except CodecError:
            return False
        self._declared_depth = track.reorder_depth
        if self._codec is Codec.H264:
            interlaced = h264.parse_sps(track.parameter_sets[0]).interlaced
            # Both fields of a frame share a timestamp, and may each carry a marker bit.
            self._depacketiser.divider.splits = not interlaced
            if interlaced:
                self._video_receiver.ends_on_marker = False
        self.video_track = track
        self._parameter_sets = track.parameter_sets
        self.running = False
        return True

    def _start_run(self, line_us: int) -> None:
        assert self.video_track is not None
        if self._last_wall_us:
            floor_us = max(self._camera_clock.floor_us, self._last_wall_us + 12)
        else:
            floor_us = self._camera_clock.floor_us
        overlap_us = max(0, floor_us - line_us)
        self._run_shift_us = self._squeezed_until_us = 0
        if overlap_us <= _REPLAY_US:
            self._first_line_us = line_us
            self._squeezed_until_us = floor_us + overlap_us // _SQUEEZE
        else:
            # No GOP is that old: our clock was set back. The run is filed behind what there is.
            self._run_shift_us = overlap_us
        self._run_start_us = line_us + overlap_us
        self._decoding = DecodingTimes(self.video_track.reorder_depth)
        self._last_audio_pts = -1
        self.running = True
        self.counters.runs += 1
        self._stream.start_run((self.video_track, *self._audio_tracks))
        if self._on_run is not None:
            self._on_run()

    def _squeezed_us(self, line_us: int) -> int:
        """Where a picture goes that the last run may have filed already.

        A decoder needs it for those that follow, and footage must not overlap: so it passes in a
        two-hundredth of its time, and the first new picture is at its own place again.
        """
        squeezed_us = self._run_start_us + (line_us - self._first_line_us) // _SQUEEZE
        return max(squeezed_us, line_us)

    def _drop(self, picture: Picture) -> None:
        self.counters.damaged += 1
        if picture.keyframe and self.running:
            self.running = False
            self._stream.interrupt(
                Interruption(
                    GapCause.BAD_MEDIA,
                    "packets of a keyframe were lost; waiting for the next keyframe",
                )
            )

    def _on_audio(self, group: Group) -> None:
        clock = self._audio_clock
        if group.restarted:
            clock.restart()
        frames = self._audio.frames(group.bodies[0], marker=group.marker, after_gap=group.after_gap)
        if not frames:
            return
        line_us = clock.line_us(group.timestamp, group.arrival_us)
        if not self.running:
            return
        wall_us = line_us + self._run_shift_us
        if wall_us < self._squeezed_until_us:
            return
        counters = self.counters
        for frame in frames:
            frame_us = wall_us
            if frame.offset:
                frame_us += frame.offset * 1_000_000 // clock.clock_rate
            pts = (frame_us - self._run_start_us) * 9 // 100
            if pts < 0:
                continue
            if pts <= self._last_audio_pts:
                pts = self._last_audio_pts + 1
            self._last_audio_pts = pts
            counters.audio_frames += 1
            self._stream.publish(AccessUnit(1, frame.payload, pts, pts, True, frame_us))

    def _merge_sets(self, sets: list[bytes]) -> None:
        """Take in-band sets over; sets that repeat what is known leave the Track as it is."""
        known = self._parameter_sets
        if all(one in known for one in sets):
            return
        self._parameter_sets = merge_parameter_sets(self._codec, known, sets)


def merge_parameter_sets(
    codec: Codec, known: tuple[bytes, ...], sets: list[bytes]
) -> tuple[bytes, ...]:
    """The sets in force after ``sets`` came: in the order of their types, one per type and id.

    A new sequence parameter set brings its picture parameter sets along; the old ones go.
    """
    sequence, picture = (h265.NAL_SPS, h265.NAL_PPS) if codec is Codec.H265 else (7, 8)
    kinds = {_kind(codec, one) for one in sets if one not in known}
    if sequence in kinds and picture in {_kind(codec, one) for one in sets}:
        known = tuple(one for one in known if _kind(codec, one) != picture)
    by_identity: dict[tuple[int, int], bytes] = {}
    for one in (*known, *sets):
        if len(one) < 4:
            continue
        kind = _kind(codec, one)
        by_identity[kind, _picture_set_id(codec, kind, one)] = one
    ordered = sorted(by_identity.items())[:_PARAMETER_SETS_LIMIT]
    return tuple(one for _, one in ordered)


def _kind(codec: Codec, nal_unit: bytes) -> int:
    if not nal_unit:
        return -1
    return nal_unit[0] >> 1 & 0x3F if codec is Codec.H265 else nal_unit[0] & 0x1F


def _picture_set_id(codec: Codec, kind: int, one: bytes) -> int:
    """A picture parameter set's id; 0 for the others, of which only the newest counts."""
    first = 2 if codec is Codec.H265 else 1
    if kind != (h265.NAL_PPS if codec is Codec.H265 else h264.NAL_PPS):
        return 0
    bits = int.from_bytes(one[first : first + 3].ljust(3, b"\x00"), "big")
    zeros = 24 - bits.bit_length()
    return (bits >> max(24 - 2 * zeros - 1, 0)) - 1


def _track(codec: Codec, sets: tuple[bytes, ...]) -> Track:
    """The Track of these sets, any number of picture parameter sets. Raises CodecError."""
    if codec is Codec.H264:
        if len(sets) < 2:
            raise CodecError("SPS or PPS has not come yet")
        track = h264.track_from_parameter_sets(sets[0], sets[1])
    else:
        if len(sets) < 3:
            raise CodecError("VPS, SPS or PPS has not come yet")
        track = h265.track_from_parameter_sets(sets[0], sets[1], sets[2])
    return dataclasses.replace(track, parameter_sets=sets)


def _known_sets(plan: TrackPlan) -> tuple[bytes, ...]:
    sets = []
    for one in sdp.parameter_sets(plan.format):
        kind = _kind(plan.codec, one)
        if kind in ((32, 33, 34) if plan.codec is Codec.H265 else (7, 8)):
            sets.append(one)
    return merge_parameter_sets(plan.codec, (), sets)


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
