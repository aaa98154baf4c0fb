"""What passages look like: of drawn objects, and of real walkers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks._plate_pictures import (
    BLUE,
    FONT,
    YELLOW,
    Look,
    draw_plate,
    draw_two_lines,
    on_vehicle,
)
from search.attributes.describe import Describer
from search.objects import ObjectClass
from search.passages import Color, Rider
from tests.search.attributes.passages import draw_person, passage, walker

needs_font = pytest.mark.skipif(not FONT.exists(), reason="needs Debian's fonts-noto-cjk")

RED, NAVY, GREEN, WHITE, BLACK = (
    (40, 30, 190),
    (110, 60, 30),
    (60, 130, 50),
    (235, 235, 235),
    (22, 22, 22),
)
IN_BOX = (0.06, 0.1, 0.94, 0.9)


@pytest.fixture(scope="module")
def describer() -> Describer:
    return Describer(threads=1)


@pytest.mark.parametrize("light", [1.0, 0.7])
@pytest.mark.parametrize("tint", [(1.0, 1.0, 1.0), (0.85, 0.96, 1.05), (1.08, 1.0, 0.92)])
@pytest.mark.parametrize(
    ("coat", "trousers", "upper", "lower"),
    [
        (RED, NAVY, Color.RED, Color.BLUE),
        (GREEN, BLACK, Color.GREEN, Color.BLACK),
        (WHITE, RED, Color.WHITE, Color.RED),
    ],
)
def test_coat_and_trousers_by_daylight_lamplight_and_dusk(
    describer: Describer,
    coat: tuple[int, int, int],
    trousers: tuple[int, int, int],
    upper: Color,
    lower: Color,
    tint: tuple[float, float, float],
    light: float,
) -> None:
    looks = [draw_person(coat, trousers, tint=tint, light=light, seed=seed) for seed in range(3)]
    found = describer.describe(passage(ObjectClass.PERSON, looks))
    assert found.upper_color is not None
    assert found.lower_color is not None
    assert found.upper_color.color is upper
    assert found.lower_color.color is lower
    assert (found.color, found.plate, found.vehicle_type, found.rider) == (None,) * 4


def test_the_street_is_not_the_coat(describer: Describer) -> None:
    lawn = (60, 140, 70)
    found = describer.describe(passage(ObjectClass.PERSON, [draw_person(RED, BLACK, street=lawn)]))
    assert found.upper_color is not None
    assert found.lower_color is not None
    assert (found.upper_color.color, found.lower_color.color) == (Color.RED, Color.BLACK)


@pytest.mark.parametrize("object_class", list(ObjectClass))
def test_of_infra_red_no_color_is_told(describer: Describer, object_class: ObjectClass) -> None:
    crop, box = draw_person(RED, NAVY)
    grey = np.repeat(crop.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    rider = Rider(1.0, grey) if object_class in (ObjectClass.BICYCLE,) else None
    one = passage(object_class, [(grey, box)], monochrome=True, rider=rider)
    found = describer.describe(one)
    told = (found.color, found.upper_color, found.lower_color, found.plate_color)
    assert {color.color for color in told if color is not None} <= {Color.UNKNOWN}
    assert object_class is ObjectClass.MOTORCYCLE or any(told)


def test_too_dark_to_tell_is_unknown(describer: Describer) -> None:
    found = describer.describe(
        passage(ObjectClass.PERSON, [draw_person(RED, NAVY, light=0.12, noise=2)])
    )
    assert found.upper_color is not None
    assert found.upper_color.color is Color.UNKNOWN
    assert found.upper_color.confidence == 0


def test_of_who_is_cut_off_at_the_waist_nothing_is_said_of_trousers(describer: Describer) -> None:
    crop, _ = draw_person(RED, NAVY)
    half = passage(ObjectClass.PERSON, [(crop[:74], (0.17, 0.16, 0.83, 1.0))])
    found = describer.describe(replace(half, box=(0.4, 0.6, 0.5, 1.0)))
    assert found.upper_color is not None
    assert found.upper_color.color is Color.RED
    assert found.lower_color is None


@pytest.mark.parametrize(
    ("at_s", "box", "upper", "lower"),
    [
        (42.6, (0.917, 0.479, 0.986, 0.658), Color.RED, None),
        (66.0, (0.891, 0.510, 0.945, 0.715), Color.BLUE, None),
        (19.8, (0.903, 0.428, 0.959, 0.606), Color.BLACK, Color.BLACK),
        (51.2, (0.852, 0.542, 0.926, 0.744), Color.BLACK, Color.BLUE),
    ],
)
def test_real_walkers(
    describer: Describer,
    pedestrians_h264: Path,
    at_s: float,
    box: tuple[float, float, float, float],
    upper: Color,
    lower: Color | None,
) -> None:
    found = describer.describe(passage(ObjectClass.PERSON, [walker(pedestrians_h264, at_s, box)]))
    assert found.upper_color is not None
    assert found.lower_color is not None
    assert found.upper_color.color is upper
    assert lower is None or found.lower_color.color is lower


@needs_font
@pytest.mark.parametrize(
    ("paint", "color"),
    [
        ((35, 30, 180), Color.RED),
        ((160, 80, 30), Color.BLUE),
        ((238, 238, 238), Color.WHITE),
        ((22, 20, 20), Color.BLACK),
        ((40, 200, 235), Color.YELLOW),
        ((60, 120, 40), Color.GREEN),
    ],
)
@pytest.mark.parametrize("light", [1.0, 0.6])
def test_paint_among_glass_rubber_and_road(
    describer: Describer, paint: tuple[int, int, int], color: Color, light: float
) -> None:
    look = Look(50, light=light, noise=4)
    crop = on_vehicle(draw_plate("鄂H12345", BLUE), look, np.random.default_rng(5), paint)
    found = describer.describe(passage(ObjectClass.CAR, [(crop, IN_BOX)]))
    assert found.color is not None
    assert found.color.color is color
    assert found.vehicle_type is None  # a saloon, an off-road car: the model cannot tell


@needs_font
def test_a_plate_ending_in_trailer_makes_it_one(describer: Describer) -> None:
    chance = np.random.default_rng(2)
    plate = draw_two_lines("鄂H1234挂", YELLOW)
    looks = [
        (on_vehicle(plate, Look(150, roll=roll), chance, (200, 200, 200)), IN_BOX)
        for roll in (0.0, 0.06, -0.06)
    ]
    found = describer.describe(passage(ObjectClass.TRUCK, looks))
    assert found.plate is not None
    assert found.plate.value == "鄂H1234挂"
    assert found.plate_color is not None
    assert found.plate_color.color is Color.YELLOW
    assert found.vehicle_type is not None
    assert found.vehicle_type.value == "trailer"


@needs_font
def test_where_a_plate_was_read_is_told_in_shares_of_the_whole_picture(
    describer: Describer,
) -> None:
    crop = on_vehicle(draw_plate("鄂H12345", BLUE), Look(150), np.random.default_rng(3), WHITE)
    car = passage(ObjectClass.CAR, [(crop, IN_BOX)])
    (look,) = car.evidence
    car.evidence = [replace(look, in_picture=(0.2, 0.2, 0.6, 0.7))]
    found = describer.describe(car)
    assert found.plate is not None and found.plate.value == "鄂H12345"
    (place,) = found.plate_places
    assert place == pytest.approx((0.343, 0.55, 0.457, 0.612), abs=0.015)


def test_a_type_is_told_only_by_models_that_know_what_else_it_could_be(
    describer: Describer,
) -> None:
    bare = (np.full((60, 80, 3), 120, np.uint8), IN_BOX)
    truck = passage(ObjectClass.TRUCK, [bare])
    sure = describer.describe(truck).vehicle_type
    assert sure is not None
    assert sure.value == "truck"
    unsure = replace(truck, possible_classes=(ObjectClass.VAN, ObjectClass.TRICYCLE))
    assert describer.describe(unsure).vehicle_type is None


def test_who_rides_a_bicycle_and_in_which_coat(describer: Describer) -> None:
    crop, _ = draw_person(RED, NAVY)
    bicycle = (np.full((60, 80, 3), 120, np.uint8), IN_BOX)
    ridden = passage(ObjectClass.BICYCLE, [bicycle], rider=Rider(0.9, crop))
    found = describer.describe(ridden)
    assert found.rider is not None
    assert (found.rider.value, found.rider.confidence) == ("yes", 0.9)
    assert found.upper_color is not None
    assert found.upper_color.color is Color.RED

    parked = passage(ObjectClass.BICYCLE, [bicycle], rider=Rider(0.1, None))
    found = describer.describe(parked)
    assert found.rider is not None
    assert (found.rider.value, found.upper_color) == ("no", None)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (7, 7)])
@pytest.mark.parametrize("object_class", [ObjectClass.PERSON, ObjectClass.CAR])
def test_slivers_of_pictures_are_described_by_nothing(
    describer: Describer, shape: tuple[int, int], object_class: ObjectClass
) -> None:
    sliver = np.zeros((*shape, 3), np.uint8)
    found = describer.describe(passage(object_class, [(sliver, (0.1, 0.1, 0.9, 0.9))]))
    assert found.color is None
    assert found.upper_color is None
    assert found.plate is None
