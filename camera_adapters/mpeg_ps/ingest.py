"""From RTP packets that carry a program stream to a Stream (GB/T 28181-2016 Annex C).

The policy for losses is that of :mod:`camera_adapters.rtp.ingest`: a picture with a hole is dropped
and counted; a keyframe with one interrupts the Stream until the next keyframe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from camera_adapters.codecs import h264
from camera_adapters.mpeg_ps.demultiplex import Demultiplexer, Unit
from camera_adapters.mpeg_ps.packets import (
    CODECS,
    FIRST_AUDIO,
    FIRST_VIDEO,
    LAST_AUDIO,
    LAST_VIDEO,
    PACK_START,
    PesPacket,
    ProgramMap,
    name_of,
)
from camera_adapters.mpeg_ps.pictures import PictureAssembler, TimedPicture
from camera_adapters.mpeg_ps.sound import SoundAssembler
from camera_adapters.mpeg_ps.times import PictureTimes
from camera_adapters.rtp import rtcp
from camera_adapters.rtp.clocks import CameraClock, TrackClock
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.opening import Opening
from camera_adapters.rtp.pictures import Picture
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.stream import Codec, Stream, Track
from camera_adapters.stream_runs import StreamRuns

CLOCK_RATE = 90_000
# Sound whose time is farther than this from the picture's is on another clock.
_SAME_CLOCK_90K = 10 * CLOCK_RATE


@dataclass(slots=True)
class ProgramFacts:
    """What is worth telling of a program stream, beyond its Tracks.

    ``has_map``: a program stream map came. ``codec_guessed``: the video's codec was told from its
    bytes, since the map was missing or wrong; ``sound_guessed`` likewise. ``unsupported_video`` and
    ``unsupported_sound`` name what the gateway does not carry. ``times_by_rtp``: the PES packets'
    times were useless.
    """

    has_map: bool = False
    codec_guessed: bool = False
    sound_guessed: bool = False
    unsupported_video: str = ""
    unsupported_sound: str = ""
    times_by_rtp: bool = False


class PsIngest:
    """Feeds ``stream`` from one RTP source. Give packets to ``receivers[0]``, RTCP to
    :meth:`receive_rtcp`; the rest is as :class:`camera_adapters.rtp.ingest.Ingest` has it.
    """

    def __init__(
        self,
        stream: Stream,
        camera_clock: CameraClock,
        *,
        payload_type: int = 96,
        reordering: bool,
        framing: int = 4,
        on_run: Callable[[], None] | None = None,
    ) -> None:
        self.facts = ProgramFacts()
        self._camera_clock = camera_clock
        self._clock = TrackClock(CLOCK_RATE)
        self._sound_clock = TrackClock(CLOCK_RATE)
        self._opening = Opening([self._clock], lambda: None)
        self.receivers = [
            RtpReceiver(
                payload_type,
                CLOCK_RATE,
                self._on_group,
                reordering=reordering,
                framing=framing,
                starts_picture=_starts_pack,
            )
        ]
        self._runs = StreamRuns(
            stream, Codec.H264, camera_clock, on_format=self._on_format, on_run=on_run
        )
        self.counters = self._runs.counters
        self._demultiplexer = Demultiplexer()
        self._pictures = PictureAssembler()
        self._sound = SoundAssembler()
        self._times = PictureTimes()
        self._video_id = -1
        self._audio_id = -1
        self._map: ProgramMap | None = None
        self._early_report: tuple[int, int] | None = None
        self._last_timestamp = -1
        self._line_90k_less_rtp = 0
        self._placed = False

    @property
    def video_track(self) -> Track | None:
        """The format of the pictures, once it is known."""
        return self._runs.video_track

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._runs.running

    @property
    def settled(self) -> bool:
        """False while the first pictures are held, until it is known which instant they show."""
        return self._opening.settled

    def receive_rtcp(self, index: int, data: bytes, now_us: int) -> bool:
        """Take a compound packet; True when the source says goodbye. Raises nothing."""
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
                    self._note_report(packet.rtp_timestamp, our_us)
            elif isinstance(packet, rtcp.Goodbye) and receiver.ssrc in packet.ssrcs:
                return True
        return False

    def build_receiver_report(self, index: int, ssrc: int, now_us: int) -> bytes | None:
        """The report for the source; None before its first packet."""
        block = self.receivers[index].report_block(now_us)
        return None if block is None else rtcp.build_receiver_report(ssrc, [block], "gridsight")

    def expire(self, now_us: int) -> None:
        """Call every 50 ms or so, over UDP or while not ``settled``: gives up waiting."""
        self.receivers[0].expire(now_us)
        self._opening.expire(now_us)

    def close(self) -> None:
        """The connection is over: what is whole goes out; the next run begins behind it."""
        self._opening.close()
        self._runs.close()

    def _note_report(self, rtp_timestamp: int, our_us: int) -> None:
        timestamp = self.receivers[0].unwrap(rtp_timestamp)
        if timestamp is None or not self._placed:
            self._early_report = (rtp_timestamp, our_us)
            return
        self._clock.note_report(timestamp + self._line_90k_less_rtp, our_us)
        if not self._opening.settled:
            self._opening.note_report(0)

    def _on_group(self, group: Group) -> None:
        if group.restarted:
            self._restart()
        bodies = group.bodies
        data = bodies[0] if len(bodies) == 1 else b"".join(bodies)
        if group.hole:
            self._on_hole(data, group)
            return
        demultiplexer = self._demultiplexer
        if group.after_gap and not self._go_on_behind_gap(data):
            return
        begins = group.after_gap or group.timestamp != self._last_timestamp
        self._last_timestamp = group.timestamp
        units = demultiplexer.receive(data, begins_packet=begins)
        made = self._take(units, group)
        made += self._take(demultiplexer.flush(), group)
        if not demultiplexer.inside_packet:
            made += self._pictures.end_of_picture()
        if made:
            self._show(made, group)

    def _restart(self) -> None:
        self._demultiplexer.lose()
        self._pictures.lose()
        self._sound.lose()
        self._clock.restart()
        self._sound_clock.restart()
        self._times.restart()
        self._placed = False

    def _on_hole(self, data: bytes, group: Group) -> None:
        """Packets inside this picture are missing: it is of no use, nor is what was open."""
        self._finish_pending(group)
        self._demultiplexer.lose()
        self._sound.lose()
        self._pictures.lose()
        self._drop(self._pictures.is_keyframe_part(data), group)

    def _go_on_behind_gap(self, data: bytes) -> bool:
        """Packets before this picture are missing; False when they were its own first ones."""
        self._demultiplexer.lose()
        self._sound.lose()
        if self._pictures.pending and not self._pictures.pending_is_whole:
            self._pictures.lose()
            self._runs.drop(False)
        if data.startswith(PACK_START):
            return True
        self._pictures.lose()
        self._runs.drop(self._pictures.is_keyframe_part(data))
        return False

    def _finish_pending(self, group: Group) -> None:
        if self._pictures.pending_is_whole:
            made = self._pictures.flush()
            if made:
                self._show(made, group)

    def _take(self, units: list[Unit], group: Group) -> list[TimedPicture]:
        made: list[TimedPicture] = []
        for unit in units:
            if isinstance(unit, ProgramMap):
                self._on_map(unit)
            elif unit.is_video:
                if self._video_id < 0:
                    self._video_id = unit.stream_id
                if unit.stream_id == self._video_id and not self.facts.unsupported_video:
                    made += self._pictures.take(unit)
            else:
                if self._audio_id < 0:
                    self._audio_id = unit.stream_id
                if unit.stream_id == self._audio_id:
                    self._on_sound(unit, group)
        return made

    def _on_map(self, found: ProgramMap) -> None:
        if self._map is not None and self._map.streams == found.streams:
            return
        self._map = found
        facts = self.facts
        facts.has_map = True
        facts.unsupported_video = ""
        videos = {one: kind for one, kind in found.streams.items() if _is_video_id(one)}
        sounds = {one: kind for one, kind in found.streams.items() if _is_audio_id(one)}
        if videos:
            # The first that the gateway carries, else the first.
            self._video_id = next((one for one, kind in videos.items() if kind in CODECS), -1)
            if self._video_id < 0:
                facts.unsupported_video = name_of(next(iter(videos.values())))
                self._video_id = next(iter(videos))
            else:
                self._pictures.declare(CODECS[videos[self._video_id]])  # type: ignore[index]
        if sounds:
            self._audio_id = next((one for one, kind in sounds.items() if kind in CODECS), -1)
            if self._audio_id < 0:
                self._audio_id = next(iter(sounds))
            self._sound.declare(sounds[self._audio_id])
            facts.unsupported_sound = ""

    def _show(self, made: list[TimedPicture], group: Group) -> None:
        pictures, facts = self._pictures, self.facts
        if pictures.codec is not None:
            self._runs.change_codec(pictures.codec)
        facts.codec_guessed = pictures.guessed
        for one in made:
            picture = one.picture
            timestamp = self._times.timestamp(one.pts, group.timestamp)
            self._line_90k_less_rtp = timestamp - group.timestamp
            if not self._placed:
                self._place_first()
            if group.after_gap and picture.order == 0 and picture.continues:
                picture.damaged = True
            if self._opening.settled:
                self._put(picture, timestamp, group.arrival_us)
            else:
                self._hold(picture, timestamp, group.arrival_us)
        facts.times_by_rtp = self._times.by_rtp

    def _place_first(self) -> None:
        """Now an RTP timestamp can be put on the pictures' line: so can an earlier report."""
        self._placed = True
        if self._early_report is not None:
            report, self._early_report = self._early_report, None
            self._note_report(*report)

    def _put(self, picture: Picture, timestamp: int, arrival_us: int) -> None:
        if picture.damaged:
            self._runs.drop(picture.keyframe)
        else:
            self._runs.picture(picture, self._clock.line_us(timestamp, arrival_us))

    def _hold(self, picture: Picture, timestamp: int, arrival_us: int) -> None:
        def take(held: Group) -> None:
            self._put(picture, timestamp, held.arrival_us)

        self._opening.taker(0, take)(_held(picture.payload, timestamp, arrival_us))

    def _drop(self, keyframe: bool, group: Group) -> None:
        picture = Picture(b"", keyframe, [], True)
        if self._opening.settled or self._times.last < 0:
            self._runs.drop(keyframe)
        else:
            self._hold(picture, self._times.last, group.arrival_us)

    def _on_sound(self, packet: PesPacket, group: Group) -> None:
        sound = self._sound
        frames = sound.take(packet.payload)
        self.facts.unsupported_sound = sound.unsupported
        self.facts.sound_guessed = sound.guessed
        if not frames or sound.track is None:
            return
        self._runs.change_audio((sound.track,))
        if not self._placed:
            return
        if packet.pts is None or self._times.by_rtp:
            timestamp = group.timestamp + self._line_90k_less_rtp
        else:
            timestamp = self._times.beside(packet.pts)
        for frame in frames:
            if self._opening.settled:
                self._put_sound(frame.payload, timestamp, frame.offset_us, group.arrival_us)
            else:
                self._hold_sound(frame.payload, timestamp, frame.offset_us, group.arrival_us)

    def _put_sound(self, payload: bytes, timestamp: int, offset_us: int, arrival_us: int) -> None:
        if abs(timestamp - self._times.last) <= _SAME_CLOCK_90K:
            line_us = self._clock.beside_us(timestamp)
        else:
            line_us = self._sound_clock.line_us(timestamp, arrival_us)
        self._runs.sound(payload, line_us + offset_us)

    def _hold_sound(self, payload: bytes, timestamp: int, offset_us: int, arrival_us: int) -> None:
        def take(held: Group) -> None:
            self._put_sound(payload, timestamp, offset_us, held.arrival_us)

        self._opening.taker(0, take)(_held(payload, timestamp, arrival_us))

    def _on_format(self, track: Track) -> None:
        if track.codec is Codec.H264:
            interlaced = h264.parse_sps(track.parameter_sets[0]).interlaced
            self._pictures.splits = not interlaced


def _held(payload: bytes, timestamp: int, arrival_us: int) -> Group:
    return Group(0, [], [payload], timestamp, False, False, False, False, arrival_us)


def _is_video_id(stream_id: int) -> bool:
    return FIRST_VIDEO <= stream_id <= LAST_VIDEO


def _is_audio_id(stream_id: int) -> bool:
    return FIRST_AUDIO <= stream_id <= LAST_AUDIO


def _starts_pack(payload: bytes) -> bool:
    return payload.startswith(PACK_START)
