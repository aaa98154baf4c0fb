"""Plays a material at the pace of time into a Stream, from where the row says.

The chair's word is in the row; where the player really stands (at a keyframe, behind a gap, at the
end) it says back through ``on_moved``. While it is paused the last picture stands still.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from camera_adapters.event_wait import wait_for_event
from camera_adapters.stream import AccessUnit, Stream, Track
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings.playing.material import Material, Piece
from gateway.meetings.playing.playback import Playback

# Nearer than this, nobody has sought: the picture goes on instead of beginning at a keyframe.
NEAR_US = 1_500_000
# Time without footage is passed over.
_SEAM_US = US_PER_S
# The disk or the store was slow by more: it goes on from here, instead of hurrying.
_LATE_S = 1.0
_EARLY_S = 0.005
# So long it may take until a command is noticed between two pictures.
_PATIENCE_S = 0.1
# Where it stands is said back when it is off by more.
_OFF_US = 500_000
_STEP_90K = 3000
# A film of one picture is not begun anew more often.
_ROUND_S = 1.0
_TELL_S = 1.0
# So many are published at most until others have their turn, however many are due at once.
_AT_ONCE = 50


class Outlet(Protocol):
    """Where a player's pictures go."""

    def stream_for(self, tracks: tuple[Track, ...]) -> Stream:
        """The Stream for a run with these tracks; another one where what follows has to be made
        otherwise."""


