"""Codes of administrative divisions, and what areas and cameras are found by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.people.area_codes import CodeError, check_code, continues, significant
from gateway.people.search_key import search_key


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("420000000000", "42"),
        ("420800000000", "4208"),
        ("420881000000", "420881"),
        # A county-level city without counties: townships right below the prefecture.
        ("441900003000", "441900003"),
        ("420881100000", "420881100"),
        ("420881100201", "420881100201"),
        ("42088110020101", "42088110020101"),
    ],
)
def test_a_divisions_code_says_how_those_below_begin(code: str, expected: str) -> None:
    check_code("area", code)
    assert significant(code) == expected


@given(st.from_regex(r"[0-9]{0,20}", fullmatch=True))
def test_what_is_accepted_continues_itself(code: str) -> None:
    try:
        check_code("area", code)
    except CodeError as error:
        assert error.code.startswith("code_")
    else:
        assert len(code) in (12, 14, 15, 16, 17, 18)
        assert continues(code, code) and code.startswith(significant(code))


def test_levels_may_be_left_out_but_not_contradicted() -> None:
    assert continues("420881000000", "420881100201")
    assert continues("420000000000", "420881000000")
    assert not continues("420881100000", "420881101201")


@pytest.mark.parametrize("code", ["PCS-03", "派出所1", "A.b_c-d", "34020000001320000001"])
def test_other_axes_have_codes_of_their_own(code: str) -> None:
    check_code("police", code)
    with pytest.raises(CodeError):
        check_code("police", f"{code}/x")


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("石牌镇", "420881100000", {"石牌镇", "shipaizhen", "spz", "420881100000"}),
        ("村口 12号", None, {"村口12号", "cunkou12hao", "ck12h"}),
        ("Gate A", "G-1", {"gatea", "g-1"}),
        # 长 is read chang and zhang; 重 is chong here, and nothing else.
        ("长畈村", None, {"changfancun", "cfc", "zhangfancun", "zfc"}),
        ("重庆路", None, {"chongqinglu", "cql"}),
    ],
)
def test_names_are_found_by_pinyin_and_initials(
    name: str, code: str | None, expected: set[str]
) -> None:
    assert expected <= set(search_key(name, code).split("\n"))


@given(st.text(max_size=50), st.none() | st.text(max_size=20))
def test_any_name_has_a_key_of_bounded_length(name: str, code: str | None) -> None:
    assert len(search_key(name, code)) <= 80 * (len(name) + 1) + len(code or "") * 3 + 20
