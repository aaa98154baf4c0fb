"""A Stream packetised once for all its RTSP readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from camera_adapters.rtp.packetise import TrackPacketiser, UnitPackets, payload_type
from camera_adapters.stream import AccessUnit, Interruption, Stream, Track

_CANONICAL_NAME = b"gridsight"
_SHORTEST_STEP_90K = 90


class PacketReader(Protocol):
    """One RTSP session that plays. None of its methods may block."""

    def on_packets(self, packets: UnitPackets) -> None:
        """The next access unit."""

    def on_report(self, track_index: int, report: bytes) -> None:
        """A sender report (RTCP compound packet) of one track."""

    def on_ended(self) -> None:
        """Nothing comes any more: the Stream closed, or its formats are no longer those of SDP."""


class PacketisedStream:
    """A Sink that makes each access unit's packets once and hands them to every reader.

    It is attached to its Stream from the first reader to the last, so that an idle Stream can be
    closed by its owner. Sequence numbers and time stamps go on across runs; a run with other
    codecs ends the readers, since their session description no longer holds. With ``replay_gop`` a
    new reader starts with the pictures since the last keyframe, else with the next keyframe.
    """

    def __init__(self, stream: Stream, *, replay_gop: bool, utc_us: Callable[[], int]) -> None:
        self.stream = stream
        self._utc_us = utc_us
        self._replay_gop = replay_gop
        self._packetisers: list[TrackPacketiser] = []
        self._readers: list[PacketReader] = []
        self._gop: list[UnitPackets] = []
        self._run_starts = False
        self._line_90k: int | None = None
        self._last_wall_us = 0

    def describe(self) -> tuple[Track, ...]:
        """The tracks as they are now; empty before the first run."""
        return self.stream.tracks

    def packetisers(self) -> list[TrackPacketiser]:
        """One for each track, made at the first call of a format."""
        self._match_tracks(self.stream.tracks)
        return self._packetisers

    def attach(self, reader: PacketReader) -> None:
        """Add a reader. Raises RuntimeError when the Stream is closed."""
        first = not self._readers
        self._readers = [*self._readers, reader]
        if first:
            self._gop = []
            self._run_starts = True
            try:
                self.stream.attach(self, replay_gop=self._replay_gop)
            except RuntimeError:
                self._readers = []
                raise
        elif self._replay_gop:
            for packets in self._gop:
                reader.on_packets(packets)

    def detach(self, reader: PacketReader) -> None:
        """Remove a reader; unknown ones are ignored."""
        if reader in self._readers:
            self._readers = [other for other in self._readers if other is not reader]
            if not self._readers:
                self._gop = []
                self.stream.detach(self)

    def send_reports(self) -> None:
        """Give every reader a sender report of every track."""
        for packetiser in self._packetisers:
            report = self._report(packetiser)
            if report is not None:
                for reader in self._readers:
                    reader.on_report(packetiser.track_index, report)

    def report_to(self, reader: PacketReader, track_index: int) -> None:
        """Give one reader the sender report of a track, so that it knows the wall clock at once."""
        if track_index < len(self._packetisers):
            report = self._report(self._packetisers[track_index])
            if report is not None:
                reader.on_report(track_index, report)

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._run_starts = True
        self._gop = []
        if not self._match_tracks(tracks):
            self._end_readers()

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        if unit.track_index >= len(self._packetisers):
            return
        if self._run_starts:
            self._place_run(unit)
        packetiser = self._packetisers[unit.track_index]
        packets = packetiser.packetise(unit)
        line_90k = packetiser.line_90k(unit.pts_90k)
        self._line_90k = max(self._line_90k or 0, line_90k)
        self._last_wall_us = unit.wall_us
        if self._replay_gop:
            self._remember(packets, starts_gop=unit.keyframe and packetiser.track.kind == "video")
        for reader in self._readers:
            reader.on_packets(packets)

    def on_interrupted(self, interruption: Interruption) -> None:
        """See :class:`camera_adapters.stream.Sink`. Readers stay: a new run will follow."""
        self._gop = []

    def on_closed(self) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._end_readers()

    def _place_run(self, unit: AccessUnit) -> None:
        """Let the run's first unit follow the last run's end by as much as the wall clock says."""
        self._run_starts = False
        start_90k = 0
        if self._line_90k is not None:
            elapsed_90k = (unit.wall_us - self._last_wall_us) * 9 // 100
            start_90k = self._line_90k + max(elapsed_90k, _SHORTEST_STEP_90K)
        offset_90k = start_90k - unit.pts_90k
        for packetiser, track in zip(self._packetisers, self.stream.tracks, strict=True):
            packetiser.start_run(track, offset_90k)

    def _remember(self, packets: UnitPackets, *, starts_gop: bool) -> None:
        if starts_gop:
            self._gop = [packets]
        elif self._gop:
            self._gop.append(packets)

    def _match_tracks(self, tracks: tuple[Track, ...]) -> bool:
        """Keep the packetisers where the formats' shape is the same; else make new ones."""
        if [_shape(one.track, one.track_index) for one in self._packetisers] == [
            _shape(track, index) for index, track in enumerate(tracks)
        ]:
            for packetiser, track in zip(self._packetisers, tracks, strict=True):
                packetiser.track = track
            return True
        had_some = bool(self._packetisers)
        self._packetisers = [TrackPacketiser(track, index) for index, track in enumerate(tracks)]
        self._line_90k = None
        return not had_some

    def _report(self, packetiser: TrackPacketiser) -> bytes | None:
        return packetiser.sender_report(_CANONICAL_NAME, self._utc_us())

    def _end_readers(self) -> None:
        readers, self._readers = self._readers, []
        self._gop = []
        self.stream.detach(self)
        for reader in readers:
            reader.on_ended()


def _shape(track: Track, index: int) -> tuple[object, ...]:
    audio_setup = track.parameter_sets if track.kind == "audio" else ()
    return (track.codec, track.clock_rate, track.channels, payload_type(track, index), audio_setup)
