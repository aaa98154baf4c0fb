"""A file that somebody handed out, taken apart in a process of its own.

``python -m gateway.meetings.playing.unpack FILE [OUT]`` reads an MP4 with libavformat, which shall
see nothing of strangers in a process that anything else depends on, and writes it to OUT as the
gateway's own fragments. What it found it says on its output, in one line of JSON; nothing is
decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import struct
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from camera_adapters.codecs import CodecError
from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.footage.media_file import MediaFileError, RunStarted, read_media_file
from recorder.fmp4.writer import fragment, init_segment

LIMIT_S = 60.0
_MEMORY_BYTES = 1 << 30
_FRAGMENT_90K = 90_000
# What no film has, and a file may say that was made to do harm.
_RUNS_LIMIT = 100
_PIECES_LIMIT = 100_000
_UNITS_LIMIT = 2000
_GROWS_TO = 2
_GROWS_BY = 1 << 20
_TOO_DENSE = "this file says far more of itself than is in it: it is no film"
_LENGTH_LIMIT_US = 24 * 3600 * 1_000_000


class Unplayable(ValueError):
    """The file cannot be shown. The message says why, and what to do, to who handed it out."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A fragment of the unpacked file: its bytes, and its times counted from the beginning."""

    run: int
    offset: int
    size: int
    start_us: int
    end_us: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a file holds. ``inits``: offset and size of each run's initialisation segment;
    ``run_starts_us``: where each run begins.
    """

    length_us: int
    inits: list[tuple[int, int]] = field(default_factory=list)
    run_starts_us: list[int] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)


async def unpack(path: Path, out: Path | None, descriptors: Sequence[int] = ()) -> Unpacked:
    """Take the file apart, into ``out``; without, only see whether it can be, and give no pieces.
    ``descriptors`` are open in its process, too: a path may be ``/proc/self/fd/…`` of one. Raises
    Unplayable.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, str(path), *([] if out is None else [str(out)]),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, pass_fds=tuple(descriptors),
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT_S):
            said, _ = await process.communicate()
    except TimeoutError:
        raise Unplayable("it takes too long to read this file: hand out a shorter one") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise Unplayable("this file is damaged: it cannot be read")
    document = await asyncio.to_thread(json.loads, said)
    if "error" in document:
        raise Unplayable(document["error"])
    document["pieces"] = [Piece(**one) for one in document["pieces"]]
    document["inits"] = [tuple(one) for one in document["inits"]]
    return Unpacked(**document)


class _Writer:
    """Fragments of a second or more, each from a keyframe where there is one."""

    def __init__(self, out: BinaryIO | None, bytes_limit: int) -> None:
        self.found = Unpacked(0)
        self.end_us = 0
        self._out = out
        self._bytes_limit = bytes_limit
        self._at = 0
        self._waiting = 0
        self._tracks: tuple[Track, ...] = ()
        self._units: list[list[AccessUnit]] = []
        self._run_start_90k = 0

    def begin(self, run: RunStarted) -> None:
        self.flush(None)
        if len(self.found.inits) == _RUNS_LIMIT:
            raise Unplayable("the format of the picture changes too often in this file")
        _check(run.tracks)
        self._tracks, self._run_start_90k = run.tracks, run.offset_90k
        self._units = [[] for _ in run.tracks]
        self.found.inits.append(self._write(init_segment(run.tracks)))
        self.found.run_starts_us.append(_us(run.offset_90k))

    def add(self, unit: AccessUnit) -> None:
        own = self._units[unit.track_index]
        picture = self._tracks[unit.track_index].kind == "video"
        if picture and own:
            long_enough = unit.dts_90k - own[0].dts_90k >= _FRAGMENT_90K
            if unit.keyframe or long_enough:
                self.flush(unit.dts_90k)
                own = self._units[unit.track_index]
        own.append(unit)
        self._waiting += 1
        if self._waiting > _UNITS_LIMIT:
            raise Unplayable(_TOO_DENSE)
        self.end_us = max(self.end_us, _us(self._run_start_90k + unit.pts_90k) + 40_000)
        if self.end_us > _LENGTH_LIMIT_US:
            raise Unplayable("this file is longer than a day")

    def flush(self, next_dts_90k: int | None) -> None:
        self._waiting = 0
        if not any(self._units):
            return
        if len(self.found.pieces) == _PIECES_LIMIT:
            raise Unplayable(_TOO_DENSE)
        pictures = self._units[0]
        times = [unit.dts_90k for units in self._units for unit in units]
        start_90k = pictures[0].dts_90k if pictures else min(times)
        end_90k = max(times) + 3600 if next_dts_90k is None else next_dts_90k
        ends: list[int | None] = [next_dts_90k, *[None] * (len(self._tracks) - 1)]
        offset, size = self._write(
            fragment(len(self.found.pieces) + 1, self._tracks, self._units, ends)
        )
        self.found.pieces.append(
            Piece(
                len(self.found.inits) - 1,
                offset,
                size,
                _us(self._run_start_90k + start_90k),
                _us(self._run_start_90k + end_90k),
                bool(pictures) and pictures[0].keyframe,
            )
        )
        self._units = [[] for _ in self._tracks]

    def _write(self, data: bytes) -> tuple[int, int]:
        offset = self._at
        self._at += len(data)
        if self._at > self._bytes_limit:
            raise Unplayable(_TOO_DENSE)
        if self._out is not None:
            self._out.write(data)
        return offset, len(data)


