"""From a file to a plan, and from the county to a file: what the API and the command line share.

Synchronous, and heavy for thousands of rows: the gateway runs it in a process of its own
(:mod:`gateway.sheets.worker`), the command line as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, get_args

import sqlalchemy as sa

from gateway.sheets import area_sheet, camera_line, camera_sheet, user_sheet
from gateway.sheets.county import KnownArea, KnownAreas, read_areas, read_cameras, read_users
from gateway.sheets.csv_sheet import read_csv, write_csv
from gateway.sheets.plan import Plan
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import BYTES_LIMIT, Column, SheetError, read_rows
from gateway.sheets.xlsx_sheet import OLE_SIGNATURE, SIGNATURE, read_xlsx, write_xlsx

Kind = Literal["areas", "cameras", "users"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Form = Literal["csv", "xlsx"]

COLUMNS: dict[Kind, tuple[Column, ...]] = {
    "areas": area_sheet.COLUMNS,
    "cameras": camera_line.COLUMNS,
    "users": user_sheet.COLUMNS,
}
TITLES: dict[Kind, str] = {"areas": "区域", "cameras": "摄像机", "users": "账号"}
_EACH = 500


def check_file(
    connection: sa.Connection,
    kind: Kind,
    content: bytes,
    scope: Scope,
    *,
    secret: bytes,
    now_us: int,
    progress: Callable[[int], None] = lambda _: None,
) -> Plan:
    """What importing the file would do; its faults are in the plan. ``progress`` is told how many
    lines have been read. Raises SheetError.
    """
    plan = Plan()
    rows = read_rows(_counted(read_lines(content), progress), COLUMNS[kind], plan.faults)
    if plan.faults and not rows:
        return plan
    known = read_areas(connection)
    if kind == "areas":
        made = area_sheet.plan_areas(rows, known, scope)
    elif kind == "cameras":
        cameras = read_cameras(connection, known)
        made = camera_sheet.plan_cameras(rows, known, cameras, scope, secret)
    else:
        made = user_sheet.plan_users(rows, known, read_users(connection, known), scope, now_us)
    made.faults = sorted([*plan.faults, *made.faults], key=lambda fault: fault.line)
    if made.faults:
        made.steps = []
    return made


def read_lines(content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """Numbered lines of a CSV or XLSX file, told apart by its content. Raises SheetError."""
    if len(content) > BYTES_LIMIT:
        raise SheetError("too_large", f"a file has at most {BYTES_LIMIT} bytes")
    if content.startswith(OLE_SIGNATURE):
        raise SheetError(
            "old_excel", "this is an old .xls file or one with a password: save it as plain .xlsx"
        )
    return read_xlsx(content) if content.startswith(SIGNATURE) else read_csv(content)


def export_rows(
    connection: sa.Connection, kind: Kind, scope: Scope, *, axis: str | None, within: str
) -> Iterator[list[str]]:
    """Heading and rows of what the scope may configure (users: manage), below the path ``within``;
    areas of one axis where ``axis`` names one.
    """
    known = read_areas(connection)
    if kind == "users":
        users = [
            user
            for user in read_users(connection, known)
            if scope.may_manage(home := known.by_id[user.area_id].path if user.area_id else "")
            and home.startswith(within)
        ]
        return user_sheet.export_users(users, known, scope)
    if kind == "cameras":
        cameras = [
            camera
            for camera in read_cameras(connection, known)
            if scope.may_configure(*camera.paths)
            and any(path.startswith(within) for path in camera.paths)
        ]
        return camera_sheet.export_cameras(cameras, known)
    return area_sheet.export_areas(_tree_order(known, scope, axis, within), known)


def template_rows(kind: Kind) -> Iterator[list[str]]:
    """Heading and an example."""
    yield [column.headings[0] for column in COLUMNS[kind]]
    yield [column.example for column in COLUMNS[kind]]


def write_file(
    kind: Kind, form: Form, rows: Iterator[list[str]], encoding: str = "utf-8-sig"
) -> bytes:
    """The rows as a file."""
    return write_xlsx(TITLES[kind], rows) if form == "xlsx" else write_csv(rows, encoding)


def _tree_order(known: KnownAreas, scope: Scope, axis: str | None, within: str) -> list[KnownArea]:
    """As the tree shows them: what stands above first, brothers by position and name."""

    def key(area: KnownArea) -> list[tuple[int, str, str]]:
        above = (known.by_id[part] for part in area.path.split("/") if part)
        return [(one.position, one.name, one.id) for one in above]

    chosen = [
        area
        for area in known.by_id.values()
        if scope.may_configure(area.path)
        and area.path.startswith(within)
        and axis in (None, area.axis)
    ]
    return sorted(chosen, key=lambda area: (area.axis, key(area)))


def _counted(
    lines: Iterator[tuple[int, Sequence[str]]], progress: Callable[[int], None]
) -> Iterator[tuple[int, Sequence[str]]]:
    for line, texts in lines:
        if line % _EACH == 0:
            progress(line)
        yield line, texts
