"""What the auditors' report finds, and what it leaves alone."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.report import (
    COPIED_CAMERAS,
    COPIES,
    REFUSALS_LEAST,
    TARGET_LOOKS,
    Examiner,
    Finding,
    Report,
    WorkingHours,
)
from gateway.audit.wording import bare, is_blank, is_filler, is_filler_number

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
# Monday 2026-11-02, 00:00 in China.
MONDAY_US = 1_793_548_800_000_000
NOON_US = MONDAY_US + 12 * HOUR_US
CHINA = 480
HOURS = WorkingHours.parse("07:00-20:00", CHINA)


class Book:
    """Records as the register has them, in order of time."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._sequence = itertools.count(1)
        self.duty: set[tuple[str, int]] = set()

    def look(
        self,
        at_us: int,
        user: str = "wang",
        action: str = "playback.open",
        camera: str = "gate",
        code: str | None = "incident",
        text: str | None = None,
        case_id: str | None = None,
        **detail: Any,
    ) -> None:
        self._records.append(
            {
                "sequence": 0,
                "at_us": at_us,
                "user_id": user,
                "user_name": user,
                "address": "10.0.0.1",
                "action": action,
                "camera_id": camera,
                "camera_name": camera,
                "reason_code": code,
                "reason": text,
                "case_id": case_id,
                "detail": json.dumps(detail),
            }
        )

    def report(self) -> Report:
        examiner = Examiner(HOURS, lambda user, at_us: (user, at_us) in self.duty)
        for record in sorted(self._records, key=lambda one: one["at_us"]):
            examiner.take({**record, "sequence": next(self._sequence)})
        return examiner.report(MONDAY_US, MONDAY_US + 30 * DAY_US)

    def found(self, kind: str) -> list[Finding]:
        return [one for one in self.report().findings if one.kind == kind]


@pytest.fixture
def book() -> Book:
    return Book()


# ---- words


@pytest.mark.parametrize(
    "text",
    [
        "1111",
        "asdf",
        "qwer",
        "无",
        "测试",
        "测试测试",
        "看看",
        "工作需要",
        "x",
        "n/a",
        "test",
        "TEST!!",
        "12345",
        "哈哈哈",
        "no reason",
        "1 1 1",
        "测 试",
        "ok ok",
        "cba",
        "ｔｅｓｔ",
    ],
)
def test_filler_is_known(text: str) -> None:
    assert is_filler(text)


@pytest.mark.parametrize(
    "text",
    [
        "查找走失老人",
        "电动车被盗 2:00",
        "110警情",
        "东门",
        "王某",
        "妹妹走失",
        "妹妹",
        "working on theft",
        "领导要求查看3号楼",
        "交通事故",
        "white van 02:00-03:30",
        "看看东门的车",
    ],
)
def test_what_may_say_something_is_left_alone(text: str) -> None:
    assert not is_filler(text)


@pytest.mark.parametrize("text", ["", "   ", "。。。", "\u200b\u200b", "\u3000", "--", "🙂"])
def test_what_nobody_can_read_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize(
    ("case_id", "filler"), [("0", True), ("111", True), ("123456", True), ("A4208-17", False)]
)
def test_case_numbers_that_stand_for_none(case_id: str, filler: bool) -> None:
    assert is_filler_number(case_id) is filler


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert is_blank(text) == (bare(text) == "")
    if is_blank(text):
        assert is_filler(text)
    is_filler_number(text)


# ---- findings


def test_a_quiet_month_has_no_findings(book: Book) -> None:
    for day in range(20):
        book.look(NOON_US + day * DAY_US, camera=f"cam {day}", text=f"警情 {day}号")
    report = book.report()
    assert report.findings == ()
    assert (report.looks, report.people, set(report.counts.values())) == (20, 1, {0})


def test_blank_and_filler_reasons(book: Book) -> None:
    book.look(NOON_US, code=None)
    book.look(NOON_US + 1, code=None, text="…")
    book.look(NOON_US + 2, code="other", text="测试")
    book.look(NOON_US + 3, case_id="000")
    (blank,) = book.found("blank_reason")
    assert (blank.count, blank.user_name, blank.sequences) == (2, "wang", [1, 2])
    assert {one.example for one in book.found("filler_reason")} == {"测试", "000"}


