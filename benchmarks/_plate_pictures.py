"""Number plates as pictures, for benchmarks and tests: drawn by GA 36-2018, seen by a camera.

Real plates of real people are not to be had for tests, and the standard's typeface is not free:
these are drawn with Noto Sans CJK, stretched to the standard's size of a character. What readers
achieve on them says that they work, not how they do on a given road.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from search.objects import Picture

FONT = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc")

Rgb = tuple[int, int, int]
Colors = tuple[Rgb, Rgb]
# Ground and ink, red, green, blue.
BLUE = ((20, 60, 160), (255, 255, 255))
YELLOW = ((240, 185, 25), (15, 15, 15))
WHITE = ((240, 240, 240), (15, 15, 15))
BLACK = ((20, 20, 24), (245, 245, 245))
GREEN = ((60, 185, 110), (15, 15, 15))
SUFFIX_RED = frozenset("警")
CHARACTER = (45, 90)


@dataclass(frozen=True)
class Look:
    """How a camera sees the plate: ``width`` of it in pixels, yaw and roll as shares of its
    height, noise's deviation, blur's, and how much light there is.
    """

    width: int = 120
    yaw: float = 0.0
    roll: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    light: float = 1.0
    jpeg: int = 85


def draw_plate(text: str, colors: Colors = BLUE) -> Picture:
    """One line, 440 × 140 millimetres (480 for eight characters), two pixels each millimetre."""
    eight = len(text) == 8
    width, height = (480, 140) if eight else (440, 140)
    plate = _ground(width, height, colors)
    at = 15.5
    for place, character in enumerate(text):
        across = 43 if eight and place else CHARACTER[0]
        _put(plate, character, at, 25, across, CHARACTER[1], colors[1])
        at += across + (9 if eight else 12)
        if place == 1:
            at += 40 if eight else 22
    draw = ImageDraw.Draw(plate)
    middle = 15.5 + (97 if eight else 102) + (20 if eight else 11)
    draw.ellipse([2 * middle - 10, 130, 2 * middle + 10, 150], fill=colors[1])
    return _bgr(plate)


def draw_two_lines(text: str, colors: Colors = YELLOW) -> Picture:
    """The rear plate of a large vehicle or a trailer: 440 × 220 millimetres."""
    plate = _ground(440, 220, colors)
    _put(plate, text[0], 110, 15, 80, 60, colors[1])
    _put(plate, text[1], 250, 15, 80, 60, colors[1])
    for place, character in enumerate(text[2:]):
        _put(plate, character, 27.5 + place * 80, 90, 65, 110, colors[1])
    return _bgr(plate)


def on_vehicle(plate: Picture, look: Look, chance: np.random.Generator, paint: Rgb) -> Picture:
    """The plate below the lamps of a drawn vehicle's front, as the camera sees it. ``paint``: blue,
    green, red.
    """
    wide = look.width * 4
    high = round(wide * 0.8)
    picture = _front(wide, high, paint)
    across, down = float(look.width), look.width * plate.shape[0] / plate.shape[1]
    left, top = (wide - across) / 2, high * 0.66
    tilt, turn = look.roll * down, look.yaw * down
    corners = np.array(
        [
            [left, top],
            [left + across, top + tilt + turn],
            [left + across, top + down + tilt - turn],
            [left, top + down],
        ],
        np.float32,
    )
    source = np.array(
        [[0, 0], [plate.shape[1], 0], [plate.shape[1], plate.shape[0]], [0, plate.shape[0]]],
        np.float32,
    )
    # Made smaller before it is turned, so that no pixel is skipped.
    scale = across / plate.shape[1]
    small = cv2.resize(plate, None, fx=scale * 2, fy=scale * 2, interpolation=cv2.INTER_AREA)
    map_to = cv2.getPerspectiveTransform(source * scale * 2, corners)
    placed = cv2.warpPerspective(small, map_to, (wide, high), flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full(small.shape[:2], 255, np.uint8), map_to, (wide, high))
    share = (mask.astype(np.float32) / 255)[..., None]
    seen = picture * (1 - share) + placed * share
    return _by_camera(seen, look, chance)


def _by_camera(picture: NDArray[Any], look: Look, chance: np.random.Generator) -> Picture:
    seen: NDArray[Any] = picture.astype(np.float32) * look.light
    if look.blur:
        seen = cv2.GaussianBlur(seen, (0, 0), look.blur)
    if look.noise:
        seen += chance.normal(0, look.noise, seen.shape)
    coded = cv2.imencode(
        ".jpg", np.clip(seen, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, look.jpeg]
    )[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)


def _front(wide: int, high: int, paint: Rgb) -> Picture:
    picture = np.full((high, wide, 3), (96, 98, 96), np.uint8)

    def block(left: float, top: float, right: float, bottom: float, color: Rgb) -> None:
        rows = slice(round(high * top), round(high * bottom))
        picture[rows, round(wide * left) : round(wide * right)] = color

    block(0.06, 0.1, 0.94, 0.9, paint)
    block(0.15, 0.14, 0.85, 0.38, (22, 21, 20))  # windscreen
    block(0.32, 0.5, 0.68, 0.62, (30, 30, 30))  # grille
    for left in (0.1, 0.74):
        block(left, 0.5, left + 0.16, 0.6, (230, 235, 235))  # lamps
    for left in (0.08, 0.78):
        block(left, 0.88, left + 0.14, 1.0, (20, 20, 20))  # tyres
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.8, wide / 400)), np.uint8)


def _ground(width: int, height: int, colors: Colors) -> Image.Image:
    plate = Image.new("RGB", (2 * width, 2 * height), colors[0])
    if colors is GREEN:
        down = np.linspace(0, 1, 2 * height)[:, None, None]
        rows = (1 - down) * np.array([235, 245, 240]) + down * np.array(colors[0])
        plate = Image.fromarray(np.broadcast_to(rows, (2 * height, 2 * width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(plate)
    draw.rounded_rectangle(
        [6, 6, 2 * width - 7, 2 * height - 7], radius=16, outline=colors[1], width=4
    )
    return plate


def _put(plate: Image.Image, character: str, x: float, y: float, w: int, h: int, ink: Rgb) -> None:
    """The character, stretched to w × h millimetres with its upper left corner at x, y."""
    glyph = _glyph(character)
    stretched = glyph.resize((2 * w, 2 * h), Image.Resampling.BOX)
    color = (200, 20, 30) if character in SUFFIX_RED else ink
    plate.paste(Image.new("RGB", stretched.size, color), (round(2 * x), round(2 * y)), stretched)


@cache
def _glyph(character: str) -> Image.Image:
    font = ImageFont.truetype(str(FONT), 260, index=2)
    left, top, right, bottom = font.getbbox(character)
    if character in "1I":
        # As wide as others, for its stroke would else be.
        extra = (bottom - top) * 0.18
        left, right = left - extra, right + extra
    mask = Image.new("L", (round(right - left), round(bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), character, fill=255, font=font)
    return mask


def _bgr(plate: Image.Image) -> Picture:
    return np.ascontiguousarray(np.asarray(plate)[..., ::-1])
