"""Coded pictures of one camera in, the few that are worth a detector's time out."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from av.video.frame import VideoFrame

from camera_adapters.stream import AccessUnit, Track
from search.objects import Frame
from search.sampling.decoding import (
    PictureDecoder,
    Undecodable,
    is_monochrome,
    small_luma,
    to_picture,
)
from search.sampling.gop_gate import GopGate
from search.sampling.picture_gate import PictureGate, Verdict

# While nothing moves: no more keyframes than this are decoded, and one is handed on so often.
LOOK_EVERY_US = 1_800_000
STILL_EVERY_US = 10_000_000
LINGERING_EVERY_US = 2_000_000
# Once something was seen: for so long pictures are decoded, and handed on at the full rate.
_CANDIDATE_US = 1_200_000
_MOVING_US = 2_000_000
_TRAILING_US = 1_000_000
# Sizes say that something moves, pictures do not, for so long: sizes are wrong.
_NOTHING_US = 8_000_000
_BACKWARDS_US = 5_000_000
# A decoder that gives nothing for so many units gives nothing more: none keeps so many back.
_MUTE_UNITS = 32


@dataclass(slots=True)
class SamplerCounters:
    """``units``: coded pictures taken in. ``decoded``: pictures that came out of the decoder.
    ``offered``: looked at by the picture gate. ``passed``: handed on. ``damaged``: units that could
    not be decoded, each with what followed it up to the next keyframe. ``outgrown``: groups of
    pictures too long to be kept back.
    """

    units: int = 0
    decoded: int = 0
    offered: int = 0
    passed: int = 0
    damaged: int = 0
    outgrown: int = 0


@dataclass(frozen=True, slots=True)
class GateWish:
    """What whoever gates this camera's coded pictures should know: hand on everything until
    ``open_until_us`` (in the pictures' time), or, if ``settle``, close.
    """

    open_until_us: int = 0
    settle: bool = False


class FrameSampler:
    """One camera's sampler: 5 pictures a second while something moves, else some keyframes.

    Damaged media raise nothing: they are counted, the next keyframe begins anew, and
    :meth:`take_unseen` says of which time there was no picture. ``gated``: what is pushed went
    through a :class:`GopGate` already (in another process), which should be told :meth:`wish` after
    each push.
    """

    def __init__(
        self,
        camera_id: str,
        *,
        moving_fps: float = 5.0,
        keyframes_only: bool = False,
        gated: bool = False,
    ) -> None:
        self.counters = SamplerCounters()
        self._camera_id = camera_id
        # A little less, so that pictures at just this rate are not every other one left out.
        self._interval_us = round(1e6 / moving_fps * 0.9)
        self._keyframes_only = keyframes_only
        self._gate = None if gated else GopGate()
        self._picture_gate = PictureGate()
        self._tracks: tuple[Track, ...] = ()
        self._track_index = -1
        self._checking: PictureDecoder | None = None
        self._following: PictureDecoder | None = None
        self._keyframe: AccessUnit | None = None
        self._followed = False
        self._wish: GateWish | None = None
        self._candidate: tuple[int, VideoFrame] | None = None
        self._looked_us = 0
        self._passed_us = 0
        self._moved_us = 0
        self._nothing_since_us = 0
        self._shape = (0, 0)
        # The newest unit that was pushed, the newest picture that came out, and since when none
        # can come out of what is pushed.
        self._pushed_us = self._decoded_us = 0
        self._blind_since_us: int | None = None
        self._unseen: list[tuple[int, int]] = []
        self._mute_units = 0

    def start(self, tracks: tuple[Track, ...]) -> None:
        """A run begins with these formats. What is known of the scene stays known."""
        self.skip()
        self._tracks = tracks
        self._track_index = next((n for n, one in enumerate(tracks) if one.kind == "video"), -1)
        self._checking = None
        self._see_again(self._pushed_us + 1)
        self._decoded_us = 0
        if self._gate is not None:
            self._gate.start(tracks)

    def push(self, unit: AccessUnit) -> list[Frame]:
        """Take the next unit in decoding order; return the pictures worth detecting in, in order of
        time. Sound is ignored.
        """
        if self._track_index < 0:
            self._pushed_us = unit.wall_us
            self._go_blind(unit.wall_us)
        if unit.track_index != self._track_index:
            return []
        self._pushed_us = unit.wall_us
        if self._blind_since_us is not None:  # clocks are set back, too
            self._blind_since_us = min(self._blind_since_us, unit.wall_us)
        self.counters.units += 1
        if self._keyframes_only:
            due: Sequence[AccessUnit] = (unit,) if unit.keyframe else ()
        elif self._gate is not None:
            due = self._gate.push(unit)
            if self._gate.outgrown > self.counters.outgrown:
                self.counters.outgrown = self._gate.outgrown
                self._go_blind(self._decoded_us + 1 if self._decoded_us else unit.wall_us)
        else:
            due = (unit,)
        frames: list[Frame] = []
        for one in due:
            frames += self._take(one)
        return frames

    def skip(self) -> None:
        """Units were lost on the way here: wait for the next keyframe."""
        self._following = None
        self._keyframe = None
        self._followed = False
        self._candidate = None
        self._mute_units = 0

    def take_unseen(self) -> list[tuple[int, int]]:
        """Of which times, since this was asked last, there was no picture: [start, end) in UTC
        microseconds, of what was pushed so far. Damaged, of no codec that is known, or without the
        keyframe before it.
        """
        unseen, self._unseen = self._unseen, []
        if self._blind_since_us is not None and self._pushed_us >= self._blind_since_us:
            unseen.append((self._blind_since_us, self._pushed_us + 1))
            self._blind_since_us = self._pushed_us + 1
        return unseen

    def flush(self) -> list[Frame]:
        """The end: what the decoder still holds. The next unit must be a keyframe."""
        frames = self._end_following()
        self.skip()
        return frames

    def close(self) -> None:
        """Let go of decoders and pictures."""
        self.skip()
        self._checking = None
        self._picture_gate = PictureGate()

    def wish(self) -> GateWish | None:
        """What the gate before this sampler should be told, once; None: nothing new."""
        wish, self._wish = self._wish, None
        return wish

    def _take(self, unit: AccessUnit) -> list[Frame]:
        try:
            if unit.keyframe:
                return self._take_keyframe(unit)
            return self._follow(unit)
        except Undecodable:
            self.counters.damaged += 1
            # What the decoder still held is lost with it.
            held = self._following is not None and self._decoded_us < unit.wall_us
            self._go_blind(self._decoded_us + 1 if held and self._decoded_us else unit.wall_us)
            self.skip()
            return []

    def _go_blind(self, since_us: int) -> None:
        if self._blind_since_us is None:
            self._blind_since_us = since_us

    def _see_again(self, at_us: int) -> None:
        since_us, self._blind_since_us = self._blind_since_us, None
        if since_us is not None and since_us < at_us:
            self._unseen.append((since_us, at_us))

    def _decode(
        self, decoder: PictureDecoder, unit: AccessUnit
    ) -> Sequence[tuple[int, VideoFrame]]:
        """Raises Undecodable, also where nothing comes out any more."""
        pictures = decoder.decode(unit)
        self._mute_units = 0 if pictures else self._mute_units + 1
        if self._mute_units > _MUTE_UNITS:
            raise Undecodable("no picture comes out")
        return pictures

    def _take_keyframe(self, unit: AccessUnit) -> list[Frame]:
        if self._following is not None and self._followed:
            self._keyframe, self._followed = unit, False
            return self._look_at(self._decode(self._following, unit))
        # Nothing was handed on between this keyframe and the one before: it is looked at alone.
        frames = self._end_following()
        self._keyframe = unit
        recent = 0 <= unit.wall_us - self._looked_us < LOOK_EVERY_US
        if recent and self._blind_since_us is None:
            return frames
        if self._checking is None:
            self._checking = PictureDecoder(self._tracks[self._track_index])
        return frames + self._look_at([self._checking.alone(unit)])

    def _follow(self, unit: AccessUnit) -> list[Frame]:
        if self._keyframe is None:
            self._go_blind(unit.wall_us)
            return []
        earlier: Sequence[tuple[int, VideoFrame]] = []
        if self._following is None:
            self._following = PictureDecoder(self._tracks[self._track_index])
            earlier = self._decode(self._following, self._keyframe)
            self._nothing_since_us = unit.wall_us
        self._followed = True
        return self._look_at([*earlier, *self._decode(self._following, unit)])

    def _end_following(self) -> list[Frame]:
        following, self._following = self._following, None
        self._followed = False
        if following is None:
            return []
        with contextlib.suppress(Undecodable):
            return self._look_at(following.drain())
        return []

    def _look_at(self, pictures: Sequence[tuple[int, VideoFrame]]) -> list[Frame]:
        frames: list[Frame] = []
        for at_us, picture in pictures:
            self.counters.decoded += 1
            self._decoded_us = at_us
            self._see_again(at_us)
            if at_us < self._looked_us - _BACKWARDS_US:
                self._begin_anew()
            if at_us >= self._looked_us + self._interval_us:
                self._looked_us = at_us
                frames += self._look(at_us, picture)
        self.counters.passed += len(frames)
        return frames

    def _look(self, at_us: int, picture: VideoFrame) -> list[Frame]:
        self.counters.offered += 1
        if (picture.width, picture.height) != self._shape:
            self._shape = (picture.width, picture.height)
            self._candidate = None
            self._picture_gate = PictureGate()
        verdict = self._picture_gate.look(small_luma(picture), at_us)
        candidate, self._candidate = self._candidate, None
        if verdict is Verdict.MOVING:
            self._moved_us = self._nothing_since_us = at_us
            self._hold_open(at_us + _MOVING_US)
            seen = [self._frame(*candidate)] if candidate is not None else []
            return [*seen, self._frame(at_us, picture)]
        if verdict is Verdict.CANDIDATE and not self._keyframes_only:
            self._hold_open(at_us + _CANDIDATE_US)
            if not self._is_due(verdict, at_us):
                self._candidate = (at_us, picture)
                return []
        if self._followed and at_us - self._nothing_since_us > _NOTHING_US:
            self._nothing_since_us = at_us
            self._settle()
        return [self._frame(at_us, picture)] if self._is_due(verdict, at_us) else []

    def _is_due(self, verdict: Verdict, at_us: int) -> bool:
        if verdict is Verdict.ANOTHER_SCENE or at_us - self._moved_us < _TRAILING_US:
            return True
        every_us = STILL_EVERY_US if verdict is Verdict.STILL else LINGERING_EVERY_US
        return at_us - self._passed_us >= every_us

    def _frame(self, at_us: int, picture: VideoFrame) -> Frame:
        self._passed_us = at_us
        return Frame(self._camera_id, at_us, to_picture(picture), is_monochrome(picture))

    def _hold_open(self, until_us: int) -> None:
        if self._gate is not None:
            self._gate.hold_open(until_us)
        self._wish = GateWish(open_until_us=until_us)

    def _settle(self) -> None:
        if self._gate is not None:
            self._gate.settle()
        self._wish = GateWish(settle=True)

    def _begin_anew(self) -> None:
        """Time ran backwards: a clock was set, or other footage begins."""
        self._looked_us = self._passed_us = self._moved_us = self._nothing_since_us = 0
        self._picture_gate = PictureGate()