def _check(tracks: tuple[Track, ...]) -> None:
    video = next(track for track in tracks if track.kind == "video")
    if video.width > 4096 or video.height > 4096:
        raise Unplayable(
            f"the picture is {video.width}×{video.height}: at most 4096×4096 is shown in meetings"
        )


def needs_transcoder(tracks: tuple[Track, ...]) -> bool:
    """Whether browsers in a meeting are shown this picture only when it is made anew."""
    return any(
        track.kind == "video" and (track.codec is not Codec.H264 or track.reorder_depth > 0)
        for track in tracks
    )


def _bytes_limit(path: Path) -> int:
    """What the same pictures and sound can take as our fragments."""
    return _GROWS_TO * path.stat().st_size + _GROWS_BY


def _us(time_90k: int) -> int:
    return time_90k * 100 // 9


def read_apart(path: Path, out: BinaryIO | None) -> Unpacked:
    """What :func:`unpack` has a process do. Blocks. Raises Unplayable."""
    writer = _Writer(out, _bytes_limit(path))
    damaged: MediaFileError | None = None
    try:
        try:
            for item in read_media_file(path, "mov"):
                if isinstance(item, RunStarted):
                    writer.begin(item)
                else:
                    writer.add(item)
        except MediaFileError as error:
            # What came before the damage is played.
            damaged = error
        writer.flush(None)
    except Unplayable:
        raise
    except (CodecError, ValueError, OverflowError, struct.error) as error:
        raise Unplayable(f"this file is damaged: {error}") from None
    if not writer.found.pieces:
        raise Unplayable(_said(path, damaged))
    found = writer.found
    return Unpacked(writer.end_us, found.inits, found.run_starts_us, found.pieces)


def _said(path: Path, damaged: MediaFileError | None) -> str:
    why = "there is no picture in it" if damaged is None else str(damaged)
    # Where it lies here is nobody's affair.
    why = why.removeprefix(f"{path}: ").replace(f": '{path}'", "").replace(f"'{path}'", "it")
    return f"this is no MP4 that a meeting can be shown: {why}"


def main(arguments: list[str]) -> None:
    """See the module."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(LIMIT_S), int(LIMIT_S)))
    path = Path(arguments[0])
    limit = _bytes_limit(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    document: dict[str, Any]
    try:
        with contextlib.ExitStack() as stack:
            out = stack.enter_context(Path(arguments[1]).open("wb")) if arguments[1:] else None
            found = read_apart(path, out)
            # Who only wants to know whether it can be played needs no list of its pieces.
            document = asdict(found if out is not None else replace(found, pieces=[]))
    except Unplayable as error:
        document = {"error": str(error)}
    sys.stdout.write(json.dumps(document))


if __name__ == "__main__":
    main(sys.argv[1:])
