"""Rules at lines and in regions: each happening told once, and each begin with its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from search.objects import ObjectClass
from search.passages import Crossing
from search.zones import Rule, RuleKind, Schedule, Span, Way, Zone, ZoneKind
from search.zones.places import Seen
from search.zones.watch import Happening, State, ZoneWatch

START_US = 1_790_000_000_000_000
GATE = ((0.5, 1.0), (0.5, 0.0))
YARD = ((0.3, 0.3), (0.7, 0.3), (0.7, 0.9), (0.3, 0.9))


def somebody(
    number: int,
    x: float,
    y: float = 0.6,
    kind: ObjectClass = ObjectClass.PERSON,
    height: float = 0.2,
) -> Seen:
    """Somebody whose feet are at (x, y)."""
    return Seen(number, kind, (x - 0.03, y - height, x + 0.03, y))


def line(*rules: Rule, **more: object) -> Zone:
    """The gate: a line up the middle of the picture; forward is to the right."""
    return Zone("gate", ZoneKind.LINE, GATE, rules, **more)  # type: ignore[arg-type]


def region(*rules: Rule, **more: object) -> Zone:
    """The yard."""
    return Zone("yard", ZoneKind.REGION, YARD, rules, **more)  # type: ignore[arg-type]


def watch(
    zone: Zone, scene: Callable[[float], Iterable[Seen]], until: float, step: float = 0.2
) -> list[Happening]:
    """What happens in so many seconds; who is not seen is given up at once."""
    watching, told = ZoneWatch([zone]), []
    for n in range(int(until / step) + 1):
        seen = list(scene(n * step))
        _, more = watching.update(
            START_US + round(n * step * 1e6), seen, [one.id for one in seen], 16 / 9
        )
        told += more
    return told + watching.finish(START_US + round(until * 1e6))


def seconds(happening: Happening) -> float:
    """After the start."""
    return (happening.at_us - START_US) / 1e6


def test_a_line_is_crossed_once_and_the_way_is_told() -> None:
    zone = line(Rule(RuleKind.LINE_CROSSING))
    (one,) = watch(zone, lambda at: [somebody(1, 0.2 + 0.1 * at)], 6)
    assert (one.kind, one.state, one.zone_id) == (RuleKind.LINE_CROSSING, State.PULSE, "gate")
    assert one.detail == {"way": "forward"} and one.passage_id == 1
    assert 3 < seconds(one) < 3.6


def test_only_the_way_that_was_asked_for_counts() -> None:
    out = line(Rule(RuleKind.LINE_CROSSING, way=Way.BACKWARD))
    assert watch(out, lambda at: [somebody(1, 0.2 + 0.1 * at)], 6) == []
    assert len(watch(out, lambda at: [somebody(1, 0.8 - 0.1 * at)], 6)) == 1


def test_who_stands_trembling_on_a_line_does_not_cross_it() -> None:
    zone = line(Rule(RuleKind.LINE_CROSSING, cool_down_s=0))
    tremble = watch(zone, lambda at: [somebody(1, 0.5 + 0.003 * (-1) ** round(at * 5))], 20)
    assert tremble == []


def test_to_and_fro_within_the_cool_down_is_told_once() -> None:
    zone = line(Rule(RuleKind.LINE_CROSSING, cool_down_s=60))
    told = watch(zone, lambda at: [somebody(1, 0.4 if int(at / 2) % 2 else 0.6)], 20)
    assert len(told) == 1


def test_crossings_are_noted_for_the_index_whatever_the_rules() -> None:
    watching = ZoneWatch([line(), region(schedule=Schedule((Span(frozenset(), 0, 0),)))])
    notes: list[tuple[int, Crossing]] = []
    for step in range(40):
        one = somebody(7, 0.2 + 0.015 * step)
        notes += watching.update(START_US + step * 200_000, [one], [7], 1.8)[0]
    assert [(number, crossing.zone_id, crossing.how) for number, crossing in notes] == [
        (7, "yard", "inside"),
        (7, "gate", "forward"),
    ]


def test_the_wrong_way_over_a_line_and_in_a_region() -> None:
    one_way = line(Rule(RuleKind.WRONG_WAY, way=Way.BACKWARD))
    assert watch(one_way, lambda at: [somebody(1, 0.2 + 0.1 * at)], 6) == []
    assert len(watch(one_way, lambda at: [somebody(1, 0.8 - 0.1 * at)], 6)) == 1
    rightwards = region(Rule(RuleKind.WRONG_WAY, heading_deg=90))
    assert watch(rightwards, lambda at: [somebody(1, 0.2 + 0.1 * at)], 6) == []
    (one,) = watch(rightwards, lambda at: [somebody(1, 0.8 - 0.1 * at)], 6)
    assert one.detail == {"heading_deg": "270"}


def test_an_intrusion_begins_and_ends_once_for_each() -> None:
    zone = region(Rule(RuleKind.INTRUSION))
    told = watch(
        zone,
        lambda at: [
            somebody(1, 0.1 + 0.1 * at),
            *([somebody(2, 0.9 - 0.1 * (at - 2))] if at > 2 else []),
        ],
        12,
    )
    assert Counter((one.passage_id, one.state) for one in told) == {
        (1, State.BEGIN): 1,
        (1, State.END): 1,
        (2, State.BEGIN): 1,
        (2, State.END): 1,
    }
    begin, end = (one for one in told if one.passage_id == 1)
    assert begin.id == end.id and seconds(end) - seconds(begin) > 3


def test_who_gets_another_number_in_the_region_is_no_second_intruder() -> None:
    zone = region(Rule(RuleKind.INTRUSION))
    told = watch(zone, lambda at: [somebody(1 if at < 4 else 2, 0.4 + 0.01 * at)], 10)
    assert [one.state for one in told] == [State.BEGIN, State.END]


def test_who_is_lost_in_the_region_left_when_last_seen() -> None:
    zone = region(Rule(RuleKind.INTRUSION))
    told = watch(zone, lambda at: [somebody(1, 0.5)] if at <= 4 else [], 20)
    assert [(one.state, seconds(one)) for one in told] == [(State.BEGIN, 0), (State.END, 4)]


def test_classes_and_size_are_those_of_the_zone() -> None:
    cars = region(Rule(RuleKind.INTRUSION), classes=frozenset({ObjectClass.CAR}))
    assert watch(cars, lambda at: [somebody(1, 0.5)], 2) == []
    assert len(watch(cars, lambda at: [somebody(1, 0.5, kind=ObjectClass.CAR)], 2)) == 2
    tall = region(Rule(RuleKind.INTRUSION), minimum_height=0.3)
    assert watch(tall, lambda at: [somebody(1, 0.5)], 2) == []


def test_loitering_is_staying_long_enough() -> None:
    zone = region(Rule(RuleKind.LOITERING, seconds=10))
    assert watch(zone, lambda at: [somebody(1, 0.5)], 9) == []
    begin, end = watch(zone, lambda at: [somebody(1, 0.5)] if at < 15 else [], 40)
    assert abs(seconds(begin) - 10) < 0.3 and begin.state is State.BEGIN
    assert end.state is State.END and seconds(end) < 15


def test_time_in_the_region_goes_on_over_a_change_of_number() -> None:
    zone = region(Rule(RuleKind.LOITERING, seconds=10))
    told = watch(zone, lambda at: [somebody(1 + int(at / 4), 0.5)], 14)
    assert abs(seconds(told[0]) - 10) < 0.3


def test_a_crowd_is_many_at_once_for_long_enough() -> None:
    zone = region(Rule(RuleKind.CROWD, count=3, seconds=5))

    def gathering(at: float) -> list[Seen]:
        there = 3 if 5 < at < 20 else 2
        return [somebody(n, 0.4 + 0.1 * n, height=0.1) for n in range(there)]

    begin, end = watch(zone, gathering, 40)
    assert begin.detail == {"count": "3"} and begin.passage_id is None
    assert 10 <= seconds(begin) <= 11 and 20 < seconds(end) < 26


def test_a_crowd_that_falls_short_for_a_moment_is_still_the_same() -> None:
    zone = region(Rule(RuleKind.CROWD, count=3))
    told = watch(
        zone,
        lambda at: [somebody(n, 0.4 + 0.1 * n) for n in range(2 if int(at) % 6 == 5 else 3)],
        30,
    )
    assert [one.state for one in told] == [State.BEGIN, State.END]


def test_nothing_happens_outside_the_hours_and_what_lasts_ends_with_them() -> None:
    """START_US is 2026-09-21 14:13:20 UTC."""
    until = Schedule((Span(frozenset(range(7)), 14 * 60, 14 * 60 + 14),))
    told = watch(
        region(Rule(RuleKind.INTRUSION), schedule=until), lambda at: [somebody(1, 0.5)], 90
    )
    assert [(one.state, seconds(one)) for one in told] == [(State.BEGIN, 0), (State.END, 40)]
    since = Schedule((Span(frozenset(range(7)), 14 * 60 + 14, 15 * 60),))
    told = watch(
        region(Rule(RuleKind.INTRUSION), schedule=since), lambda at: [somebody(1, 0.5)], 90
    )
    assert seconds(told[0]) == 40, "who is there when the hours begin is an intruder"


def test_a_zone_that_changes_ends_what_lasted_and_others_go_on() -> None:
    first = region(Rule(RuleKind.INTRUSION))
    other = Zone("other", ZoneKind.REGION, YARD, (Rule(RuleKind.INTRUSION),))
    watching = ZoneWatch([first, other])
    watching.update(START_US, [somebody(1, 0.5)], [1], 1.8)
    changed = region(Rule(RuleKind.LOITERING, seconds=5))
    (end,) = watching.set_zones([changed, other], START_US + 1)
    assert (end.zone_id, end.state) == ("yard", State.END)
    _, told = watching.update(START_US + 200_000, [somebody(1, 0.5)], [1], 1.8)
    assert told == []
    assert [one.zone_id for one in watching.finish(START_US + 300_000)] == ["other"]


def test_a_passage_that_begins_anew_is_no_second_intrusion() -> None:
    watching = ZoneWatch([region(Rule(RuleKind.INTRUSION))])
    watching.update(START_US, [somebody(1, 0.5)], [1], 1.8)
    watching.rename(1, 9)
    _, told = watching.update(START_US + 200_000, [somebody(9, 0.5)], [9], 1.8)
    assert told == []
    assert len(watching.finish(START_US + 400_000)) == 1


@settings(max_examples=80)
@given(st.data())
def test_every_begin_has_one_end_whatever_happens(data: st.DataObject) -> None:
    rules = (
        Rule(RuleKind.INTRUSION, cool_down_s=2),
        Rule(RuleKind.LOITERING, seconds=3, cool_down_s=0),
        Rule(RuleKind.CROWD, count=2, seconds=1, cool_down_s=5),
    )
    zones = [
        region(*rules),
        Zone("half", ZoneKind.REGION, ((0, 0), (0.5, 0), (0.5, 1), (0, 1)), rules[:1]),
    ]
    watching, told, at = ZoneWatch(zones), [], START_US
    for _ in range(data.draw(st.integers(1, 30))):
        at += data.draw(st.sampled_from([200_000, 4_000_000, 15_000_000]))
        ids = data.draw(st.frozensets(st.integers(1, 4)))
        seen = [somebody(n, data.draw(st.sampled_from([0.1, 0.29, 0.5, 0.9]))) for n in ids]
        followed = ids | data.draw(st.frozensets(st.integers(1, 4)))
        told += watching.update(at, seen, sorted(followed), 1.8)[1]
        if data.draw(st.integers(0, 9)) == 0:
            told += watching.set_zones(data.draw(st.sampled_from([zones, zones[:1], []])), at)
    told += watching.finish(at)
    begins = [one.id for one in told if one.state is State.BEGIN]
    ends = [one.id for one in told if one.state is State.END]
    assert Counter(begins) == Counter(ends) and len(set(begins)) == len(begins)
    began = {one.id: one.at_us for one in told if one.state is State.BEGIN}
    assert all(one.at_us >= began[one.id] for one in told if one.state is State.END)
    assert watching.finish(at) == []
