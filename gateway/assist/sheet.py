"""The answers of an assist request as a sheet: one line for each area, for the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from gateway.identifiers import US_PER_S
from gateway.meetings.reports import local_time

Language = Literal["zh", "en"]

_HEADING: dict[Language, tuple[str, ...]] = {
    "zh": (
        "序号", "区域", "答复", "答复时间", "答复人", "摄像机数", "已查看摄像机", "查看比例",
        "查看人", "线索片段", "录像缺失", "说明",
    ),
    "en": (
        "No.", "Area", "Answer", "Answered", "By", "Cameras", "Looked through", "Share",
        "Looked through by", "Clips", "Missing footage", "Note",
    ),
}  # fmt: skip
_ANSWERS: dict[Language, dict[str, str]] = {
    "zh": {"asked": "未答复", "seen": "发现", "not_seen": "未发现", "missing": "录像缺失"},
    "en": {
        "asked": "no answer", "seen": "seen", "not_seen": "not seen", "missing": "footage missing",
    },
}  # fmt: skip
_LISTED = 20


def board_rows(
    document: dict[str, Any], language: Language, offset_minutes: int
) -> list[tuple[str, ...]]:
    """Heading and a line for each area of an ``AssistRequest``, in its order."""
    rows = [_HEADING[language]]

    def minutes(parts: Iterable[dict[str, Any]]) -> str:
        listed = list(parts)
        lines = [
            f"{one['camera_name']} {local_time(one['start_us'], offset_minutes)}–"
            f"{local_time(one['end_us'], offset_minutes)}"
            for one in listed[:_LISTED]
        ]
        return "\n".join([*lines, f"+{len(listed) - _LISTED}"] if listed[_LISTED:] else lines)

    for number, one in enumerate(document["areas"], 1):
        whole = one["whole_us"]
        share = f"{min(100, one['looked_us'] * 100 // whole)}%" if whole >= US_PER_S else ""
        rows.append(
            (
                str(number),
                " / ".join(one["area_path"]),
                _ANSWERS[language][one["state"]],
                local_time(one["answered_us"], offset_minutes),
                one["answered_by"] or "",
                str(one["cameras"]),
                str(one["cameras_looked"]),
                share,
                "、".join(one["looked_by"]) if language == "zh" else ", ".join(one["looked_by"]),
                minutes(one["clips"]),
                minutes(one["missing"]),
                one["note"] or "",
            )
        )
    return rows
