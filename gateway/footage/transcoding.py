"""Recorded footage as H.264, for browsers that cannot play H.265 and for who must not see beneath
masks: a place in the transcoder per viewer.

A place is asked for by the first request, and kept as long as requests keep coming. While it waits
the requests are told where in the queue, and need only come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from camera_adapters.codecs.codec_string import codec_string
from camera_adapters.stream import AccessUnit, Track
from gateway.footage.fragments import (
    FragmentMaker,
    build_fragment,
    check_numbers,
    converted_sound,
    read_fragments,
    sound_index,
    units_by_track,
)
from gateway.footage.playback_index import transcoded_mime
from gateway.footage.reader import FootageGone, FootageReader, Located
from gateway.footage.sound import playable_tracks
from gateway.masks import Polygons
from gateway.transcoder.client import Produced, Queued, Started, TranscoderClient, Transcoding
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.video import output_track
from recorder.fmp4.writer import init_segment
from recorder.segments import Fragment, Run

_log = structlog.get_logger(__name__)

PATIENCE_S = 2.0
IDLE_S = 10.0
ANSWER_LIMIT_S = 60.0


class TranscodeQueued(Exception):
    """There is no place yet: ask again."""

    def __init__(self, position: int, length: int) -> None:
        super().__init__(f"waiting for the transcoder: place {position} of {length}")
        self.position = position
        self.length = length


@dataclass(slots=True, eq=False)
class _Place:
    """One viewer's job in the transcoder."""

    track: Track
    masks: Polygons
    job: Transcoding
    used: float
    queue: Queued = field(default_factory=lambda: Queued(1, 1))
    started: asyncio.Event = field(default_factory=asyncio.Event)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    units: list[AccessUnit] = field(default_factory=list)
    finished: dict[int, asyncio.Future[list[AccessUnit]]] = field(default_factory=dict)
    failure: TranscodeError | None = None
    reading: asyncio.Task[None] | None = None
    tokens: int = 0


