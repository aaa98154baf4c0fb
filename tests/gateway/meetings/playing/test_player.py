"""A player alone, over material that no camera ever made."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.stream import AccessUnit, Codec, Stream, Track, Variant
from gateway.identifiers import now_us
from gateway.meetings.playing.material import Piece
from gateway.meetings.playing.playback import Playback
from gateway.meetings.playing.player import Player

TRACK = Track("video", Codec.H264, 90_000)
LOOP = Playback("file", None, None, "f", None, None, 40_000, "playing", 0, 0, True, 1)


class OnePiece:
    """Everything that there is."""

    def __init__(self, units: list[AccessUnit], length_us: int) -> None:
        self.piece = Piece(0, "0", (TRACK,), units, 0, length_us)

    async def at(self, position_us: int) -> Piece | None:
        return self.piece

    async def after(self, piece: Piece) -> Piece | None:
        return None


class Shown:
    """A Stream, and how many pictures it was given."""

    def __init__(self) -> None:
        self.stream = Stream("x", Variant.MAIN)
        self.count = 0
        self._wanted = 0
        self._enough = asyncio.Event()
        self.stream.attach(self)

    async def all_of(self, count: int) -> None:
        self._wanted = count
        await self._enough.wait()

    def stream_for(self, tracks: tuple[Track, ...]) -> Stream:
        return self.stream

    def on_run_started(self, tracks: object) -> None: ...

    def on_access_unit(self, unit: AccessUnit) -> None:
        self.count += 1
        if self.count == self._wanted:
            self._enough.set()

    def on_interrupted(self, interruption: object) -> None: ...

    def on_closed(self) -> None: ...


def picture(at_us: int, *, keyframe: bool = False) -> AccessUnit:
    at_90k = at_us * 9 // 100
    return AccessUnit(0, b"\0\0\0\1\x65", at_90k, at_90k, keyframe, at_us)


async def played(
    units: list[AccessUnit], playback: Playback, seconds: float, pictures: int = 0
) -> tuple[Shown, list[Playback]]:
    """What it shows, and says of itself, within so long; or, if they are counted, by then."""
    shown, said = Shown(), list[Playback]()
    playback = replace(playback, since_us=now_us())
    material = OnePiece(units, playback.length_us)
    player = Player(material, shown, playback, said.append, now_us)
    task = asyncio.create_task(player.run())
    if pictures:
        async with asyncio.timeout(seconds):
            await shown.all_of(pictures)
    else:
        await asyncio.wait([task], timeout=seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return shown, said


async def test_a_film_of_one_picture_that_loops_keeps_nobody_busy() -> None:
    shown, said = await played([picture(0, keyframe=True)], LOOP, 2.5)
    assert 2 <= shown.count <= 3
    assert len(said) <= 3


async def test_pictures_whose_times_jump_are_not_each_told_to_everybody() -> None:
    units = [picture(at % 2 * 10_000_000, keyframe=True) for at in range(2000)]
    _, said = await played(units, replace(LOOP, length_us=10_000_000, loop=False), 2.0)
    assert len(said) <= 3


async def test_pictures_that_are_due_at_once_leave_others_their_turn() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    units = [picture(0, keyframe=True), *[picture(0)] * 5000]
    before = turns
    await played(units, replace(LOOP, loop=False), 30, pictures=5001)
    task.cancel()
    assert turns - before > 90


@pytest.mark.parametrize("loop", [True, False])
@given(
    position_us=st.integers(0, 10**9),
    since_us=st.integers(0, 10**12),
    now=st.integers(0, 10**12),
    length_us=st.integers(0, 10**9),
)
def test_where_it_stands_is_always_within(
    loop: bool, position_us: int, since_us: int, now: int, length_us: int
) -> None:
    one = replace(
        LOOP, position_us=min(position_us, length_us), since_us=since_us, length_us=length_us,
        loop=loop,
    )  # fmt: skip
    assert 0 <= one.position_at(now) <= length_us
    assert replace(one, state="paused").position_at(now) == one.position_us
