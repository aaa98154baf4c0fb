"""Roll calls and attendance on paper: every site once, in the order of its list, in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.meetings.reports import (
    Language,
    attendance_rows,
    local_time,
    roll_call_print,
    roll_call_rows,
)
from gateway.meetings.roll_call import Presence, Span, tally

MINUTE_US = 60_000_000


def a_row(name: str, township: str, state: Presence, **facts: Any) -> dict[str, Any]:
    return {
        "participant_id": name, "position": 0, "kind": "site", "name": name, "area_id": name,
        "area_path": ["钟祥", township, name], "state": str(state), "called_us": None,
        "connected": None, "connected_now": False, "answered_us": None, "tick": None,
        "ticked_us": None, "note": "", "snapshot_us": None, "late_us": 0, "early_us": 0,
        "connected_us": 0, **facts,
    }  # fmt: skip


def a_board(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "meeting_title": "防汛会商", "title": "", "started_us": 0, "ended_us": MINUTE_US,
        "tally": tally(Presence(row["state"]) for row in rows), "rows": rows,
    }  # fmt: skip


rows = st.lists(
    st.builds(
        a_row,
        st.text(min_size=1, max_size=8),
        st.sampled_from(["石牌镇", "胡集镇", "冷水镇"]),
        st.sampled_from(Presence),
    ),
    max_size=20,
)
languages = st.sampled_from(["zh", "en"])


def test_times_are_those_of_the_place() -> None:
    assert local_time(0, 480) == "1970-01-01 08:00:00"
    assert local_time(0, -60) == "1969-12-31 23:00:00"
    assert local_time(None, 480) == ""


def test_a_line_says_what_was_found_and_by_whom() -> None:
    board = a_board(
        [
            a_row(
                "彭墩村",
                "石牌镇",
                Presence.LATE,
                called_us=0,
                connected=True,
                answered_us=1,
                tick="present",
                late_us=61_000_000,
                connected_us=5 * MINUTE_US,
                note="断线",
            )
        ]
    )
    _, line = roll_call_rows(board, "zh", 480)
    assert line == (
        "1", "石牌镇", "彭墩村", "迟到", "1970-01-01 08:00:00", "是", "1970-01-01 08:00:00",
        "出席", "2", "", "5", "断线",
    )  # fmt: skip


@given(rows, languages)
def test_every_site_stands_on_the_page_once(
    found: list[dict[str, Any]], language: Language
) -> None:
    board = a_board(found)
    heading, *lines = roll_call_rows(board, language, 480)
    assert [line[2] for line in lines] == [row["name"] for row in found]
    assert {len(line) for line in lines} <= {len(heading)}
    page = roll_call_print(board, "王主任", language, 480)
    printed = [row[2] for group in page["groups"] for row in group["rows"]]
    assert sorted(printed) == sorted(row["name"] for row in found)
    assert sum(one["count"] for one in page["tally"]) == len(found)
    names = [group["name"] for group in page["groups"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_attendance_counts_visits_and_minutes(language: Language) -> None:
    one = {"id": "a", "area_path": ["钟祥", "甲村"], "name": "甲村", "kind": "site",
           "role": "site", "state": "left"}  # fmt: skip
    absent = {**one, "id": "b", "state": "invited"}
    spans = {"a": [Span(0, MINUTE_US), Span(2 * MINUTE_US, 4 * MINUTE_US)]}
    _, here, away = attendance_rows([one, absent], spans, 9 * MINUTE_US, language, 0)
    assert here[5:9] == ("1970-01-01 00:00:00", "1970-01-01 00:04:00", "2", "3")
    assert away[5:9] == ("", "", "0", "0")
