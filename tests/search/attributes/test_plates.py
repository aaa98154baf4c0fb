"""Plates in pictures of drawn vehicles: found, straightened, read, agreed upon."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from benchmarks._plate_pictures import (
    BLACK,
    BLUE,
    FONT,
    GREEN,
    WHITE,
    YELLOW,
    Look,
    draw_plate,
    draw_two_lines,
    on_vehicle,
)
from search.attributes.plates.finding import PlateFinder, straighten
from search.attributes.plates.reading import ClpReader, PaddleReader, _collapse
from search.attributes.plates.search import PlateSearch
from search.passages import Color

needs_font = pytest.mark.skipif(not FONT.exists(), reason="needs Debian's fonts-noto-cjk")

PAINT = (60, 40, 150)
WHOLE = (0.06, 0.1, 0.94, 0.9)


@pytest.fixture(scope="module")
def plates() -> PlateSearch:
    return PlateSearch(threads=1)


def _looks(plate: np.ndarray, *looks: Look, seed: int = 3) -> list:
    chance = np.random.default_rng(seed)
    return [(on_vehicle(plate, look, chance, PAINT), WHOLE) for look in looks]


BY_DAY = (Look(150), Look(140, yaw=0.08, noise=4), Look(130, roll=0.12))
AT_NIGHT = tuple(Look(140, roll=roll, noise=6, light=0.35) for roll in (0.0, 0.08, -0.08))
BLURRED = tuple(Look(150, yaw=yaw, blur=1.2, noise=3) for yaw in (0.0, 0.06, -0.06))


@needs_font
@pytest.mark.parametrize(
    ("text", "ground", "color"),
    [
        ("鄂H12345", BLUE, Color.BLUE),
        ("京N8P8F8", BLUE, Color.BLUE),
        ("鄂HD06789", GREEN, Color.GREEN),
        ("鄂H5K88学", YELLOW, Color.YELLOW),
        ("京A0006警", WHITE, Color.WHITE),
        ("粤ZK123港", BLACK, Color.BLACK),
    ],
)
def test_a_plate_is_read_over_three_pictures(
    plates: PlateSearch, text: str, ground: tuple, color: Color
) -> None:
    seen = plates.search(_looks(draw_plate(text, ground), *BY_DAY))
    assert seen is not None
    assert seen.plate is not None
    assert seen.plate.text == text
    assert seen.plate.confidence >= 0.6
    assert seen.color.color is color


@needs_font
@pytest.mark.parametrize("text", ["鄂H1234挂", "鄂H68123"])
def test_a_plate_of_two_lines_is_read(plates: PlateSearch, text: str) -> None:
    seen = plates.search(_looks(draw_two_lines(text), *BY_DAY))
    assert seen is not None
    assert seen.plate is not None
    assert seen.plate.text == text
    assert seen.color.color is Color.YELLOW


@needs_font
@pytest.mark.parametrize("looks", [AT_NIGHT, BLURRED], ids=["night", "blur"])
def test_a_plate_is_read_in_poor_light_and_out_of_focus(
    plates: PlateSearch, looks: tuple[Look, ...]
) -> None:
    seen = plates.search(_looks(draw_plate("鄂H37586", BLUE), *looks))
    assert seen is not None
    assert seen.plate is not None
    assert seen.plate.text == "鄂H37586"


@needs_font
def test_a_plate_is_read_by_infra_red(plates: PlateSearch) -> None:
    looks = _looks(draw_plate("鄂H37586", BLUE), *AT_NIGHT)
    grey = [(np.repeat(one.mean(axis=2, keepdims=True), 3, 2).astype(np.uint8), box)
            for one, box in looks]  # fmt: skip
    seen = plates.search(grey)
    assert seen is not None
    assert seen.plate is not None
    assert seen.plate.text == "鄂H37586"


@needs_font
def test_a_character_covered_with_mud_is_not_guessed(plates: PlateSearch) -> None:
    mud = draw_plate("鄂H37586", BLUE)
    mud[20:250, 526:628] = (40, 60, 70)  # the 5
    seen = plates.search(_looks(mud, *BY_DAY))
    assert seen is not None
    assert seen.plate is None or seen.plate.text == "鄂H37?86"


@needs_font
@pytest.mark.parametrize("text", ["HELLO12", "1234567", "京东物流", "VOLVO"])
def test_other_writing_on_a_vehicle_is_no_plate(plates: PlateSearch, text: str) -> None:
    seen = plates.search(_looks(draw_plate(text, YELLOW), *BY_DAY))
    assert seen is None or seen.plate is None


@needs_font
def test_one_lucky_picture_is_no_certain_plate(plates: PlateSearch) -> None:
    seen = plates.search(_looks(draw_plate("鄂H12345", BLUE), Look(150)))
    assert seen is not None
    assert seen.plate is None or seen.plate.confidence <= 0.6


@needs_font
def test_pictures_of_different_plates_agree_on_nothing(plates: PlateSearch) -> None:
    looks = [
        look
        for text in ("鄂H12345", "湘A98760", "川C70707")
        for look in _looks(draw_plate(text, BLUE), Look(150))
    ]
    seen = plates.search(looks)
    assert seen is not None
    assert seen.plate is None


@needs_font
def test_a_plate_too_small_to_read_is_not_guessed(plates: PlateSearch) -> None:
    small = [Look(28, roll=roll, blur=1.0, noise=6) for roll in (0, 0.05, -0.05)]
    seen = plates.search(_looks(draw_plate("鄂H12345", BLUE), *small))
    assert seen is None or seen.plate is None


@needs_font
def test_a_plate_beside_the_vehicle_is_not_its_own(plates: PlateSearch) -> None:
    looks = _looks(draw_plate("鄂H12345", BLUE), *BY_DAY)
    left_quarter = (0.0, 0.1, 0.3, 0.9)
    assert plates.search([(crop, left_quarter) for crop, _ in looks]) is None


def test_no_plate_is_seen_where_none_is(plates: PlateSearch) -> None:
    bare = np.full((300, 400, 3), 120, np.uint8)
    assert plates.search([(bare, WHOLE)] * 3) is None
    assert plates.search([]) is None


@needs_font
def test_corners_are_found_within_a_few_pixels() -> None:
    crop = on_vehicle(draw_plate("鄂H12345"), Look(150), np.random.default_rng(1), PAINT)
    height, width = crop.shape[:2]
    found = PlateFinder(threads=1).find(crop)
    assert len(found) == 1
    left, top = (width - 150) / 2, height * 0.66
    down = 150 * 140 / 440
    drawn = [[left, top], [left + 150, top], [left + 150, top + down], [left, top + down]]
    assert np.abs(found[0].corners - drawn).max() < 8
    assert straighten(crop, found[0]).shape[0] == 48


@needs_font
def test_both_readers_read_a_plate_seen_from_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a reader reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    plate = draw_plate("京N8P8F8", BLUE)
    second = PaddleReader(threads=1).read([plate, plate])
    assert [one.text for one in second] == ["京N8P8F8"] * 2
    first = ClpReader(threads=1).read([plate])[0]
    assert first.text[1:] == "N8P8F8"  # the drawn typeface's 京 is not the standard's


def test_runs_are_one_character_and_a_blank_parts_two_of_the_same() -> None:
    columns = np.array([0, 2, 3])  # a model of a blank and the characters "1" and "2"
    steps = np.eye(3, dtype=np.float32)[[0, 1, 1, 0, 1, 2, 2, 0]]
    found = _collapse(steps, columns)
    assert found.argmax(axis=1).tolist() == [1, 1, 2]
    assert _collapse(steps[:1], columns).shape[0] == 0
