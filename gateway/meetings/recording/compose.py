"""Draws and mixes one minute of a recorded meeting, or joins the minutes: a process of its own.

``python -m gateway.meetings.recording.compose JOB.json`` does one job and ends: what it decodes it
can crash on, and take nobody along. A result stands under its name when it is complete, or not at
all. Memory holds one minute's sound and a few pictures, however long the meeting was.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame

from gateway.transcoder.burn_in import draw

WIDTH, HEIGHT = 1280, 720
FRAMES_PER_SECOND = 25
SAMPLES_PER_SECOND = 48_000
NICENESS = 10

_FRAME_US = 1_000_000 // FRAMES_PER_SECOND
# A picture stands for so long; after that there is none. A shared screen may rest.
_STANDS_US = 12_000_000
_SMALL_WIDTH, _SMALL_HEIGHT, _MARGIN = 256, 144, 16
_DARK = 26
_GREY = 128
# Where a voice goes on, packets that claim a little more or less follow one another all the same.
_JOIN_SAMPLES = SAMPLES_PER_SECOND * 30 // 1000
_BEFORE_US = 100_000
_VIDEO_OPTIONS = {"preset": "veryfast", "crf": "26", "bf": "0", "g": str(FRAMES_PER_SECOND * 4)}

Segments = Sequence[tuple[str, int]]
"""Recorded segments in order: the file, and when its run began, in µs UTC."""
_Plane = npt.NDArray[np.uint8]
_Sound = npt.NDArray[np.float32]


class Pictures:
    """The pictures of one track: which one is seen at an instant, asked in order of time."""

    def __init__(self, segments: Segments, from_us: int) -> None:
        self._coming = _decoded(segments, from_us)
        self._next: tuple[int, VideoFrame] | None = next(self._coming, None)
        self._now: tuple[int, VideoFrame] | None = None

    def at(self, at_us: int) -> VideoFrame | None:
        """The newest picture by then; None where none stands."""
        while self._next is not None and self._next[0] <= at_us:
            self._now, self._next = self._next, next(self._coming, None)
        if self._now is None or at_us - self._now[0] > _STANDS_US:
            return None
        return self._now[1]


def _decoded(segments: Segments, from_us: int) -> Iterator[tuple[int, VideoFrame]]:
    """When each picture was taken, and the picture, from the keyframe before ``from_us`` on."""
    for path, run_start_us in segments:
        with contextlib.suppress(av.FFmpegError), av.open(path) as container:
            if not container.streams.video:
                continue
            stream = container.streams.video[0]
            scale = Fraction(stream.time_base or Fraction(1, 90_000)) * 1_000_000
            waiting: list[Any] = []
            for packet in container.demux(stream):
                if packet.pts is not None and run_start_us + packet.pts * scale < from_us:
                    # Only what follows the last keyframe is needed to see what comes.
                    waiting = [packet] if packet.is_keyframe else [*waiting, packet]
                    continue
                for one in (*waiting, packet):
                    # What cannot be decoded is not seen; the next keyframe is.
                    with contextlib.suppress(av.FFmpegError):
                        for frame in one.decode():
                            yield run_start_us + int((frame.pts or 0) * scale), frame
                waiting = []


def _fit(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """As large as it fits, with even sides."""
    share = min(width / frame.width, height / frame.height)
    fitted = max(2, int(frame.width * share) & ~1), max(2, int(frame.height * share) & ~1)
    return frame.reformat(*fitted, format="yuv420p")


def _planes(frame: VideoFrame) -> list[_Plane]:
    found: list[_Plane] = []
    plane: Any
    for plane in frame.planes:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        found.append(rows[:, : plane.width])
    return found


class Canvas:
    """The picture that is made: the program, small pictures in its corner, a name."""

    def __init__(self) -> None:
        self._drawn: tuple[int, ...] = ()
        self._name: str | None = None
        self._frame: VideoFrame | None = None
        self._kept: list[VideoFrame | None] = []

    def draw(
        self, program: VideoFrame | None, small: Sequence[VideoFrame | None], name: str
    ) -> VideoFrame:
        """The picture of these; the same as before where nothing has changed."""
        pictures = [program, *small]
        drawn = tuple(map(id, pictures))
        if self._frame is None or drawn != self._drawn or name != self._name:
            self._frame = self._compose(program, [one for one in small if one is not None], name)
            # An id is another picture's as soon as nobody holds this one.
            self._drawn, self._name, self._kept = drawn, name, pictures
        return self._frame

    @staticmethod
    def _compose(program: VideoFrame | None, small: Sequence[VideoFrame], name: str) -> VideoFrame:
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        planes = _planes(frame)
        for plane, value in zip(planes, (_DARK, _GREY, _GREY), strict=True):
            plane[:] = value
        if program is not None:
            fitted = _fit(program, WIDTH, HEIGHT)
            left, top = (WIDTH - fitted.width) // 2 & ~1, (HEIGHT - fitted.height) // 2 & ~1
            _paste(planes, fitted, left, top)
        for number, one in enumerate(small):
            fitted = _fit(one, _SMALL_WIDTH, _SMALL_HEIGHT)
            top = _MARGIN + number * (_SMALL_HEIGHT + _MARGIN)
            _paste(planes, fitted, WIDTH - _MARGIN - fitted.width, top)
        return draw(frame, (), (name,)) if name else frame


def _paste(planes: Sequence[_Plane], frame: VideoFrame, left: int, top: int) -> None:
    for index, (target, source) in enumerate(zip(planes, _planes(frame), strict=True)):
        x, y = (left, top) if index == 0 else (left // 2, top // 2)
        target[y : y + source.shape[0], x : x + source.shape[1]] = source


def mix(voices: Sequence[Segments], start_us: int, end_us: int) -> npt.NDArray[np.int16]:
    """All voices together, as one channel of [``start_us``, ``end_us``)."""
    mixed: _Sound = np.zeros((end_us - start_us) * SAMPLES_PER_SECOND // 1_000_000, np.float32)
    for segments in voices:
        for path, run_start_us in segments:
            _add_voice(mixed, path, run_start_us, start_us, end_us)
    return (np.clip(mixed, -1.0, 1.0) * 32767).astype(np.int16)


def _add_voice(mixed: _Sound, path: str, run_start_us: int, start_us: int, end_us: int) -> None:
    with contextlib.suppress(av.FFmpegError), av.open(path) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("flt", "mono", SAMPLES_PER_SECOND)
        scale = Fraction(stream.time_base or Fraction(1, SAMPLES_PER_SECOND)) * 1_000_000
        cursor: int | None = None
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            wall_us = run_start_us + int(packet.pts * scale)
            if wall_us < start_us - _BEFORE_US:
                continue
            if wall_us >= end_us:
                break
            place = (wall_us - start_us) * SAMPLES_PER_SECOND // 1_000_000
            if cursor is None or abs(place - cursor) > _JOIN_SAMPLES:
                cursor = place
            with contextlib.suppress(av.FFmpegError):
                for decoded in packet.decode():
                    for frame in resampler.resample(decoded):
                        cursor = _add(mixed, frame.to_ndarray()[0], cursor)


def _add(mixed: _Sound, sound: _Sound, at: int) -> int:
    begin, end = max(at, 0), min(at + len(sound), len(mixed))
    if begin < end:
        mixed[begin:end] += sound[begin - at : end - at]
    return at + len(sound)


def make_part(job: dict[str, Any]) -> None:
    """One minute: its pictures as an MP4, its sound as samples."""
    start_us, end_us = job["start_us"], job["end_us"]
    program = Pictures(job["program"], start_us)
    beside = [Pictures(one, start_us) for one in job["beside"]]
    names = [tuple(one) for one in job["names"]]
    canvas = Canvas()
    with _complete(job["video"]) as path, av.open(path, "w", format="mp4") as container:
        stream: Any = container.add_stream(
            "libx264", rate=FRAMES_PER_SECOND, options=_VIDEO_OPTIONS
        )
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for number in range((end_us - start_us) // _FRAME_US):
            at_us = start_us + number * _FRAME_US
            frame = canvas.draw(
                program.at(at_us), [one.at(at_us) for one in beside], _name_at(names, at_us)
            )
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    sound = mix(job["voices"], start_us, end_us)
    with _complete(job["sound"]) as path:
        Path(path).write_bytes(sound.tobytes())


def _name_at(names: Sequence[tuple[int, int, str]], at_us: int) -> str:
    return next((name for start, end, name in names if start <= at_us < end), "")


def join_parts(job: dict[str, Any]) -> None:
    """The minutes, one after the other, as one MP4 with chapters. Pictures are copied."""
    with (
        _complete(job["out"]) as path,
        av.open(path, "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        container.metadata["title"] = job["title"]
        with av.open(job["videos"][0]) as first:
            video: Any = container.add_stream_from_template(first.streams.video[0])
        audio: Any = container.add_stream("aac", rate=SAMPLES_PER_SECOND, layout="mono")
        audio.bit_rate = 96_000
        if job["chapters"]:
            container.set_chapters(
                [
                    {
                        "id": number,
                        "start": start_ms,
                        "end": end_ms,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": title},
                    }
                    for number, (start_ms, end_ms, title) in enumerate(job["chapters"])
                ]
            )
        shown_frames, samples = 0, 0
        for part, sound in zip(job["videos"], job["sounds"], strict=True):
            shown_frames += _copy_pictures(container, video, part, shown_frames)
            samples += _encode_sound(container, audio, sound, samples)
        container.mux(audio.encode(None))


def _copy_pictures(container: Any, video: Any, path: str, first: int) -> int:
    count = 0
    with av.open(path) as part:
        for packet in part.demux(part.streams.video[0]):
            if packet.pts is None:
                continue
            packet.stream = video
            packet.time_base = Fraction(1, FRAMES_PER_SECOND)
            packet.pts = packet.dts = first + count
            packet.duration = 1
            count += 1
            container.mux(packet)
    return count


def _encode_sound(container: Any, audio: Any, path: str, first: int) -> int:
    sound = np.fromfile(path, np.int16)
    for start in range(0, len(sound), SAMPLES_PER_SECOND):
        piece = sound[None, start : start + SAMPLES_PER_SECOND]
        frame = av.AudioFrame.from_ndarray(piece, "s16", "mono")
        frame.sample_rate, frame.pts = SAMPLES_PER_SECOND, first + start
        container.mux(audio.encode(frame))
    return len(sound)


@contextlib.contextmanager
def _complete(target: str) -> Iterator[str]:
    """Where to write; what is there in the end takes the target's name, synced."""
    # Another process may be at the same job for a moment, after a kill.
    path = Path(f"{target}.{os.getpid()}")
    try:
        yield str(path)
        with path.open("rb") as opened:
            os.fsync(opened.fileno())
        path.rename(target)
    finally:
        path.unlink(missing_ok=True)


def main() -> None:
    """Entry point."""
    os.nice(NICENESS)
    av.logging.set_level(None)
    job = json.loads(Path(sys.argv[1]).read_text())
    (make_part if job["kind"] == "part" else join_parts)(job)


if __name__ == "__main__":
    main()
