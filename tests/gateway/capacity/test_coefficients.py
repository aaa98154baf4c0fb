"""The figures behind a plan: none without an origin."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import benchmark_names
from gateway.capacity.coefficients import LOCALES, coefficients, read_coefficients

WORDS = '{ en = "a", "zh-CN" = "甲" }'


def test_each_says_where_it_comes_from() -> None:
    for name, one in coefficients().items():
        assert one.name == name and one.unit and set(one.text) == set(LOCALES)
        if one.origin == "measured":
            # A benchmark that anybody can run again.
            assert one.benchmark in benchmark_names()
            assert one.n and one.machine and one.date
        else:
            assert set(one.reason) == set(LOCALES) and all(one.reason.values())


@pytest.mark.parametrize(
    ("figure", "fault"),
    [
        ("", "say whether it is measured, estimated or chosen"),
        (f"estimated = {WORDS}\nchosen = {WORDS}", "say whether"),
        ('estimated = { en = "a" }', "its words are wanted in en and zh-CN"),
        ('measured = { benchmark = "ingest", n = 1, date = "x" }', "measured, but without machine"),
        (
            'measured = { benchmark = "ingest", n = 1, date = "x", machine = "mine" }',
            "no machine is called mine",
        ),
    ],
)
def test_one_without_an_origin_is_refused(figure: str, fault: str) -> None:
    content = f'[coefficients.one]\nvalue = 1\nunit = "s"\ntext = {WORDS}\n{figure}'
    with pytest.raises(ValueError, match=fault):
        read_coefficients(content)


@pytest.mark.parametrize("value", ["-1", "nan", '"much"'])
def test_what_is_no_figure_is_refused(value: str) -> None:
    content = f'[coefficients.one]\nvalue = {value}\nunit = "s"\ntext = {WORDS}\nchosen = {WORDS}'
    with pytest.raises(ValueError, match="no figure to reckon with"):
        read_coefficients(content)
