"""Footage for ``benchmarks.search_pipeline``: quiet hours composed of real passages, and scenes
that try to hold the gate open. Coded as cameras do it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from camera_adapters.codecs.h264 import track_from_parameter_sets
from camera_adapters.codecs.nal import annex_b_to_payload, split_annex_b
from camera_adapters.stream import AccessUnit, Codec, Track
from search.objects import Picture
from search.passages import Passage, PathPoint

START_US = 1_760_000_000_000_000
_REPOSITORY = Path(__file__).resolve().parent.parent
Coded = tuple[Track, list[AccessUnit]]


@dataclass(frozen=True, slots=True)
class Encoder:
    """How a camera is set up. ``gop_s``: seconds between keyframes."""

    name: str
    gop_s: float = 2.0
    bit_rate: int = 0
    b_frames: int = 0
    options: tuple[tuple[str, str], ...] = (("crf", "26"),)


VARIABLE = Encoder("variable rate, keyframe each 2 s")
ENCODERS = (
    VARIABLE,
    Encoder(
        "constant rate 512 kbit/s",
        bit_rate=512_000,
        options=(("maxrate", "512000"), ("bufsize", "512000")),
    ),
    Encoder("variable rate, keyframe each 12 s", gop_s=12.0),
    Encoder("two B-frames", b_frames=2),
)


def shared_footage() -> Path | None:
    """The folder with real clips, if there is one."""
    configured = os.environ.get("GRIDSIGHT_SHARED")
    folder = (Path(configured) if configured else _REPOSITORY.parent / "shared") / "footage"
    return folder if folder.is_dir() else None


def read_pictures(clip: Path, width: int, height: int) -> list[Picture]:
    """All pictures of a clip at this size."""
    with av.open(str(clip)) as container:
        return [
            np.asarray(frame.reformat(width, height, "bgr24").to_ndarray(), np.uint8)
            for frame in container.decode(video=0)
        ]


def encode(pictures: Iterable[Picture], fps: int, encoder: Encoder) -> Coded:
    """H.264 of the pictures, in decoding order."""
    return coded_by(pictures, fps, lambda picture: _open(picture, fps, encoder), START_US)


def coded_by(
    pictures: Iterable[Picture], fps: int, open_encoder: Callable[[Picture], Any], start_us: int
) -> Coded:
    """The same by an encoder of PyAV that is opened for the first picture."""
    context: Any = None
    packets: list[Any] = []
    for number, picture in enumerate(pictures):
        if context is None:
            context = open_encoder(picture)
        frame = VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts, frame.time_base = number * 90_000 // fps, Fraction(1, 90_000)
        packets += context.encode(frame)
    packets += context.encode(None)
    sets = {unit[0] & 31: unit for unit in split_annex_b(bytes(packets[0]))}
    first = min(packet.dts for packet in packets)
    return track_from_parameter_sets(sets[7], sets[8]), [
        AccessUnit(
            0,
            annex_b_to_payload(Codec.H264, bytes(packet)),
            packet.pts,
            packet.dts - first,
            packet.is_keyframe,
            start_us + packet.pts * 100 // 9,
        )
        for packet in packets
    ]


def _open(picture: Picture, fps: int, encoder: Encoder) -> Any:
    context: Any = av.CodecContext.create("libx264", "w")
    context.height, context.width = picture.shape[:2]
    context.pix_fmt, context.time_base = "yuv420p", Fraction(1, 90_000)
    context.framerate, context.gop_size = Fraction(fps), round(encoder.gop_s * fps)
    if encoder.bit_rate:
        context.bit_rate = encoder.bit_rate
    context.options = {
        "preset": "veryfast",
        "threads": "2",
        "x264-params": f"scenecut=0:bframes={encoder.b_frames}",
        **dict(encoder.options),
    }
    return context


def plate_of(pictures: Sequence[Picture]) -> Picture:
    """The scene without what moves in it."""
    return np.asarray(np.median(np.stack(pictures), axis=0), np.uint8)


def with_noise(picture: NDArray[Any], sigma: float, rng: np.random.Generator) -> Picture:
    """The picture as a sensor with this much noise (in steps of brightness) has it."""
    noise = rng.standard_normal(picture.shape[:2], np.float32) * np.float32(sigma)
    return np.clip(picture.astype(np.float32) + noise[..., None], 0, 255).astype(np.uint8)


def walkers_one_by_one(
    pictures: Sequence[Picture],
    plate: Picture,
    walkers: Sequence[Passage],
    clip_fps: int,
    still_s: float,
) -> Iterator[Picture]:
    """Each walker of a crowded clip alone, cut out along the own path and laid over the empty
    scene, with so much of nothing before and after. Noise and a slow drift of the light throughout.
    """
    rng = np.random.default_rng(5)
    number = 0

    def shown(picture: Picture) -> Picture:
        nonlocal number
        number += 1
        light = 1 + 0.02 * np.sin(number / clip_fps / 40)
        return with_noise(picture * light, 1.5, rng)

    for walker in walkers:
        for _ in range(round(still_s * clip_fps)):
            yield shown(plate)
        for index in range(*_indices(walker, clip_fps)):
            if index >= len(pictures):
                break
            at_ms = index * 1000 // clip_fps - walker.first_us // 1000
            yield shown(_over(plate, pictures[index], box_at(walker.path, at_ms)))
    for _ in range(round(still_s * clip_fps)):
        yield shown(plate)


def pieces_apart(
    pictures: Sequence[Picture], pieces: Sequence[tuple[int, int]], still: int
) -> Iterator[Picture]:
    """Pieces of a clip, between them the empty pictures around each, forward and backward, for at
    least ``still`` pictures. ``pieces``: first and last index, apart from one another.
    """
    previous = 0
    for first, last in pieces:
        empty = pictures[previous:first]
        yield from _to_and_fro(empty, still)
        yield from pictures[first:last]
        previous = last
    yield from _to_and_fro(pictures[previous:], still)


def _to_and_fro(pictures: Sequence[Picture], count: int) -> Iterator[Picture]:
    """Ends with the last picture, so that what follows goes on from it; at least ``count``."""
    there_and_back = [*pictures, *pictures[-2:0:-1]]
    if not there_and_back:
        return
    for _ in range(-(-count // len(there_and_back))):
        yield from there_and_back
    yield from pictures


def _indices(walker: Passage, fps: int) -> tuple[int, int]:
    return walker.first_us * fps // 1_000_000, walker.last_us * fps // 1_000_000 + 1


def box_at(path: Sequence[PathPoint], at_ms: int) -> tuple[float, float, float, float]:
    """Where an object was, by its path, as shares of the picture."""
    times = [point.after_ms for point in path]
    left, top, right, bottom = (
        float(np.interp(at_ms, times, [getattr(point, side) for point in path]))
        for side in ("left", "top", "right", "bottom")
    )
    return left, top, right, bottom


def _over(plate: Picture, picture: Picture, box: tuple[float, float, float, float]) -> Picture:
    height, width = plate.shape[:2]
    across, down = (box[2] - box[0]) * 0.25, (box[3] - box[1]) * 0.12
    mask = np.zeros((height, width), np.float32)
    mask[
        max(0, int((box[1] - down) * height)) : int((box[3] + down) * height) + 1,
        max(0, int((box[0] - across) * width)) : int((box[2] + across) * width) + 1,
    ] = 1
    soft = np.asarray(cv2.GaussianBlur(mask, (9, 9), 0), np.float32)[..., None]
    return np.asarray(picture * soft + plate * (1 - soft), np.uint8)


def night(plate: Picture, count: int) -> Iterator[Picture]:
    """Infra-red at night: dark, no colour, much noise."""
    rng = np.random.default_rng(6)
    grey = np.asarray(cv2.cvtColor((plate * 0.28).astype(np.uint8), cv2.COLOR_BGR2GRAY))
    dark = np.repeat(grey[..., None], 3, 2)
    for _ in range(count):
        yield with_noise(dark, 9, rng)


def rain(plate: Picture, count: int) -> Iterator[Picture]:
    """Heavy rain: 160 streaks in each picture."""
    rng = np.random.default_rng(7)
    height, width = plate.shape[:2]
    wet = (plate * 0.7 + 30).astype(np.uint8)
    for _ in range(count):
        drops = wet.copy()
        for _ in range(160):
            x, y = int(rng.integers(0, width)), int(rng.integers(-20, height))
            length, thickness = int(rng.integers(12, 45)), int(rng.integers(1, 3))
            end = (x + length // 7, y + length)
            cv2.line(drops, (x, y), end, (215, 215, 215), thickness, cv2.LINE_AA)
        yield with_noise(cv2.addWeighted(wet, 0.5, drops, 0.5, 0), 3, rng)


def trees(plate: Picture, count: int, fps: int) -> Iterator[Picture]:
    """Two crowns of leaves that sway, more and less with the gusts."""
    rng = np.random.default_rng(8)
    crowns = [_crown(rng) for _ in range(2)]
    for number in range(count):
        at_s = number / fps
        gust = 0.4 + 0.6 * abs(np.sin(at_s / 7))
        shown = plate.astype(np.float32)
        for which, (left, top) in enumerate(((20, 10), (plate.shape[1] - 210, 0))):
            height, width = crowns[which].shape[:2]
            dx = (5 * np.sin(at_s * 2.1 + which) + 3 * np.sin(at_s * 5.3 + 2 * which)) * gust
            dy = 2 * np.sin(at_s * 3.1 + which) * gust
            # The top sways, the stem stands.
            shear = np.array([[1, -dx / height, dx], [0, 1, dy]], np.float32)
            moved = cv2.warpAffine(crowns[which], shear, (width, height)).astype(np.float32)
            place = shown[top : top + height, left : left + width]
            place += (moved[..., :3] - place) * (moved[..., 3:] / 255)
        yield with_noise(shown, 2, rng)


def _crown(rng: np.random.Generator) -> NDArray[np.uint8]:
    crown = np.zeros((170, 200, 4), np.uint8)
    for _ in range(900):
        angle, radius = rng.random() * 6.28, rng.random() ** 0.5 * 80
        place = (int(100 + radius * np.cos(angle)), int(85 + radius * np.sin(angle)))
        green = int(rng.integers(40, 170))
        color = (green // 3, green, green // 2, 255)
        cv2.circle(crown, place, int(rng.integers(2, 7)), color, -1)
    return crown


def headlights(plate: Picture, count: int, fps: int) -> Iterator[Picture]:
    """A dark street that the lamps of vehicles out of sight sweep over, every 12 s."""
    rng = np.random.default_rng(9)
    height, width = plate.shape[:2]
    down, across = np.indices((height, width), np.float32)
    for number in range(count):
        at_s = number / fps % 12
        lit = plate * np.float32(0.22)
        if at_s < 4:
            middle_x, middle_y = -150 + at_s / 4 * (width + 300), height * 0.64
            spread = ((across - middle_x) / 140) ** 2 + ((down - middle_y) / 90) ** 2
            cone = np.exp(-spread)[..., None]
            lit = lit * (1 + 3.2 * cone) + 18 * cone
        yield with_noise(lit, 4, rng)


def clouds(plate: Picture, count: int, fps: int) -> Iterator[Picture]:
    """Shadows of clouds pass, every 12 s."""
    rng = np.random.default_rng(10)
    height, width = plate.shape[:2]
    down, across = np.indices((height, width), np.float32)
    for number in range(count):
        phase = np.sin((across + 0.4 * down) / 400 - number / fps * 0.5)
        yield with_noise(plate * (0.8 + 0.25 * np.tanh(phase * 3))[..., None], 2, rng)
