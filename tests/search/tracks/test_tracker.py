"""From detections to passages: one for each object's way, whatever cameras and detectors do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from search.objects import NO_DETECTIONS, OBJECT_CLASSES, Detections, ObjectClass
from search.passages import Direction, Passage, SpeedClass
from search.tracks import tracker as tracking
from search.tracks.tracker import PassageTracker
from search.zones import Rule, RuleKind, Zone, ZoneKind
from search.zones.watch import State
from tests.search.tracks.scenes import (
    HEIGHT,
    START_US,
    WIDTH,
    Found,
    car,
    found,
    frame,
    person,
    textured,
)


def follow(
    seconds: Iterable[float], scene: Callable[[float], list[Found]], **given: object
) -> list[Passage]:
    """All passages of a scene that is looked at at these moments, its end among them."""
    tracker = PassageTracker("camera", model="by hand", **given)  # type: ignore[arg-type]
    done = [one for at in seconds for one in tracker.update(frame(at), found(*scene(at)))]
    return done + tracker.finish()


def each(step: float, until: float, start: float = 0.0) -> list[float]:
    """Moments so many seconds apart."""
    return [start + step * n for n in range(int((until - start) / step) + 1)]


def test_a_walk_across_the_picture_is_one_passage() -> None:
    (walk,) = follow(each(0.2, 10), lambda at: [person(40 + 50 * at)])
    assert walk.object_class is ObjectClass.PERSON
    assert (walk.first_us, walk.last_us) == (START_US, START_US + 10_000_000)
    assert walk.direction is Direction.RIGHT
    assert walk.speed is SpeedClass.SLOW
    assert walk.ended and walk.model == "by hand" and walk.camera_id == "camera"
    assert len(walk.path) == 2, "a straight way is told by its ends"
    assert 1 <= len(walk.evidence) <= 5
    assert max(walk.crop.shape[:2]) <= 256


def test_two_who_meet_stay_two() -> None:
    passages = follow(
        each(0.2, 10),
        lambda at: [person(40 + 50 * at, foot=230), person(580 - 50 * at, foot=300, height=110)],
    )
    assert sorted(one.direction for one in passages) == [Direction.RIGHT, Direction.LEFT]


def test_somebody_behind_a_post_for_two_seconds_is_the_same() -> None:
    (walk,) = follow(
        each(0.2, 10), lambda at: [] if 4 < at < 6 else [person(40 + 50 * at, height=90)]
    )
    assert walk.last_us - walk.first_us == 10_000_000


def test_keyframes_four_seconds_apart_show_the_same_walker() -> None:
    """Their boxes do not overlap; reach, size and looks tell."""
    (walk,) = follow(each(4, 20), lambda at: [person(60 + 25 * at)])
    assert walk.direction is Direction.RIGHT


def test_who_left_and_who_comes_half_a_minute_later_are_two() -> None:
    passages = follow(each(0.2, 40), lambda at: [person(300)] if at < 5 or at > 35 else [])
    assert len(passages) == 2


def test_a_car_that_flickers_to_truck_is_one_and_says_so() -> None:
    (one,) = follow(
        each(0.2, 6),
        lambda at: [car(100 + 60 * at, kind="truck" if round(at * 5) % 3 == 0 else "car")],
    )
    assert one.object_class is ObjectClass.CAR
    assert ObjectClass.TRUCK in one.possible_classes


def test_one_thing_told_twice_in_a_picture_is_one() -> None:
    (one,) = follow(
        each(0.2, 4), lambda at: [car(100 + 60 * at), car(103 + 60 * at, kind="truck", score=0.5)]
    )
    assert one.object_class is ObjectClass.CAR
    assert one.possible_classes == (ObjectClass.TRUCK,)


def test_what_the_model_cannot_tell_apart_is_possible() -> None:
    (one,) = follow(
        each(0.2, 4),
        lambda at: [car(100 + 60 * at)],
        possible={ObjectClass.CAR: (ObjectClass.VAN,)},
    )
    assert one.possible_classes == (ObjectClass.VAN,)


def test_a_parked_car_is_found_after_a_minute_and_has_a_passage_an_hour() -> None:
    """At keyframes only, half of them missed by the detector, for three hours and a half."""
    passages = follow(each(4, 3.5 * 3600), lambda at: [car(300)] if int(at / 4) % 4 < 2 else [])
    ids = list(dict.fromkeys(one.id for one in passages))
    assert len(ids) == 4
    for number in ids:
        told = [one for one in passages if one.id == number]
        assert [one.ended for one in told] == [False, True]
        assert told[0].last_us - told[0].first_us < 70_000_000
        assert told[1].direction is Direction.STAYED and told[1].speed is SpeedClass.STILL
    ended = [one for one in passages if one.ended]
    for before, after in itertools.pairwise(ended):
        assert 0 <= after.first_us - before.last_us <= 20_000_000


def test_the_gate_slept_and_the_parked_car_is_the_same() -> None:
    (one,) = [
        one
        for one in follow([*each(4, 40), *each(4, 340, start=300)], lambda at: [car(300)])
        if one.ended
    ]
    assert one.last_us - one.first_us == 340_000_000


def test_after_a_gap_whoever_moves_is_somebody_else() -> None:
    moments = [*each(0.2, 4), *each(0.2, 104, start=100)]
    assert len(follow(moments, lambda at: [person(60 + 40 * (at % 100))])) == 2


def test_a_single_doubtful_sight_is_noise_and_a_sure_one_is_not() -> None:
    assert follow([0.0, 0.2], lambda at: [person(100, score=0.5)] if at == 0 else []) == []
    (one,) = follow([0.0, 0.2], lambda at: [person(100, score=0.7)] if at == 0 else [])
    assert one.first_us == one.last_us


def test_a_stone_that_looks_a_bit_like_somebody_is_noise() -> None:
    """Never moves, never sure. Somebody who stands there and is seen well is told."""
    assert follow(each(0.2, 30), lambda at: [person(100, score=0.43)]) == []
    assert len(follow(each(0.2, 30), lambda at: [person(100, score=0.6)])) == 1


def test_a_change_of_resolution_changes_nothing() -> None:
    tracker = PassageTracker("camera", model="m")
    large = textured(WIDTH * 2, HEIGHT * 2)
    done: list[Passage] = []
    for at in each(0.2, 6):
        one = person(60 + 50 * at)
        if at < 3:
            done += tracker.update(frame(at), found(one))
        else:
            kind, score, (left, top, right, bottom) = one
            doubled = (kind, score, (left * 2, top * 2, right * 2, bottom * 2))
            done += tracker.update(frame(at, large), found(doubled))
    assert len(done + tracker.finish()) == 1


def test_a_clock_that_steps_back_begins_anew_and_doubled_pictures_do_nothing() -> None:
    tracker = PassageTracker("camera", model="m")
    for at in each(0.2, 4):
        tracker.update(frame(at), found(person(60 + 50 * at)))
    assert tracker.update(frame(4), found(person(500))) == []
    assert len(tracker.current()) == 1
    assert len(tracker.update(frame(-100), found(person(60)))) == 1
    assert [one.first_us for one in tracker.finish()] == [START_US - 100_000_000]


def test_somebody_on_a_bicycle_is_its_rider_and_somebody_beside_it_is_not() -> None:
    def bicycle(x: float) -> Found:
        return ObjectClass.BICYCLE, 0.8, (x - 40, 200, x + 40, 260)

    passages = follow(each(0.2, 4), lambda at: [bicycle(60 + 90 * at), person(60 + 90 * at, 245)])
    ridden = next(one for one in passages if one.object_class is ObjectClass.BICYCLE)
    assert ridden.rider is not None and ridden.rider.share > 0.9
    assert ridden.rider.crop is not None
    passages = follow(
        each(0.2, 4), lambda at: [bicycle(60 + 90 * at), person(115 + 90 * at, 275, height=120)]
    )
    pushed = next(one for one in passages if one.object_class is ObjectClass.BICYCLE)
    assert pushed.rider is not None and pushed.rider.share == 0 and pushed.rider.crop is None


def test_infra_red_pictures_make_monochrome_passages() -> None:
    tracker = PassageTracker("camera", model="m")
    for at in each(0.2, 4):
        tracker.update(frame(at, monochrome=True), found(person(60 + 50 * at)))
    assert tracker.finish()[0].monochrome


def test_the_best_crop_is_the_whole_sharp_and_near_one() -> None:
    """Not the blurred one, not the one cut off at the border, not the one far away."""
    flat = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)

    def scene(at: float) -> Found:
        if at == 3:
            return person(320, 300, height=124)
        if at > 4:
            return person(638, 300, height=140)
        return person(160 + 40 * at, 300, height=60 + 20 * at)

    tracker = PassageTracker("camera", model="m")
    for at in (0.0, 1.0, 2.0, 2.5, 3.0, 3.5, 4.5, 5.0):
        tracker.update(frame(at, flat if at == 3.5 else textured()), found(scene(at)))
    (one, *_) = tracker.finish()
    assert one.best_us == START_US + 3_000_000
    assert one.evidence[0].at_us == one.best_us
    assert one.evidence[0].crop.shape[0] >= 124, "full resolution, with a margin"


def test_a_box_that_suddenly_holds_two_is_not_the_best_look() -> None:
    """Detectors merge people who stand before one another: tall, sure, and of nobody."""
    tracker = PassageTracker("camera", model="m")
    for at in each(0.2, 4):
        merged = abs(at - 2.0) < 0.01
        one = person(160 + 30 * at, 300, score=0.9 if merged else 0.7, height=140 if merged else 90)
        tracker.update(frame(at), found(one))
    (walk,) = tracker.finish()
    assert walk.best_us != START_US + 2_000_000


def test_live_boxes_are_those_of_the_newest_picture() -> None:
    tracker = PassageTracker("camera", model="m")
    tracker.update(frame(0), found(person(100), person(400)))
    tracker.update(frame(0.2), found(person(105)))
    (box,) = tracker.current()
    assert box.object_class is ObjectClass.PERSON
    assert abs(box.box[0] - 90 / WIDTH) < 1e-6
    tracker.update(frame(0.4), NO_DETECTIONS)
    assert tracker.current() == []


def test_zones_are_watched_on_the_way() -> None:
    gate = Zone("gate", ZoneKind.LINE, ((0.5, 1.0), (0.5, 0.0)), (Rule(RuleKind.LINE_CROSSING),))
    tracker = PassageTracker("camera", model="m", zones=[gate])
    for at in each(0.2, 10):
        tracker.update(frame(at), found(person(40 + 50 * at)))
    (told,) = tracker.happenings()
    assert told.kind is RuleKind.LINE_CROSSING and tracker.happenings() == []
    (walk,) = tracker.finish()
    assert [(one.zone_id, one.how) for one in walk.crossings] == [("gate", "forward")]
    assert told.passage_id == walk.id


def test_an_intruder_who_stays_for_hours_is_one_and_ends_with_the_pictures() -> None:
    yard = Zone(
        "yard", ZoneKind.REGION, ((0, 0), (1, 0), (1, 1), (0, 1)), (Rule(RuleKind.INTRUSION),)
    )
    tracker = PassageTracker("camera", model="m", zones=[yard])
    for at in each(8, 2.5 * 3600):
        tracker.update(frame(at), found(car(300)))
    assert [one.state for one in tracker.happenings()] == [State.BEGIN]
    tracker.finish()
    assert [one.state for one in tracker.happenings()] == [State.END]


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[float, Detections]]:
    """Anything that a detector may say, at any pace, clocks stepping both ways."""
    told, at = [], 0.0
    for _ in range(draw(st.integers(1, 25))):
        at += draw(st.sampled_from([0.2, 0.2, 0.2, 0.04, 4.0, 10.0, 45.0, 2000.0, -0.5, -90.0]))
        count = draw(st.integers(0, 5))
        seed = draw(st.integers(0, 1000))
        random = np.random.default_rng(seed)
        corners = random.uniform(-20, 660, (count, 2, 2)).astype(np.float32)
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        boxes = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32)
        told.append(
            (
                at,
                Detections(
                    boxes.reshape(-1, 4),
                    random.uniform(0, 1, count).astype(np.float32),
                    random.integers(0, len(OBJECT_CLASSES), count).astype(np.uint8),
                ),
            )
        )
    return told


@settings(max_examples=60)
@given(streams())
def test_whatever_comes_passages_are_sound_and_end_once(
    stream: list[tuple[float, Detections]],
) -> None:
    tracker = PassageTracker("camera", model="m")
    done: list[Passage] = []
    for at, detections in stream:
        done += tracker.update(frame(at), detections)
        shown = [one.passage_id for one in tracker.current()]
        assert len(shown) == len(set(shown))
    done += tracker.finish()
    ended = [one.id for one in done if one.ended]
    assert len(ended) == len(set(ended))
    for one in done:
        assert one.first_us <= one.best_us <= one.last_us
        assert 0 < one.confidence <= 1
        assert min(one.crop.shape) >= 1 and max(one.crop.shape) <= 256
        assert all(-1e-6 <= side <= 1 + 1e-6 for side in one.box)
        assert [p.after_ms for p in one.path] == sorted({p.after_ms for p in one.path})
        assert one.evidence and len(one.evidence) <= 5
        assert all(one.first_us <= look.at_us <= one.last_us for look in one.evidence)
    assert tracker.finish() == []


def test_memory_is_bounded(monkeypatch: object) -> None:
    tracker = PassageTracker("camera", model="m")
    large = textured(2560, 1440)
    crowd = [
        (ObjectClass.CAR, 0.9, (x * 250.0, y * 200.0, x * 250.0 + 240, y * 200.0 + 190))
        for x in range(10)
        for y in range(7)
    ]
    for at in each(1, 10):
        tracker.update(frame(at, large), found(*crowd))
    kept = list(tracker.finish())
    assert len(kept) == 70
    assert sum(look.crop.nbytes for one in kept for look in one.evidence) <= max(
        tracking.LOOKS_BYTES, 70 * 300 * 230 * 3
    )
