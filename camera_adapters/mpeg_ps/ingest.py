"""From RTP packets that carry a program stream to a Stream (GB/T 28181-2016 Annex C).

The policy for losses is that of :mod:`camera_adapters.rtp.ingest`: a picture with a hole is dropped
and counted; a keyframe with one interrupts the Stream until the next keyframe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from camera_adapters.codecs import h264
from camera_adapters.mpeg_ps.demultiplex import Demultiplexer, Unit, begins_with_packet
from camera_adapters.mpeg_ps.packets import (
    CODECS,
    FIRST_AUDIO,
    FIRST_VIDEO,
    LAST_AUDIO,
    LAST_VIDEO,
    PACK_START,
    PesPacket,
    ProgramMap,
    StreamType,
    name_of,
)
from camera_adapters.mpeg_ps.pictures import PictureAssembler, TimedPicture
from camera_adapters.mpeg_ps.sound import SoundAssembler
from camera_adapters.mpeg_ps.times import PictureTimes
from camera_adapters.rtp.group import Group
from camera_adapters.rtp.pictures import Picture
from camera_adapters.rtp.receiver import RtpReceiver
from camera_adapters.stream import Codec, Track
from camera_adapters.stream_runs import RunCounters

CLOCK_RATE = 90_000


class PictureTaker(Protocol):
    """What pictures and sound go to: :class:`~camera_adapters.media_ingest.MediaIngest` for live
    media; what places a recording's pictures for those.
    """

    counters: RunCounters

    @property
    def video_track(self) -> Track | None:
        """The format of the pictures, once it is known."""

    def coded(self, codec: Codec, picture: Picture, pts_90k: int, arrival_us: int) -> None:
        """The next picture; a damaged one is counted, and not shown."""

    def sound(self, track: Track, payload: bytes, pts_90k: int, arrival_us: int) -> None:
        """The next sound frame."""

    def note_report(self, pts_90k: int, our_us: int) -> None:
        """The sender says when, in our time, something was captured."""

    def restart_clock(self) -> None:
        """The next time has no relation to the last."""


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


class PsFeed:
    """Feeds ``ingest`` from one RTP source: give its packets to :attr:`receiver`.

    ``framing`` is that of TCP (:class:`~camera_adapters.rtp.receiver.RtpReceiver`); ``reordering``
    is for UDP, where the receiver's ``expire`` is called every 50 ms or so. Raises nothing,
    whatever comes.
    """

    def __init__(
        self,
        ingest: PictureTaker,
        *,
        payload_type: int = 96,
        reordering: bool,
        framing: int = 4,
    ) -> None:
        self.facts = ProgramFacts()
        self.receiver = RtpReceiver(
            payload_type,
            CLOCK_RATE,
            self._on_group,
            reordering=reordering,
            framing=framing,
            starts_picture=_starts_pack,
        )
        self._ingest = ingest
        self._demultiplexer = Demultiplexer()
        self._pictures = PictureAssembler()
        self._sound = SoundAssembler()
        self._times = PictureTimes()
        self._video_id = -1
        self._audio_id = -1
        self._map: ProgramMap | None = None
        self._early_report: tuple[int, int] | None = None
        self._last_timestamp = -1
        # RTP timestamp and arrival of the newest group.
        self._last = (0, 0)
        self._line_less_rtp_90k: int | None = None
        self._track: Track | None = None

    @property
    def recognised(self) -> bool:
        """Whether anything of a program stream has been found yet."""
        return self.facts.has_map or self._demultiplexer.counters.packets > 0

    def note_report(self, rtp_timestamp: int, our_us: int) -> None:
        """A sender report says that this RTP timestamp was at ``our_us``."""
        timestamp = self.receiver.unwrap(rtp_timestamp)
        if timestamp is None or self._line_less_rtp_90k is None:
            self._early_report = (rtp_timestamp, our_us)
        else:
            self._ingest.note_report(timestamp + self._line_less_rtp_90k, our_us)

    def close(self) -> None:
        """Nothing more comes: what is held, and whole, goes out."""
        made = self._pictures.flush()
        if made:
            for one in made:
                self._show_one(one, *self._last, after_gap=False)

    def _on_group(self, group: Group) -> None:
        if group.restarted:
            self._restart()
        bodies = group.bodies
        data = bodies[0] if len(bodies) == 1 else b"".join(bodies)
        if group.hole:
            self._on_hole(data, group)
            return
        if group.after_gap and not self._goes_on_behind_gap(data, group):
            return
        demultiplexer = self._demultiplexer
        earlier = self._last if self._pictures.pending else None
        self._last = (group.timestamp, group.arrival_us)
        begins = group.after_gap or group.timestamp != self._last_timestamp
        self._last_timestamp = group.timestamp
        self._pictures.same_timestamp = not begins
        made = self._take(demultiplexer.receive(data, begins_packet=begins), group)
        made += self._take(demultiplexer.flush(), group)
        if earlier is not None and made:
            # Only now is it known that it ended with what came before.
            self._show_one(made.pop(0), *earlier, after_gap=False)
        if not demultiplexer.inside_packet:
            made += self._pictures.end_of_picture()
        if self._pictures.marker_lied:
            # From now on timestamps divide the pictures.
            self.receiver.ends_on_marker = False
        if made:
            self._show(made, group)

    def _restart(self) -> None:
        self._forget()
        self._times.restart()
        self._line_less_rtp_90k = None
        self._ingest.restart_clock()

    def _forget(self) -> None:
        self._demultiplexer.lose()
        self._sound.lose()
        self._pictures.lose()

    def _on_hole(self, data: bytes, group: Group) -> None:
        """Packets inside this picture are missing: it is of no use, nor is what was open."""
        self._show_pending()
        self._forget()
        self._drop(self._pictures.is_keyframe_part(data), group)

    def _show_pending(self) -> bool:
        """What came whole before a gap is shown; whether there was any."""
        if not self._pictures.pending_is_whole:
            return False
        for one in self._pictures.flush():
            self._show_one(one, *self._last, after_gap=False)
        return True

    def _goes_on_behind_gap(self, data: bytes, group: Group) -> bool:
        """Packets before this picture are missing; False when they were its own first ones."""
        if not self._show_pending() and self._pictures.pending:
            self._drop(False, group)
        self._forget()
        if begins_with_packet(data):
            return True
        self._drop(self._pictures.is_keyframe_part(data), group)
        return False

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
        facts.unsupported_video = facts.unsupported_sound = ""
        # The first that the gateway carries, else the first.
        self._video_id, kind = _chosen(found, FIRST_VIDEO, LAST_VIDEO)
        codec = CODECS.get(StreamType(kind)) if kind in CODECS else None
        if codec is not None:
            self._pictures.declare(codec)
        elif kind:
            facts.unsupported_video = name_of(kind)
        self._audio_id, kind = _chosen(found, FIRST_AUDIO, LAST_AUDIO)
        if kind:
            self._sound.declare(kind)

    def _show(self, made: list[TimedPicture], group: Group) -> None:
        for one in made:
            self._show_one(one, group.timestamp, group.arrival_us, after_gap=group.after_gap)

    def _show_one(
        self, one: TimedPicture, rtp_timestamp: int, arrival_us: int, *, after_gap: bool
    ) -> None:
        picture, facts = one.picture, self.facts
        timestamp = self._times.timestamp(one.pts, rtp_timestamp)
        self._line_less_rtp_90k = timestamp - rtp_timestamp
        if self._early_report is not None:
            report, self._early_report = self._early_report, None
            self.note_report(*report)
        if after_gap and picture.order == 0 and picture.continues:
            picture.damaged = True
        self._ingest.coded(self._pictures.codec or Codec.H264, picture, timestamp, arrival_us)
        facts.codec_guessed = self._pictures.guessed
        facts.times_by_rtp = self._times.by_rtp
        if self._ingest.video_track is not self._track:
            self._note_format(self._ingest.video_track)

    def _drop(self, keyframe: bool, group: Group) -> None:
        if self._times.last < 0:
            # Nothing has been placed yet that could be interrupted.
            self._ingest.counters.damaged += 1
            return
        codec = self._pictures.codec or Codec.H264
        picture = Picture(b"", keyframe, [], True)
        self._ingest.coded(codec, picture, self._times.last, group.arrival_us)

    def _on_sound(self, packet: PesPacket, group: Group) -> None:
        sound = self._sound
        frames = sound.take(packet.payload)
        self.facts.unsupported_sound = sound.unsupported
        self.facts.sound_guessed = sound.guessed
        if not frames or sound.track is None or self._line_less_rtp_90k is None:
            return
        if packet.pts is None or self._times.by_rtp:
            timestamp = group.timestamp + self._line_less_rtp_90k
        else:
            timestamp = self._times.beside(packet.pts)
        for frame in frames:
            self._ingest.sound(
                sound.track, frame.payload, timestamp + frame.offset_90k, group.arrival_us
            )

    def _note_format(self, track: Track | None) -> None:
        self._track = track
        if track is not None and track.codec is Codec.H264:
            self._pictures.splits = not h264.parse_sps(track.parameter_sets[0]).interlaced


def _chosen(found: ProgramMap, first: int, last: int) -> tuple[int, int]:
    """The stream to take among these ids, and its type; (-1, 0) when there is none."""
    streams = [(one, kind) for one, kind in found.streams.items() if first <= one <= last]
    carried = [(one, kind) for one, kind in streams if kind in CODECS]
    return (carried or streams or [(-1, 0)])[0]


def _starts_pack(payload: bytes) -> bool:
    return payload.startswith(PACK_START)
