"""The patrol report for who mends cameras: a row for each, in the language of the place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.meetings.reports import Language, local_time

_HEADING: dict[Language, tuple[str, ...]] = {
    "zh": (
        "点位编号", "点位名称", "区域", "问题", "发现时间", "测量值", "最近画面", "无画面原因",
        "时钟偏差（秒）", "昨日录像完整率", "近期平均完整率", "处理结果", "处理人", "处理日期",
    ),
    "en": (
        "Number", "Camera", "Area", "What is wrong", "Since", "Measured", "Last picture",
        "Why no picture", "Clock off by (s)", "Recorded yesterday", "Recorded lately",
        "What was done", "By", "On",
    ),
}  # fmt: skip
_WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "black": "黑屏", "frozen": "画面冻结", "covered": "遮挡", "blurred": "模糊失焦",
        "shifted": "画面偏移", "color_cast": "偏色", "noisy": "噪点过多",
        "incomplete": "录像不完整", "clock_drift": "时钟偏差", "unseen": "无画面",
    },
    "en": {
        "black": "black", "frozen": "frozen", "covered": "covered", "blurred": "blurred",
        "shifted": "view shifted", "color_cast": "colour cast", "noisy": "strong noise",
        "incomplete": "recording incomplete", "clock_drift": "clock is off",
        "unseen": "no picture",
    },
}  # fmt: skip
_BETWEEN: dict[Language, str] = {"zh": "、", "en": ", "}


def report_rows(
    cameras: Iterable[Mapping[str, Any]],
    yesterday: str,
    language: Language,
    utc_offset_minutes: int,
) -> list[tuple[str, ...]]:
    """Heading and rows. ``cameras`` as :class:`gateway.api.health_answers.CameraHealth` has them,
    with days up to ``yesterday`` or later. The last three columns are for the pen.
    """
    rows, words = [_HEADING[language]], _WORDS[language]
    for one in cameras:
        found = one["findings"]
        since = [entry["since_us"] for entry in found]
        days = [day for day in one["days"] if day["day"] <= yesterday]
        rows.append(
            (
                one["number"] or "",
                one["name"],
                " / ".join(one["area_names"]),
                _BETWEEN[language].join(words[name] for name in one["concerns"]),
                local_time(min(since), utc_offset_minutes) if since else "",
                _BETWEEN[language].join(
                    f"{words[entry['finding']]} {entry['value']:.2f}/{entry['limit']:.2f}"
                    for entry in found
                ),
                ""
                if one["picture_us"] is None
                else local_time(one["picture_us"], utc_offset_minutes),
                one["missing"] or "",
                "" if one["clock_offset_us"] is None else f"{one['clock_offset_us'] / 1e6:.1f}",
                recorded_text([day for day in days if day["day"] == yesterday]),
                recorded_text(days),
                "",
                "",
                "",
            )
        )
    return rows


def recorded_text(days: Sequence[Mapping[str, Any]]) -> str:
    """How much of what these days should have is there; empty where that is nothing."""
    expected_us = sum(day["expected_us"] for day in days)
    if expected_us == 0:
        return ""
    # Down, so that 100 % is whole.
    share = sum(day["recorded_us"] for day in days) * 1000 // expected_us
    return f"{min(share, 1000) / 10:.1f}%"
