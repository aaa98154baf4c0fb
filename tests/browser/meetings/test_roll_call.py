"""A township's roll call: a present, a late, an absent site, one that left early; on paper, too."""

from __future__ import annotations

import io
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from tests.browser.meetings.conftest import JOINED_MS, Township, enter, made_township
from tests.browser.meetings.printing import as_read, printed

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Sit = Callable[..., Page]
IN_TIME, LATE, ABSENT, EARLY = "东港村", "西湾村", "南坪村", "北岗村"
RESULT = {IN_TIME: "出席", LATE: "迟到", ABSENT: "缺席", EARLY: "早退"}


@pytest.fixture(scope="module")
def township(console: Any) -> Township:
    return made_township(console, "长滩镇", "roll", IN_TIME, LATE, ABSENT, EARLY)


def answers(page: Page) -> None:
    """Somebody there says that they are; the question goes once the gateway has it."""
    button = page.locator("[data-act=answer_call]")
    expect(button).to_be_visible(timeout=JOINED_MS)
    button.click()
    expect(button).to_have_count(0, timeout=JOINED_MS)


def two_minutes_pass_for(console: Any, participant_id: str) -> None:
    """Who left did so two minutes earlier, so that nobody has to wait for them to be early."""
    with sqlite3.connect(console.data_directory / "gridsight.db", timeout=20) as rows:
        moved = rows.execute(
            "UPDATE meeting_attendance SET connected_us = connected_us - 120000000,"
            " left_us = left_us - 120000000 WHERE participant_id = ? AND left_us IS NOT NULL",
            (participant_id,),
        )
        assert moved.rowcount == 1


def attendance(console: Any, meeting_id: str) -> dict[str, dict[str, Any]]:
    items = console.call("GET", f"/api/meetings/{meeting_id}/attendance")["items"]
    return {one["name"]: one for one in items}


def test_one_is_present_one_late_one_absent_and_one_left_early(
    console: Any,
    meeting: str,
    sit: Sit,
    watch: Any,
    wait_until: Callable[..., Any],
    tmp_path: Path,
) -> None:
    # A page that is told the end asks whether the meeting goes on elsewhere.
    watch.expected_errors.append("status of 409")
    chair, in_time, early = sit(), sit(IN_TIME), sit(EARLY)
    for page in (chair, in_time, early):
        enter(page, meeting, microphone=False)
    wait_until("both are there", lambda: attendance(console, meeting)[EARLY]["first_us"])
    there = attendance(console, meeting)
    started_us = console.call("GET", f"/api/meetings/{meeting}")["started_us"]
    last_us = max(there[IN_TIME]["first_us"], there[EARLY]["first_us"])
    late_after_s = (last_us - started_us) // 1_000_000 + 1
    # Whoever comes from now on is late.
    wait_until("lateness", lambda: time.time() * 1e6 > started_us + late_after_s * 1e6)
    late = sit(LATE)
    enter(late, meeting, microphone=False)
    calls = f"/api/meetings/{meeting}/roll-calls"
    call = f"{calls}/{console.call('POST', calls, {'late_after_s': late_after_s})['id']}"

    chair.locator("[data-act=roll_call]").click()
    rows = chair.locator(".board .rows li")
    expect(rows).to_have_count(4, timeout=JOINED_MS)
    pages = {IN_TIME: in_time, LATE: late, EARLY: early}
    for at in range(4):
        name = rows.nth(at).locator("b").inner_text()
        chair.locator(".board [data-act=next]").click()
        expect(rows.nth(at)).to_have_class(re.compile("is-current"), timeout=JOINED_MS)
        if name in pages:
            answers(pages[name])
        else:
            expect(rows.nth(at)).to_have_attribute("data-state", "called", timeout=JOINED_MS)
    for name, state in ((IN_TIME, "present"), (EARLY, "present"), (LATE, "late")):
        row = rows.filter(has_text=name)
        expect(row).to_have_attribute("data-state", state, timeout=JOINED_MS)
    chair.locator(".board [data-act=end]").click()
    absent = rows.filter(has_text=ABSENT)
    expect(absent).to_have_attribute("data-state", "absent", timeout=JOINED_MS)

    early.locator("[data-act=leave]").click()
    wait_until("they left", lambda: attendance(console, meeting)[EARLY]["last_us"])
    two_minutes_pass_for(console, there[EARLY]["participant_id"])
    console.call("POST", f"/api/meetings/{meeting}/end")
    board = console.call("GET", call)
    assert {row["name"]: row["state"] for row in board["rows"]} == {
        IN_TIME: "present",
        LATE: "late",
        ABSENT: "absent",
        EARLY: "left_early",
    }

    # When it is over the result stands among the meeting's papers.
    chair.goto(f"/meetings/room/{meeting}/papers/roll_calls")
    tally = chair.locator("[data-roll-call] .tally [data-state]:visible")
    expect(tally).to_have_text(["出席 1", "迟到 1", "缺席 1", "早退 1"], timeout=JOINED_MS)
    with chair.expect_download() as download:
        chair.locator("[data-act=sheet]").click()
    sheet = load_workbook(io.BytesIO(Path(download.value.path()).read_bytes())).active
    assert sheet is not None
    cells = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert {row[2]: row[3] for row in cells[1:]} == RESULT

    with chair.expect_popup() as popup:
        chair.locator("[data-act=print]").click()
    paper = popup.value
    expect(paper.locator(".paper tbody tr:not(.group)")).to_have_count(4, timeout=JOINED_MS)
    (text,) = printed(paper, tmp_path / "roll-call.pdf")
    assert "防汛调度会 点名结果" in text
    for name, word in RESULT.items():
        assert re.search(rf"{name}\s+{word}", text), text
    # What is on the screen for the mouse is not on the paper.
    assert "打印" not in text
    assert "视频网关" not in text


def test_of_a_whole_county_each_page_says_what_its_columns_are(
    console: Any, meeting: str, sit: Sit, tmp_path: Path
) -> None:
    columns = ["序号", "乡镇", "会场", "结果", "点名时间", "点名时在线", "应答时间", "主持确认"]
    columns += ["迟到（分）", "早退（分）", "在线（分）", "备注"]
    at = "14:05:09"
    groups = [
        {
            "name": f"第{town}镇",
            "rows": [
                [str(town * 25 + village + 1), f"第{town}镇", f"第{town * 25 + village}村民委员会",
                 "出席", at, "是", at, "", "", "", "61", ""]
                for village in range(25)
            ],
        }
        for town in range(23)
    ]  # fmt: skip
    answer = {
        "title": "全县防汛会 点名结果", "lines": ["时间: 2026-11-22 14:05:09 –", "会场数: 575"],
        "columns": columns, "groups": groups, "signatures": ["主持人", "点名人"],
        "tally": [{"state": "present", "word": "出席", "count": 575}],
    }  # fmt: skip
    page = sit()
    page.route("**/print?*", lambda route: route.fulfill(json=answer))
    page.goto(f"/meetings/room/{meeting}/roll-calls/rcl_x/paper")
    expect(page.locator(".paper tbody tr:not(.group)")).to_have_count(575, timeout=JOINED_MS)
    pages = printed(page, tmp_path / "county.pdf")
    assert len(pages) > 10
    named = [as_read(one) for one in columns if one != "乡镇"]
    for one in pages[:-1]:
        heading = re.sub(r"\s", "", one)
        assert [column for column in named if column not in heading] == []
    every = re.sub(r"\s", "", "".join(pages))
    numbers = [int(found) for found in re.findall(r"第(\d+)村", every)]
    assert numbers == list(range(575))
    assert "主持人" in pages[-1]
