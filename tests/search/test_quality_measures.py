"""The measures of `benchmarks.search_quality`, held against answers that are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks._search_labels import (
    Labelled,
    Passed,
    Stay,
    Tracked,
    average_precision,
    passages_of_people,
    passages_of_stays,
    people_on_campus,
    people_one_by_one,
    tracking_scores,
)

Box = tuple[float, float, float, float]


def at(x: float) -> Box:
    return (x, 0.0, x + 10, 30.0)


def two_walkers(pictures: int = 10) -> dict[int, list[Labelled]]:
    return {
        number: [Labelled(1, at(0), True), Labelled(2, at(100), True)] for number in range(pictures)
    }


def test_the_labels_are_whole() -> None:
    campus = people_on_campus()
    assert len(campus) == 60
    for labels in campus.values():
        assert len({one.person for one in labels}) == len(labels)
        for one in labels:
            left, top, right, bottom = one.box
            assert 0 <= left < right <= 768
            assert 0 <= top < bottom <= 576
    stays = people_one_by_one()
    assert len(stays) == 6
    assert all(one.first < one.last for one in stays)
    assert all(one.last < other.first for one, other in itertools.pairwise(stays))


def test_whoever_follows_everyone_has_full_marks() -> None:
    truth = two_walkers()
    found = {n: [Tracked(one.person + 40, one.box) for one in truth[n]] for n in truth}
    scores = tracking_scores(truth, found)
    assert scores == pytest.approx(
        {"hota": 1, "deta": 1, "assa": 1, "mota": 1, "idf1": 1, "switches": 0}
    )
    assert passages_of_people(truth, found) == Passed(2, 2, 0, 0)


def test_an_identity_that_changes_halfway_costs_a_switch_and_half_of_its_f1() -> None:
    truth = two_walkers()
    found = {
        n: [Tracked(1 if n < 5 else 3, at(0)), Tracked(2, at(100)), Tracked(9, at(400))]
        for n in truth
    }
    scores = tracking_scores(truth, found)
    assert scores["switches"] == 1
    assert scores["mota"] == pytest.approx(1 - (10 + 1) / 20)
    assert scores["idf1"] == pytest.approx(2 * 15 / (20 + 30))
    assert passages_of_people(truth, found) == Passed(2, 2, 1, 1)


def test_the_mostly_hidden_are_neither_merit_nor_fault() -> None:
    truth = {n: [Labelled(1, at(0), True), Labelled(2, at(100), False)] for n in range(4)}
    seen = {n: [Tracked(1, at(0)), Tracked(2, at(100))] for n in truth}
    missed = {n: [Tracked(1, at(0))] for n in truth}
    assert tracking_scores(truth, seen)["mota"] == 1
    assert tracking_scores(truth, missed)["mota"] == 1


def claims(*boxes: tuple[Box, float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([box for box, _ in boxes], float), np.array([score for _, score in boxes])


def test_average_precision_is_the_area_below_precision_over_recall() -> None:
    truth = two_walkers(1)
    assert average_precision(truth, {0: claims((at(0), 0.9), (at(100), 0.8))}) == 1
    assert average_precision(truth, {0: claims((at(0), 0.9))}) == 0.5
    doubled = claims((at(0), 0.9), (at(1), 0.8), (at(100), 0.7))
    assert average_precision(truth, {0: doubled}) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_passages_of_people_who_come_one_by_one() -> None:
    stays = [Stay(1, 0, 100), Stay(2, 200, 300), Stay(3, 400, 500)]
    passages = [(0.0, 40.0), (30.0, 60.0), (210.0, 240.0), (150.0, 160.0), (390.0, 520.0)]
    assert passages_of_stays(stays, passages) == Passed(3, found=2, split=1, of_nobody=1)
