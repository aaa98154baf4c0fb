"""Roll calls and attendance as sheets and for the printer, in Chinese or English: texts alone, so
that a code keeps its digits and nothing is a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from gateway.identifiers import US_PER_S
from gateway.meetings.attendance import attended
from gateway.meetings.roll_call import Span

Language = Literal["zh", "en"]

_ROLL_CALL = {
    "zh": ("序号", "乡镇", "会场", "结果", "点名时间", "点名时在线", "应答时间", "主持确认",
           "迟到（分）", "早退（分）", "在线（分）", "备注"),
    "en": ("No.", "Township", "Site", "Result", "Called", "Connected", "Answered", "Chair",
           "Late (min)", "Early (min)", "Connected (min)", "Note"),
}  # fmt: skip
_ATTENDANCE = {
    "zh": ("序号", "所属区域", "名称", "类型", "角色", "首次进入", "最后离开", "进入次数",
           "在线（分）", "状态"),
    "en": ("No.", "Area", "Name", "Kind", "Role", "First joined", "Last left", "Times",
           "Connected (min)", "State"),
}  # fmt: skip
_WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "waiting": "未点到", "called": "待应答", "present": "出席", "late": "迟到",
        "left_early": "早退", "absent": "缺席", "yes": "是", "no": "否",
        "site": "会场", "person": "人员", "guest": "来宾", "camera": "摄像机",
        "recording": "录像", "sip": "电话/终端", "whip": "编码器", "chair": "主持人",
        "co_chair": "联席主持", "observer": "旁听", "invited": "已邀请", "ringing": "呼叫中",
        "lobby": "等候", "connected": "在线", "left": "已离开", "refused": "已拒绝",
        "removed": "已移出", "roll_call": "点名结果", "meeting": "会议", "at": "时间",
        "sites": "会场数", "checked": "点名人", "signature": "签字",
    },
    "en": {
        "waiting": "not called", "called": "no answer yet", "present": "present", "late": "late",
        "left_early": "left early", "absent": "absent", "yes": "yes", "no": "no",
        "site": "site", "person": "person", "guest": "guest", "camera": "camera",
        "recording": "recording", "sip": "telephone", "whip": "encoder", "chair": "chair",
        "co_chair": "co-chair", "observer": "observer", "invited": "invited",
        "ringing": "ringing", "lobby": "waiting", "connected": "connected", "left": "left",
        "refused": "refused", "removed": "removed", "roll_call": "Roll call",
        "meeting": "Meeting", "at": "Time", "sites": "Sites", "checked": "Called by",
        "signature": "Signature",
    },
}  # fmt: skip
# ``2026-11-22 ``
_DAY_LENGTH = 11
# Of a roll call's rows: when it was called, when it answered.
_TIME_COLUMNS = (4, 6)
_IN_A_TALLY = ("present", "late", "left_early", "absent", "called", "waiting")


def local_time(at_us: int | None, offset_minutes: int) -> str:
    """``2026-11-22 14:05:09`` in the time of the place; empty for None."""
    if at_us is None:
        return ""
    moment = datetime.fromtimestamp(at_us / US_PER_S, UTC) + timedelta(minutes=offset_minutes)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def roll_call_rows(
    board: dict[str, Any], language: Language, offset_minutes: int
) -> list[tuple[str, ...]]:
    """Heading and a line for each site of a :func:`gateway.meetings.board.roll_call_board`."""
    words = _WORDS[language]
    rows: list[tuple[str, ...]] = [_ROLL_CALL[language]]
    for number, row in enumerate(board["rows"], 1):
        connected = "" if row["connected"] is None else words["yes" if row["connected"] else "no"]
        rows.append(
            (
                str(number),
                _township(row),
                row["name"],
                words[row["state"]],
                local_time(row["called_us"], offset_minutes),
                connected,
                local_time(row["answered_us"], offset_minutes),
                words[row["tick"]] if row["tick"] else "",
                _minutes(row["late_us"]),
                _minutes(row["early_us"]),
                _minutes(row["connected_us"]) or "0",
                row["note"],
            )
        )
    return rows


def roll_call_print(
    board: dict[str, Any], called_by: str, language: Language, offset_minutes: int
) -> dict[str, Any]:
    """What an A4 page is laid out from: ``title``, ``lines`` below it, ``columns``, ``groups`` of
    rows by township in the order of the list, ``tally``, and lines to be signed.
    """
    words = _WORDS[language]
    heading, *rows = roll_call_rows(board, language, offset_minutes)
    # The day stands above: on paper each column has to be narrow.
    day = local_time(board["started_us"], offset_minutes)[:_DAY_LENGTH]
    rows = [
        tuple(
            cell.removeprefix(day) if column in _TIME_COLUMNS else cell
            for column, cell in enumerate(row)
        )
        for row in rows
    ]
    groups: dict[str, list[tuple[str, ...]]] = {}
    for row in rows:
        groups.setdefault(row[1], []).append(row)
    counts = board["tally"]
    return {
        "title": f"{board['meeting_title']} {words['roll_call']}",
        "lines": [
            f"{words['at']}: {local_time(board['started_us'], offset_minutes)}"
            f" – {local_time(board['ended_us'], offset_minutes)}",
            f"{words['sites']}: {len(rows)}",
            f"{words['checked']}: {called_by}",
            *([board["title"]] if board["title"] else []),
        ],
        "columns": list(heading),
        "groups": [
            {"name": name, "rows": [list(row) for row in group]} for name, group in groups.items()
        ],
        "tally": [
            {"state": state, "word": words[state], "count": counts[state]}
            for state in _IN_A_TALLY
            if counts[state]
        ],
        "signatures": [words["chair"], words["checked"]],
    }


def attendance_rows(
    participants: Iterable[dict[str, Any]],
    spans: dict[str, list[Span]],
    until_us: int,
    language: Language,
    offset_minutes: int,
) -> list[tuple[str, ...]]:
    """Heading and a line for everybody who takes part, in the order given."""
    words = _WORDS[language]
    rows: list[tuple[str, ...]] = [_ATTENDANCE[language]]
    for number, one in enumerate(participants, 1):
        there = attended(spans.get(one["id"], []), until_us)
        rows.append(
            (
                str(number),
                " / ".join(one["area_path"]),
                one["name"],
                words[one["kind"]],
                words[one["role"]],
                local_time(there.first_us, offset_minutes),
                local_time(there.last_us, offset_minutes),
                str(there.times),
                _minutes(there.connected_us) or "0",
                words[one["state"]],
            )
        )
    return rows


def _township(row: dict[str, Any]) -> str:
    path: Sequence[str] = row["area_path"]
    # A site's own name comes last; what it belongs to stands before it.
    above = path[:-1] if row["kind"] == "site" and len(path) > 1 else path
    return above[-1] if above else ""


def _minutes(us: int) -> str:
    return str(-(-us // (60 * US_PER_S))) if us else ""
