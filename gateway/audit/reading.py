"""Reading the register: filters, pages, sheets, and the auditors' report."""

from __future__ import annotations

import bisect
import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.audit.report import (
    LOOK_PREFIXES,
    LOOKS,
    REFUSALS,
    Examiner,
    Finding,
    Report,
    WorkingHours,
)
from gateway.database.account_tables import handovers
from gateway.database.audit_tables import audit_log
from gateway.database.tables import cameras
from gateway.identifiers import US_PER_S
from gateway.people.areas import cameras_within, subtree, within
from gateway.settings import AccountabilitySettings

_table = audit_log.c

SHEET_COLUMNS = (
    "sequence",
    "at",
    "user_id",
    "user_name",
    "address",
    "action",
    "camera_id",
    "camera_name",
    "start",
    "end",
    "reason_code",
    "reason",
    "case_id",
    "detail",
)
REPORT_COLUMNS = (
    "kind",
    "user_id",
    "user_name",
    "camera_id",
    "camera_name",
    "count",
    "first",
    "last",
    "example",
    "sequences",
    "detail",
)


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records. ``action`` that ends in a dot is a beginning; ``area`` a path.

    ``query`` is looked for in names, words, cases and details.
    """

    camera_id: str | None = None
    user_id: str | None = None
    action: str | None = None
    area: str | None = None
    reason_code: str | None = None
    case_id: str | None = None
    address: str | None = None
    query: str | None = None
    start_us: int = 0
    end_us: int = 2**61


def select_records(wanted: RecordFilter, visible: Sequence[str]) -> sa.Select[Any]:
    """The records that fit and that concern one of the areas of ``visible`` ([""]: all), with their
    cameras' names. A camera that stands in such an area counts wherever its home is.
    """
    statement = (
        sa.select(audit_log, cameras.c.name.label("camera_name"))
        .outerjoin(cameras, cameras.c.id == _table.camera_id)
        .where(_table.at_us >= wanted.start_us, _table.at_us < wanted.end_us)
    )
    if "" not in visible:
        standing = sa.select(cameras.c.id).where(cameras_within(visible)).correlate(None)
        statement = statement.where(
            sa.or_(within(_table.area_path, visible), _table.camera_id.in_(standing))
        )
    for name in ("camera_id", "user_id", "reason_code", "case_id", "address"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(_table[name] == value)
    if wanted.action is not None:
        statement = statement.where(
            _table.action.startswith(wanted.action, autoescape=True)
            if wanted.action.endswith(".")
            else _table.action == wanted.action
        )
    if wanted.area is not None:
        statement = statement.where(subtree(_table.area_path, wanted.area))
    if wanted.query:
        searched = (
            _table.user_name,
            _table.reason,
            _table.case_id,
            _table.address,
            _table.detail,
            cameras.c.name,
        )
        statement = statement.where(
            sa.or_(*(column.icontains(wanted.query, autoescape=True) for column in searched))
        )
    return statement


def sheet_line(record: Any, utc_offset_minutes: int) -> list[str]:
    """The cells of :data:`SHEET_COLUMNS`."""
    shown = {
        **record,
        "at": local_time(record["at_us"], utc_offset_minutes),
        "start": local_time(record["start_us"], utc_offset_minutes),
        "end": local_time(record["end_us"], utc_offset_minutes),
    }
    return ["" if shown[name] is None else str(shown[name]) for name in SHEET_COLUMNS]


def report_lines(report: Report, utc_offset_minutes: int) -> Iterator[list[str]]:
    """The cells of :data:`REPORT_COLUMNS` for each finding."""
    for one in report.findings:
        yield _finding_line(one, utc_offset_minutes)


def _finding_line(one: Finding, utc_offset_minutes: int) -> list[str]:
    cells = (
        one.kind,
        one.user_id,
        one.user_name,
        one.camera_id,
        one.camera_name,
        one.count,
        local_time(one.first_us, utc_offset_minutes),
        local_time(one.last_us, utc_offset_minutes),
        one.example,
        " ".join(map(str, one.sequences)),
        json.dumps(one.detail, ensure_ascii=False),
    )
    return ["" if cell is None else str(cell) for cell in cells]


def local_time(at_us: int | None, utc_offset_minutes: int) -> str:
    """ISO 8601 with the offset, to the second; "" for None."""
    if at_us is None:
        return ""
    zone = datetime.timezone(datetime.timedelta(minutes=utc_offset_minutes))
    return datetime.datetime.fromtimestamp(at_us // US_PER_S, zone).isoformat()


def make_report(
    connection: sa.Connection,
    settings: AccountabilitySettings,
    *,
    start_us: int,
    end_us: int,
    utc_offset_minutes: int,
    visible: Sequence[str] = ("",),
) -> Report:
    """The auditors' report. Reads every look of the period: not on an event loop."""
    hours = WorkingHours.parse(settings.working_hours, utc_offset_minutes)
    longest_us = round(settings.shift_hours * 3600 * US_PER_S)
    examiner = Examiner(hours, _duty(connection, start_us, end_us, longest_us))
    looks = sa.or_(
        _table.action.in_([*LOOKS, *REFUSALS]),
        *(_table.action.startswith(prefix, autoescape=True) for prefix in LOOK_PREFIXES),
    )
    statement = (
        select_records(RecordFilter(start_us=start_us, end_us=end_us), visible)
        .where(looks)
        .order_by(_table.at_us, _table.sequence)
        .execution_options(yield_per=2000)
    )
    for row in connection.execute(statement).mappings():
        examiner.take(dict(row))
    return examiner.report(start_us, end_us)


def _duty(
    connection: sa.Connection, start_us: int, end_us: int, longest_us: int
) -> Callable[[str, int], bool]:
    """Whether a shift that somebody took over by hand-over ran at a time: until it was handed on,
    and not longer than shifts last.
    """
    rows = connection.execute(
        sa.select(handovers.c.desk_id, handovers.c.taken_by, handovers.c.taken_us)
        .where(
            handovers.c.taken_us > start_us - longest_us,
            handovers.c.taken_us < end_us + longest_us,
        )
        .order_by(handovers.c.taken_us)
    ).all()
    next_at: dict[str, int] = {}
    shifts: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in reversed(rows):
        until_us = min(
            next_at.get(row.desk_id, row.taken_us + longest_us), row.taken_us + longest_us
        )
        shifts[row.taken_by].append((row.taken_us, until_us))
        next_at[row.desk_id] = row.taken_us
    for of_one in shifts.values():
        of_one.sort()

    def on_duty(user_id: str, at_us: int) -> bool:
        of_one = shifts.get(user_id, [])
        before = of_one[: bisect.bisect_right(of_one, (at_us, 2**62))]
        return any(at_us < until_us for _, until_us in before)

    return on_duty
