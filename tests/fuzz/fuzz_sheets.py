"""Sheets, as an office or an enemy may send them."""

from __future__ import annotations

from gateway.sheets.area_sheet import COLUMNS, plan_areas
from gateway.sheets.camera_line import COLUMNS as CAMERA_COLUMNS
from gateway.sheets.camera_sheet import plan_cameras
from gateway.sheets.county import KnownAreas
from gateway.sheets.files import read_lines
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import Fault, SheetError, read_rows
from gateway.sheets.xlsx_sheet import write_xlsx

_AREAS = [
    ["体系", "编码", "名称", "上级编码", "上级"],
    ["区划", "420881000000", "钟祥市", "", ""],
    ["区划", "420881100000", "=石牌镇", "420881000000", "钟祥市"],
    ["部门", "", "公安", "", ""],
]
_CAMERAS = "编号,名称,区域,主码流,密码\n1,村口,县/镇,rtsp://a:b@10.0.0.1/1,p\n"

SEEDS = [
    "\n".join(",".join(row) for row in _AREAS).encode(),
    "\n".join("\t".join(row) for row in _AREAS).encode("utf-16"),
    _CAMERAS.encode("gb18030"),
    b'name,area,main_url\n"a""b",c,"rtsp://x/\n"\n',
    write_xlsx("区域", _AREAS),
]


def target(data: bytes) -> None:
    """Only SheetError for what is no sheet; a plan without faults is whole."""
    try:
        for columns in (COLUMNS, CAMERA_COLUMNS):
            faults: list[Fault] = []
            rows = read_rows(read_lines(data), columns, faults)
            assert all(fault.line >= 1 and fault.reason for fault in faults)
            if columns is COLUMNS:
                plan = plan_areas(rows, KnownAreas(), Scope())
                if not plan.faults:
                    assert len(plan.items) == len(plan.steps) == len(rows) - plan.unchanged
            else:
                plan = plan_cameras(rows, KnownAreas(), [], Scope(), bytes(32))
            assert all(fault.line >= 1 and fault.reason for fault in plan.faults)
    except SheetError:
        return