class Player:
    """:meth:`run` until cancelled; :meth:`follow` when the row is another. ``clock_us`` is the
    shard's, by which pictures are stamped.
    """

    def __init__(
        self,
        material: Material,
        outlet: Outlet,
        playback: Playback,
        on_moved: Callable[[Playback], None],
        clock_us: Callable[[], int],
    ) -> None:
        self._material = material
        self._outlet = outlet
        self._playback = playback
        self._on_moved = on_moved
        self._clock_us = clock_us
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        # The piece that is being shown, how much of it was, and where that has brought us.
        self._piece: Piece | None = None
        self._shown = 0
        self._at_us: int | None = None
        self._stream: Stream | None = None
        self._run = ""
        # Time of the Stream's run: where it began, and the newest in it.
        self._began_s = 0.0
        self._newest_90k = -_STEP_90K
        # Where time is held against what is shown: (when, place in the material, time in the run).
        self._anchor: tuple[float, int, int, int] | None = None
        self._round_s = 0.0
        self._at_once = 0
        # Where it stands by its own finding, and the row does not say so yet.
        self._untold = False
        self._told_s = -_TELL_S

    def follow(self, playback: Playback) -> None:
        """The row, as it is now. What was said of it by this very player is none of its news."""
        if playback.command != self._playback.command:
            self._playback, self._untold = playback, False
            # What comes of a command is said at once.
            self._told_s = -_TELL_S
            self._changed.set()

    async def run(self) -> bool:
        """Play for ever; False as soon as there is nothing at all to be played. Raises what the
        material raises.
        """
        while True:
            self._changed.clear()
            playback = self._playback
            position_us = playback.position_at(now_us())
            if not self._is_near(position_us) and not await self._seek(position_us):
                return False
            if playback.state == "paused":
                self._anchor = None
                await self._changed.wait()
            else:
                await self._play(playback)

    def _is_near(self, position_us: int) -> bool:
        return self._at_us is not None and self._apart_us(position_us, self._at_us) < NEAR_US

    def _apart_us(self, one_us: int, other_us: int) -> int:
        """How far two places are from one another; where it loops the end is near the beginning."""
        apart_us = abs(one_us - other_us)
        if self._playback.loop:
            apart_us = min(apart_us, abs(self._playback.length_us - apart_us))
        return apart_us

    async def _seek(self, position_us: int) -> bool:
        """Show the keyframe at or before the position; False where there is none anywhere."""
        piece = await self._material.at(position_us)
        if piece is None:
            return False
        entries = [
            number
            for number, unit in enumerate(piece.units)
            if unit.keyframe and piece.tracks[unit.track_index].kind == "video"
        ]
        before = [one for one in entries if piece.units[one].wall_us <= position_us]
        entry = before[-1] if before else entries[0] if entries else 0
        self._piece, self._shown, self._anchor = piece, entry, None
        self._round_s = self._loop.time()
        if piece.units:
            self._publish(piece, piece.units[entry])
            self._shown = entry + 1
        self._at_us = piece.units[entry].wall_us if piece.units else piece.start_us
        self._say_where(position_us)
        return True

    async def _play(self, playback: Playback) -> None:
        """Until the end, or until something else is wanted."""
        while (piece := self._piece) is not None:
            following = asyncio.ensure_future(self._material.after(piece))
            try:
                while self._shown < len(piece.units):
                    unit = piece.units[self._shown]
                    if not await self._is_due(piece, unit):
                        return
                    self._publish(piece, unit)
                    self._shown += 1
                    self._at_us = max(self._at_us or 0, unit.wall_us)
                found = await following
            finally:
                following.cancel()
                # Read, whatever it is: somebody wanted something else meanwhile.
                await asyncio.gather(following, return_exceptions=True)
            if found is None:
                await self._end(playback, piece)
                return
            if found.start_us - piece.end_us > _SEAM_US:
                self._anchor = None
                self._at_us = found.start_us
                self._say_where(piece.end_us)
            self._piece, self._shown = found, 0

    async def _is_due(self, piece: Piece, unit: AccessUnit) -> bool:
        """Wait for the unit's time; False when something else is wanted meanwhile."""
        at_us = unit.wall_us
        if self._anchor is not None:
            # A clock that was set moves the row's place, and none of what is shown.
            self._say_where(self._playback.position_at(now_us()))
        self._tell()
        anchor = self._anchor
        now_s = self._loop.time()
        if anchor is not None:
            late_s = now_s - (anchor[0] + (at_us - anchor[1]) / US_PER_S)
            if late_s > _LATE_S or at_us - (self._at_us or at_us) > _SEAM_US:
                anchor = None
                self._say_where_at(at_us)
        if anchor is None:
            line_90k = max(self._newest_90k + _STEP_90K, int((now_s - self._began_s) * 90_000))
            self._anchor = anchor = (now_s, at_us, line_90k, self._clock_us())
        due_s = anchor[0] + (at_us - anchor[1]) / US_PER_S
        while not self._changed.is_set():
            wait_s = due_s - self._loop.time()
            if wait_s <= _EARLY_S:
                self._at_once += 1
                if self._at_once >= _AT_ONCE:
                    self._at_once = 0
                    await asyncio.sleep(0)
                return True
            self._at_once = 0
            await asyncio.sleep(min(wait_s, _PATIENCE_S))
        return False

    def _publish(self, piece: Piece, unit: AccessUnit) -> None:
        stream = self._stream
        if stream is None or piece.run != self._run:
            stream = self._outlet.stream_for(piece.tracks)
            self._stream, self._run = stream, piece.run
            stream.start_run(piece.tracks)
            self._began_s, self._newest_90k, self._anchor = self._loop.time(), -_STEP_90K, None
        anchor = self._anchor
        if anchor is None:
            line_90k, wall_us = self._newest_90k + _STEP_90K, self._clock_us()
        else:
            line_90k = anchor[2] + (unit.wall_us - anchor[1]) * 9 // 100
            wall_us = anchor[3] + unit.wall_us - anchor[1]
        self._newest_90k = max(self._newest_90k, line_90k)
        # Only presentation times are kept: what has B-frames is made anew, and needs no more.
        shift_90k = line_90k - unit.pts_90k
        stream.publish(
            AccessUnit(
                unit.track_index, unit.payload, line_90k, unit.dts_90k + shift_90k,
                unit.keyframe, wall_us,
            )
        )  # fmt: skip

    async def _end(self, playback: Playback, piece: Piece) -> None:
        """What was shown last is shown to its end; then it stands there, or begins again."""
        end_s = self._round_s + _ROUND_S
        if self._anchor is not None:
            shown_s = self._anchor[0] + (piece.end_us - self._anchor[1]) / US_PER_S
            end_s = max(end_s, shown_s) if playback.loop else shown_s
        if await wait_for_event(self._changed, max(0.0, end_s - self._loop.time())):
            return
        if playback.loop:
            if not await self._seek(0):
                self._at_us = None
            # Where the row has come to by itself is where it is.
            self._say_where(self._playback.position_at(now_us()))
            return
        self._at_us = playback.length_us
        self._playback = replace(
            self._playback, state="paused", position_us=playback.length_us, since_us=now_us()
        )
        self._untold = False
        self._on_moved(self._playback)

    def _say_where(self, thought_us: int) -> None:
        """Say where it stands, where that is not what was thought."""
        if self._at_us is not None and self._apart_us(self._at_us, thought_us) > _OFF_US:
            self._say_where_at(self._at_us)

    def _say_where_at(self, at_us: int) -> None:
        self._playback = replace(self._playback, position_us=at_us, since_us=now_us())
        self._untold = True
        self._tell()

    def _tell(self) -> None:
        """Say it, but not more often than once a second, whatever the material is like."""
        now_s = self._loop.time()
        if self._untold and now_s - self._told_s >= _TELL_S:
            self._untold, self._told_s = False, now_s
            self._on_moved(self._playback)