class PlaybackTranscoding:
    """What lies below ``/transcode``."""

    def __init__(
        self, reader: FootageReader, maker: FragmentMaker, transcoder: TranscoderClient
    ) -> None:
        self._reader = reader
        self._maker = maker
        self._transcoder = transcoder
        self._places: dict[tuple[str, str], _Place] = {}
        self._sweeping: asyncio.Task[None] | None = None

    async def initialisation(self, run: Run) -> bytes:
        """The initialisation segment of the transcoded run."""
        tracks = await asyncio.to_thread(self._output_tracks, self._reader.tracks(run))
        return init_segment(tracks)

    async def mime(self, run: Run) -> str:
        """The transcoded run's MIME type."""
        tracks = await asyncio.to_thread(self._output_tracks, self._reader.tracks(run))
        video = next(track for track in tracks if track.kind == "video")
        return transcoded_mime(codec_string(video), run)

    async def fragments(
        self,
        viewer: tuple[str, str],
        located: Located,
        first: int,
        last: int,
        masks: Polygons = (),
    ) -> bytes:
        """These fragments in H.264, with ``masks`` burnt in. ``viewer`` is the session and camera
        whose place is used.

        Raises TranscodeQueued, TranscodeError, and what reading raises.
        """
        check_numbers(located, first, last)
        start = _keyframe_before(located, first)
        tracks = self._reader.tracks(located.run)
        video = _video_index(tracks)
        place = await self._place(viewer, tracks[video], masks)
        sound = sound_index(tracks)
        before: bytes | None = None
        data = await read_fragments(self._reader, located, start, last)
        if sound is not None:
            if start < first:
                before = data[first - start - 1]
            else:
                before, _ = await self._maker.with_previous(located, first, first)
        parsed = [units_by_track(item, tracks) for item in data]
        pictures = await self._encode(place, [units[video] for units in parsed], first - start)
        parts = located.fragments[first : last + 1]
        return await asyncio.to_thread(
            self._assemble, tracks, video, before, parsed[first - start :], pictures, parts
        )

    async def keyframe(
        self, viewer: tuple[str, str], located: Located, number: int, masks: Polygons = ()
    ) -> bytes:
        """One keyframe in H.264, lasting as long as its fragment."""
        check_numbers(located, number, number)
        part = located.fragments[number]
        if not part.keyframe_bytes:
            raise FootageGone(f"fragment {number} does not begin with a keyframe")
        tracks = self._reader.tracks(located.run)
        video = _video_index(tracks)
        place = await self._place(viewer, tracks[video], masks)
        prefix = await self._reader.read(located, part.offset, part.keyframe_bytes)
        units = units_by_track(prefix, tracks)[video][:1]
        (pictures,) = await self._encode(place, [units], 0)
        output = await asyncio.to_thread(self._output_tracks, tracks)
        return build_fragment(
            output, part, [pictures if index == video else [] for index in range(len(tracks))]
        )

    async def release(self, session_ids: set[str]) -> None:
        """Give back the places of these sessions."""
        for key in [key for key in self._places if key[0] in session_ids]:
            await self._close(key)

    async def close(self) -> None:
        """Give back every place."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for key in tuple(self._places):
            await self._close(key)

    # ---- places

    async def _place(self, viewer: tuple[str, str], track: Track, masks: Polygons) -> _Place:
        place = self._places.get(viewer)
        fits = place is not None and (place.track, place.masks) == (track, masks)
        if place is not None and (not fits or place.failure is not None):
            await self._close(viewer)
            place = None
        if place is None:
            job = self._transcoder.open("video", track, live=False, masks=masks)
            place = self._places[viewer] = _Place(track, masks, job, time.monotonic())
            place.reading = asyncio.ensure_future(self._read(place))
            if self._sweeping is None or self._sweeping.done():
                self._sweeping = asyncio.ensure_future(self._sweep())
        place.used = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await place.started.wait()
        if place.failure is not None:
            raise place.failure
        if not place.started.is_set():
            raise TranscodeQueued(place.queue.position, place.queue.length)
        return place

    async def _read(self, place: _Place) -> None:
        try:
            async for event in place.job:
                match event:
                    case Queued():
                        place.queue = event
                    case Started():
                        place.started.set()
                    case Produced():
                        place.units += event.units
                        waiting = place.finished.pop(event.token or 0, None)
                        if waiting is not None:
                            made, place.units = place.units, []
                            if not waiting.done():
                                waiting.set_result(made)
            raise TranscodeError("unavailable", "the transcoder ended the job")
        except TranscodeError as error:
            place.failure = error
            place.started.set()
            for waiting in place.finished.values():
                if not waiting.done():
                    waiting.set_exception(error)

    async def _sweep(self) -> None:
        while self._places:
            await asyncio.sleep(IDLE_S / 4)
            limit = time.monotonic() - IDLE_S
            for key, place in tuple(self._places.items()):
                if place.used < limit and not place.turn.locked():
                    await self._close(key)

    async def _close(self, key: tuple[str, str]) -> None:
        place = self._places.pop(key, None)
        if place is None:
            return
        await place.job.close()
        if place.reading is not None:
            place.reading.cancel()
            await asyncio.gather(place.reading, return_exceptions=True)
        if place.failure is None:
            place.failure = TranscodeError("preempted", "the place was given back")
        for waiting in place.finished.values():
            if not waiting.done():
                waiting.set_exception(place.failure)

    # ---- encoding

    async def _encode(
        self, place: _Place, groups: Sequence[Sequence[AccessUnit]], skip: int
    ) -> list[list[AccessUnit]]:
        """Pictures of ``groups[skip:]`` in H.264, each group beginning with a keyframe."""
        starts = [min((unit.pts_90k for unit in group), default=None) for group in groups[skip:]]
        keyframes = [start for start in starts if start is not None]
        if not keyframes:
            return [[] for _ in starts]
        # To its end, even if the browser has gone away: the next request must not find its rest.
        made = await asyncio.shield(
            asyncio.ensure_future(self._take_turn(place, groups, keyframes))
        )
        return _split(made, starts)

    async def _take_turn(
        self, place: _Place, groups: Sequence[Sequence[AccessUnit]], keyframes: list[int]
    ) -> list[AccessUnit]:
        async with place.turn:
            place.tokens += 1
            token = place.tokens
            done: asyncio.Future[list[AccessUnit]] = asyncio.get_running_loop().create_future()
            place.finished[token] = done
            try:
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    await place.job.start_at(keyframes[0], keyframes)
                    for group in groups:
                        if group:
                            await place.job.push(group)
                    await place.job.finish(token)
                    return await done
            except TimeoutError:
                place.failure = TranscodeError("unavailable", "the transcoder took too long")
                raise place.failure from None
            finally:
                place.used = time.monotonic()

    def _output_tracks(self, tracks: Sequence[Track]) -> tuple[Track, ...]:
        video = _video_index(tracks)
        output = list(playable_tracks(tracks))
        output[video] = output_track(tracks[video])
        return tuple(output)

    def _assemble(
        self,
        tracks: Sequence[Track],
        video: int,
        before: bytes | None,
        parsed: list[list[list[AccessUnit]]],
        pictures: list[list[AccessUnit]],
        parts: Sequence[Fragment],
    ) -> bytes:
        sound = sound_index(tracks)
        if sound is not None:
            made = converted_sound(tracks, sound, before, parsed)
            for units, own in zip(parsed, made, strict=True):
                units[sound] = own
        output = self._output_tracks(tracks)
        pieces = []
        for part, units, own in zip(parts, parsed, pictures, strict=True):
            first = min((unit.dts_90k for unit in units[video]), default=0)
            units[video] = own
            shift_90k = own[0].pts_90k - first if own else 0
            pieces.append(build_fragment(output, part, units, shift_90k))
        return b"".join(pieces)


def _video_index(tracks: Sequence[Track]) -> int:
    index = next((i for i, track in enumerate(tracks) if track.kind == "video"), None)
    if index is None:
        raise TranscodeError("unsupported", "there is no picture in this footage")
    return index


def _keyframe_before(located: Located, number: int) -> int:
    """The last fragment up to ``number`` that begins with a keyframe."""
    while number > 0 and not located.fragments[number].keyframe_bytes:
        number -= 1
    return number


def _split(made: list[AccessUnit], starts: Sequence[int | None]) -> list[list[AccessUnit]]:
    """The pictures by fragment: each from its fragment's first presentation time on."""
    groups: list[list[AccessUnit]] = [[] for _ in starts]
    known = [(start, index) for index, start in enumerate(starts) if start is not None]
    for unit in made:
        index = max((i for start, i in known if start <= unit.pts_90k), default=known[0][1])
        groups[index].append(unit)
    return groups
