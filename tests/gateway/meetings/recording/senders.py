"""Participants that send, without a network: what they filmed, as groups for a tap."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle

from camera_adapters.rtp.group import Group
from camera_adapters.rtp.packetise_h264 import payloads
from camera_adapters.stream import AccessUnit, Codec, Interruption, Track

START_US = 1_793_491_200_000_000
PICTURE_US = 40_000
PACKET_US = 20_000

Tap = Callable[[Group], None]


@dataclass(eq=False)
class Sender:
    """What every sender has: taps, and the wish for a keyframe. ``delay_us``: how late it comes."""

    codec: Codec = Codec.H264
    delay_us: int = 0
    ticks: int = 12345
    taps: list[Tap] = field(default_factory=list)
    wishes: int = 0

    def attach(self, tap: Tap) -> None:
        self.taps.append(tap)

    def detach(self, tap: Tap) -> None:
        if tap in self.taps:
            self.taps.remove(tap)

    def want_keyframe(self) -> None:
        self.wishes += 1

    def give(self, group: Group) -> None:
        for tap in tuple(self.taps):
            tap(group)


@dataclass(eq=False)
class Camera(Sender):
    """A camera with an encoder of a browser: a keyframe only when somebody asks for one.

    ``film`` is real footage, GOP by GOP: asked for a keyframe it goes on with the next GOP.
    """

    track: Track | None = field(default=None, repr=False)
    film: list[list[AccessUnit]] = field(default_factory=list, repr=False)
    sent: int = 0
    keyframes: int = 0
    answers: bool = True
    _playing: Iterator[AccessUnit] | None = None
    _gops: Iterator[list[AccessUnit]] | None = None
    _answered: int = 0

    def send(self, at_us: int, *, hole: bool = False) -> None:
        """One picture, filmed at ``at_us``."""
        assert self.track is not None
        unit = self._next()
        parts = payloads(unit.payload, self.track.parameter_sets if unit.keyframe else (), 1200)
        whole = [bytes(head) + bytes(body) for head, body in parts]
        self.sent += 1
        self.keyframes += unit.keyframe
        self.give(
            Group(
                2,
                [struct.unpack("!H", one[:2])[0] for one in whole],
                [one[2:] for one in whole],
                self.ticks + (at_us - START_US) * 9 // 100,
                True,
                hole,
                False,
                False,
                at_us + self.delay_us,
            )
        )

    def _next(self) -> AccessUnit:
        if self._gops is None:
            self._gops = cycle(self.film)
        wanted = self.answers and self.wishes > self._answered
        unit = None if wanted or self._playing is None else next(self._playing, None)
        if unit is None:
            self._answered = self.wishes
            self._playing = iter(next(self._gops))
            unit = next(self._playing)
        return unit


@dataclass(eq=False)
class Microphone(Sender):
    """A microphone: a packet of Opus each 20 ms, told apart by its ``name``."""

    codec: Codec = Codec.OPUS
    name: bytes = b"voice"
    sent: int = 0

    def send(self, at_us: int) -> None:
        """One packet, of the 20 ms from ``at_us`` on."""
        # A frame of 20 ms by its table of contents (RFC 6716 §3.1: SILK, wideband, mono).
        body = b"\x48" + self.name + self.sent.to_bytes(4, "big")
        self.sent += 1
        ticks = self.ticks + (at_us - START_US) * 48 // 1000
        at = at_us + self.delay_us
        self.give(Group(0, [], [body], ticks, False, False, False, False, at))


@dataclass
class Sink:
    """What a Stream gave, as a recorder would see it."""

    runs: list[tuple[Track, ...]] = field(default_factory=list)
    units: list[tuple[int, AccessUnit]] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    closed: bool = False

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self.runs.append(tracks)

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.units.append((len(self.runs), unit))

    def on_interrupted(self, interruption: Interruption) -> None:
        self.interruptions.append(interruption)

    def on_closed(self) -> None:
        self.closed = True

    def pictures(self) -> list[AccessUnit]:
        return [unit for run, unit in self.units if self._kind(run, unit) == "video"]

    def sounds(self) -> list[AccessUnit]:
        return [unit for run, unit in self.units if self._kind(run, unit) == "audio"]

    def _kind(self, run: int, unit: AccessUnit) -> str:
        return self.runs[run - 1][unit.track_index].kind


def gops_of(units: list[AccessUnit]) -> list[list[AccessUnit]]:
    """Pictures, GOP by GOP."""
    gops: list[list[AccessUnit]] = []
    for unit in units:
        if unit.keyframe:
            gops.append([])
        gops[-1].append(unit)
    return gops
