"""A Stream sent as GB/T 28181 wants it: a program stream in RTP (Annex C); and voice, as G.711.

:class:`PsSender` is a Sink: signalling's cascade attaches it to the variant that the other side may
see. A receiver that is slow gets fewer pictures, whole GOPs being left out, and no one else waits.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Callable

from camera_adapters.codecs import CodecError
from camera_adapters.gb28181.media_sending import MediaSending, MediaTarget
from camera_adapters.mpeg_ps.multiplex import PsMultiplexer
from camera_adapters.stream import AccessUnit, Codec, Interruption, Track

PAYLOAD_BYTES = 1400
_HEADER = struct.Struct(">BBHII")
# 20 ms of G.711: what every device takes at once.
_TALK_FRAME_BYTES = 160
PCMA_PAYLOAD_TYPE = 8


class RtpCutter:
    """Cuts what belongs to one timestamp into RTP packets (RFC 3550 §5.1)."""

    def __init__(self, ssrc: int, payload_type: int) -> None:
        self._ssrc = ssrc & 0xFFFF_FFFF
        self._payload_type = payload_type & 0x7F
        self._sequence = secrets.randbits(16)

    def packets(self, data: bytes, timestamp: int, *, marker: bool = True) -> list[bytes]:
        """The packets, the last of them with the marker."""
        made: list[bytes] = []
        sequence, payload_type, ssrc = self._sequence, self._payload_type, self._ssrc
        timestamp &= 0xFFFF_FFFF
        last = len(data) - PAYLOAD_BYTES if marker else len(data)
        for start in range(0, len(data), PAYLOAD_BYTES):
            second = payload_type | (0x80 if start >= last else 0)
            head = _HEADER.pack(0x80, second, sequence, timestamp, ssrc)
            made.append(head + data[start : start + PAYLOAD_BYTES])
            sequence = (sequence + 1) & 0xFFFF
        self._sequence = sequence
        return made


class PsSender:
    """Sends what it is given over ``sending``, from the next keyframe on.

    ``may_send`` is asked before each picture: as soon as it says no, nothing goes out any more (a
    mask was drawn meanwhile). ``on_over`` is called when the Stream ends for good. ``first_us`` and
    ``last_us`` are the wall clocks of what was really sent, ``skipped`` the pictures left out.
    """

    def __init__(
        self,
        sending: MediaSending,
        target: MediaTarget,
        *,
        may_send: Callable[[], bool] = lambda: True,
        on_over: Callable[[], None] = lambda: None,
    ) -> None:
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.skipped = 0
        self.left_out: tuple[Codec, ...] = ()
        self._sending = sending
        self._cutter = RtpCutter(target.ssrc, target.payload_type)
        self._may_send = may_send
        self._on_over = on_over
        self._multiplexer: PsMultiplexer | None = None
        self._tracks: tuple[Track, ...] = ()
        self._needs_keyframe = True
        self._base_90k = secrets.randbits(24)
        self._last_90k = self._base_90k

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See :class:`~camera_adapters.stream.Sink`."""
        self._tracks = tracks
        self._multiplexer = None
        self._needs_keyframe = True

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See :class:`~camera_adapters.stream.Sink`."""
        if not self._may_send():
            return
        is_video = self._tracks[unit.track_index].kind == "video"
        if not self._sending.ready or self._sending.congested:
            self._needs_keyframe = True
        if self._needs_keyframe:
            if not (is_video and unit.keyframe) or self._sending.congested:
                self.skipped += is_video
                return
            self._needs_keyframe = False
        self._send(unit)

    def on_interrupted(self, interruption: Interruption) -> None:
        """See :class:`~camera_adapters.stream.Sink`: the receiver waits for the next run."""
        self._needs_keyframe = True

    def on_closed(self) -> None:
        """See :class:`~camera_adapters.stream.Sink`."""
        self._on_over()

    def _send(self, unit: AccessUnit) -> None:
        multiplexer = self._multiplexer or self._begin(unit)
        try:
            data = multiplexer.multiplex(unit)
        except CodecError:
            self.skipped += 1
            return
        if not data:
            return
        at_90k = unit.pts_90k + self._base_90k
        self._sending.send(self._cutter.packets(data, at_90k))
        self._last_90k = max(self._last_90k, at_90k)
        if self.first_us is None:
            self.first_us = unit.wall_us
        self.last_us = unit.wall_us

    def _begin(self, unit: AccessUnit) -> PsMultiplexer:
        """A run's times begin anew; on the wire they go on, as far as the clock on the wall did."""
        if self.last_us is not None:
            gap_90k = max((unit.wall_us - self.last_us) * 9 // 100, 900)
            self._base_90k = self._last_90k + min(gap_90k, 3600 * 90_000) - unit.pts_90k
        made = PsMultiplexer(self._tracks, base_90k=self._base_90k)
        self.left_out = made.left_out
        self._multiplexer = made
        return made


class TalkSender:
    """Voice to a device: G.711 A-law at 8 kHz, in RTP of its own (RFC 3551 §4.5.14), or in a
    program stream where ``in_program_stream`` (GB/T 28181-2016 §9.12, §C.2.5).
    """

    def __init__(
        self, sending: MediaSending, target: MediaTarget, *, in_program_stream: bool = False
    ) -> None:
        self._sending = sending
        self._cutter = RtpCutter(
            target.ssrc, target.payload_type if in_program_stream else PCMA_PAYLOAD_TYPE
        )
        track = Track("audio", Codec.PCMA, 8000, channels=1)
        self._multiplexer = PsMultiplexer([track]) if in_program_stream else None
        self._samples = 0
        self._rest = b""

    def send(self, samples: bytes) -> None:
        """Send A-law samples as they come from the microphone; never queued behind a slow peer."""
        if not self._sending.ready or self._sending.congested:
            return
        data = self._rest + samples
        whole = len(data) - len(data) % _TALK_FRAME_BYTES
        for start in range(0, whole, _TALK_FRAME_BYTES):
            self._send_frame(data[start : start + _TALK_FRAME_BYTES])
        self._rest = data[whole:]

    def _send_frame(self, frame: bytes) -> None:
        if self._multiplexer is None:
            packets = self._cutter.packets(frame, self._samples, marker=self._samples == 0)
        else:
            at_90k = self._samples * 90 // 8
            unit = AccessUnit(0, frame, at_90k, at_90k, True, 0)
            # Sound has no keyframes: the map comes once a second.
            data = self._multiplexer.multiplex(unit, with_map=self._samples % 8000 == 0)
            packets = self._cutter.packets(data, at_90k)
        self._sending.send(packets)
        self._samples += len(frame)
