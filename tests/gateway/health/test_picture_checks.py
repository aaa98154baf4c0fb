"""Pictures of real streets, as they are and damaged: each fault is found, and no other."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.health.picture_checks import findings_of
from gateway.health.picture_measures import (
    NotAPicture,
    Reference,
    measure,
    measure_jpeg,
    samples_from,
)
from tests.gateway.health.damage import DAMAGES, WEATHER, Picture, jpeg, noisy, scene

FOOTAGE = Path(os.environ.get("GRIDSIGHT_SHARED", "/nowhere")) / "footage"
CLIPS = ("pedestrians_h264.mp4", "intel_one-by-one-person-detection.mp4")
EVERY = 50
# One look in twenty may err: three in a row are needed.
FALSE_AT_MOST = 0.05
TRUE_AT_LEAST = 0.95


@pytest.fixture(params=CLIPS, scope="module")
def street(request: pytest.FixtureRequest) -> list[Picture]:
    """Every fiftieth picture of a clip of a fixed camera."""
    path = FOOTAGE / request.param
    if not path.exists():
        pytest.skip("no footage here")
    found: list[Picture] = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % EVERY == 0:
                picture = frame.to_ndarray(format="bgr24")
                small = cv2.resize(picture, (640, 360), interpolation=cv2.INTER_AREA)
                found.append(np.asarray(small, np.uint8))
    return found


def seen_in(pictures: list[Picture], reference: Reference) -> Counter[str]:
    counted: Counter[str] = Counter()
    before = None
    for one in pictures:
        measures = measure_jpeg(jpeg(one))
        counted.update(list(findings_of(measures, reference, before)))
        before = measures.samples
    return counted


@pytest.mark.parametrize("weather", WEATHER)
def test_a_street_in_any_weather_is_well(street: list[Picture], weather: str) -> None:
    reference = Reference.of(measure_jpeg(jpeg(street[0])))
    pictures = [WEATHER[weather](one) for one in street[1:]]
    for finding, count in seen_in(pictures, reference).items():
        assert count <= max(1, FALSE_AT_MOST * len(pictures)), (finding, count, len(pictures))


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_fault_is_found_on_a_street(street: list[Picture], damage: str) -> None:
    finding, harm = DAMAGES[damage]
    reference = Reference.of(measure_jpeg(jpeg(street[0])))
    pictures = [harm(one) for one in street[1:]]
    counted = seen_in(pictures, reference)
    assert counted[finding] >= TRUE_AT_LEAST * len(pictures), counted
    others = {name: count for name, count in counted.items() if name != finding}
    assert all(count <= max(1, FALSE_AT_MOST * len(pictures)) for count in others.values()), others


def test_a_picture_that_comes_again_is_frozen_and_the_next_one_is_not(
    street: list[Picture],
) -> None:
    measures = measure_jpeg(jpeg(street[2]))
    assert "frozen" in findings_of(measures, before=measures.samples)
    other = measure_jpeg(jpeg(street[3]))
    assert "frozen" not in findings_of(other, before=measures.samples)


@pytest.mark.parametrize("deviation", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("quality", [35, 60, 90])
def test_a_still_night_is_not_frozen(street: list[Picture], deviation: float, quality: int) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(street[2], cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    still = np.asarray(grey * 0.6, np.uint8)
    first, second = (measure_jpeg(jpeg(noisy(still, deviation), quality)) for _ in range(2))
    assert second.mode == "night"
    assert findings_of(second, Reference.of(first), first.samples) == {}


def test_the_same_faults_are_found_in_a_made_scene_without_footage() -> None:
    good = scene()
    reference = Reference.of(measure(good))
    assert findings_of(measure(noisy(good, 1)), reference) == {}
    for name, (finding, harm) in DAMAGES.items():
        assert finding in findings_of(measure(harm(good)), reference), name


def test_infrared_has_no_color_cast_and_a_steered_camera_no_shifted_view() -> None:
    good = scene()
    grey = cv2.cvtColor(cv2.cvtColor(good, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert findings_of(measure(np.asarray(grey, np.uint8))) == {}
    elsewhere = measure(scene(2))
    reference = Reference.of(measure(good))
    assert "shifted" in findings_of(elsewhere, reference)
    assert "shifted" not in findings_of(elsewhere, reference, moves=True)


def test_what_is_kept_of_a_picture_comes_back_the_same() -> None:
    measures = measure(scene())
    reference = Reference.of(measures)
    message = reference.to_message()
    again = Reference.from_row(
        measures.mode, message["numbers"], message["thumb"], message["deviations"]
    )
    assert np.array_equal(again.thumb, reference.thumb)
    assert findings_of(measures, again) == {}
    kept = samples_from(measures.samples.tobytes())
    assert kept is not None and np.array_equal(kept, measures.samples)
    assert samples_from(b"of another size") is None


@given(st.integers(16, 200), st.integers(16, 200), st.integers(0, 2**32 - 1), st.floats(0, 80))
@settings(max_examples=40, deadline=None)
def test_any_picture_is_measured_and_judged(
    wide: int, high: int, seed: int, deviation: float
) -> None:
    random = np.random.default_rng(seed)
    base = random.integers(0, 255)
    values = random.normal(base, deviation, (high, wide, 3))
    measures = measure(np.clip(values, 0, 255).astype(np.uint8))
    found = findings_of(measures, Reference.of(measures), measures.samples)
    for one in found.values():
        assert np.isfinite([one.value, one.limit]).all()
    assert not {"shifted", "covered"} & found.keys()


@given(st.binary(max_size=200))
def test_bytes_that_are_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        measure_jpeg(data)