def test_a_code_alone_is_a_reason(book: Book) -> None:
    book.look(NOON_US, code="traffic")
    assert book.report().findings == ()


def test_copied_words_for_many_cameras(book: Book) -> None:
    for number in range(COPIES):
        at_us = NOON_US + number * HOUR_US // 10
        book.look(at_us, camera=f"cam {number % COPIED_CAMERAS}", text="查看 情况一下")
        book.look(at_us, user="li", camera="gate", text="守候东门", case_id="A1-7")
        book.look(at_us, user="zhao", action="live.open", camera=f"c{number}", text="白班值守")
    (copied,) = book.found("copied_reason")
    assert (copied.user_name, copied.count, copied.example) == ("wang", COPIES, "查看 情况一下")


def test_looks_off_shift_are_grouped_by_night(book: Book) -> None:
    for night in range(2):
        evening = MONDAY_US + night * DAY_US + 23 * HOUR_US
        book.look(evening, camera="a")
        book.look(evening + 4 * HOUR_US, camera="b", action="live.open")
    book.look(NOON_US)
    nights = book.found("off_shift")
    assert [one.count for one in nights] == [2, 2]
    assert nights[0].detail["actions"] == {"playback.open": 1, "live.open": 1}


def test_duty_desks_shifts_and_platforms_work_at_night(book: Book) -> None:
    night = MONDAY_US + 2 * HOUR_US
    book.look(night, desk_session="desk_1")
    book.look(night + 1, user="li")
    book.duty.add(("li", night + 1))
    book.look(night + 2, user="platform", service=True)
    assert book.found("off_shift") == []


def test_the_same_target_on_several_days(book: Book) -> None:
    for number in range(TARGET_LOOKS):
        book.look(NOON_US + number * DAY_US, camera="her door")
        book.look(NOON_US + number * DAY_US + HOUR_US, camera=f"elsewhere {number}")
    (target,) = book.found("same_target")
    assert (target.camera_name, target.count) == ("her door", TARGET_LOOKS)
    assert target.detail == {"way": "playback", "days": TARGET_LOOKS}


def test_a_target_with_a_case_a_wall_and_a_page_loaded_anew_are_none(book: Book) -> None:
    for day in range(20):
        at_us = NOON_US + day * DAY_US
        book.look(at_us, user="li", camera="gate", case_id="A4208-17")
        # A wall opens its tiles together, each day the same.
        for tile in range(4):
            book.look(at_us + tile, user="desk", action="live.open", camera=f"tile {tile}")
    for again in range(20):
        book.look(NOON_US + again * 60_000_000, user="zhao", camera="gate")
    assert book.found("same_target") == []


def test_tries_without_the_right(book: Book) -> None:
    for number in range(REFUSALS_LEAST):
        book.look(NOON_US + number, action="access.refused", camera=f"c{number}")
    book.look(NOON_US, user="li", action="access.refused")
    (refused,) = book.found("refused")
    assert (refused.user_name, refused.count) == ("wang", REFUSALS_LEAST)


@pytest.mark.parametrize(
    ("hours", "minute", "inside"),
    [
        ("07:00-20:00", 7 * 60, True),
        ("07:00-20:00", 20 * 60, False),
        ("20:00-08:00", 3 * 60, True),
        ("20:00-08:00", 12 * 60, False),
        ("00:00-24:00", 23 * 60 + 59, True),
    ],
)
def test_working_hours(hours: str, minute: int, inside: bool) -> None:
    at_us = MONDAY_US + minute * 60_000_000
    assert WorkingHours.parse(hours, CHINA).include(at_us) is inside


@pytest.mark.parametrize("text", ["", "7-20", "07:00", "25:00-26:00", "07:61-08:00", "a:b-c:d"])
def test_what_are_no_working_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"time of day|working hours"):
        WorkingHours.parse(text, CHINA)
