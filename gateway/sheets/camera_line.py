"""A row of a sheet of cameras, read by itself: what its cells say, and where it would stand."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from gateway.camera_form import CameraForm
from gateway.identifiers import new_id
from gateway.people.search_key import search_key
from gateway.sheets.area_sheet import AXIS_NAMES
from gateway.sheets.cells import checked_name, listed, refuse_rounded, yes_or_no
from gateway.sheets.county import (
    CAMERA_COLUMNS,
    NAME_SEPARATOR,
    KnownArea,
    KnownAreas,
    KnownCamera,
)
from gateway.sheets.plan import Plan
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import Column, Fault, Row

COLUMNS = (
    Column("number", ("编号", "number"), example="42088110000001320001"),
    Column("name", ("名称", "name"), required=True, example="村口"),
    Column("area_code", ("区域编码", "area_code"), example="420881100201"),
    Column("area", ("区域", "area"), example="钟祥市/石牌镇/彭墩村"),
    Column("department", ("部门", "department"), example="GA-01"),
    Column("police", ("警务", "警务辖区", "police"), example="PCS-03"),
    Column("platform", ("平台", "来源平台", "platform"), example="VILLAGE"),
    Column("main_url", ("主码流", "main_url"), example="rtsp://10.20.1.15/Streaming/101"),
    Column("sub_url", ("子码流", "sub_url"), example="rtsp://10.20.1.15/Streaming/102"),
    Column("username", ("用户名", "username"), example="viewer"),
    Column("password", ("密码", "password")),
    Column("transport", ("传输", "transport"), example="自动"),
    Column("record", ("录像", "record"), example="连续"),
    Column("analysis", ("分析", "analysis"), example="自动"),
    Column("retention_days", ("保存天数", "retention_days"), example="30"),
    Column("retention_bytes", ("保存字节", "retention_bytes")),
    Column("enabled", ("启用", "enabled"), example="是"),
    Column("longitude", ("经度", "longitude"), example="112.5881"),
    Column("latitude", ("纬度", "latitude"), example="31.1678"),
    Column("heading_deg", ("朝向", "heading_deg", "方位角")),
    Column("view_deg", ("视角", "view_deg", "视场角")),
    # Instead of addresses; see gateway.sheets.made_addresses.
    Column("make", ("品牌", "make", "厂商", "厂家")),
    Column("address", ("地址", "address", "IP", "IP地址")),
    Column("channels", ("通道", "channels", "通道号")),
)
# What is taken in and not given out.
IMPORT_ONLY = frozenset({"password", "make", "address", "channels"})
PLACE_AXES = ("department", "police", "platform")

TRANSPORTS = {"自动": "auto"}
RECORDS = {"连续": "continuous", "不录像": "off"}
ANALYSES = {"自动": "auto", "分析": "on", "不分析": "off"}
# Of pydantic's kinds of fault, our codes.
_CODES = {
    "missing": "required",
    "string_too_short": "required",
    "string_too_long": "too_long",
    "literal_error": "unknown_value",
    "int_parsing": "not_a_number",
    "float_parsing": "not_a_number",
    "finite_number": "not_a_number",
    "greater_than": "not_a_number",
    "less_than": "not_a_number",
    "greater_than_equal": "not_a_number",
    "less_than_equal": "not_a_number",
}
_NUMBER_LENGTH_LIMIT = 40


@dataclass(slots=True)
class CameraLine:
    """A camera as the file has it, and what it turns out to be."""

    row: Row
    form: CameraForm
    home: KnownArea
    places: dict[str, KnownArea]
    known: KnownCamera | None = None


def read_camera(row: Row, areas: KnownAreas, scope: Scope, plan: Plan) -> CameraLine | None:
    """The camera that a row describes; None where it has faults, which go to the plan. An area that
    is missing is added to ``areas``, and to the plan's steps and warnings.
    """
    before = len(plan.faults)
    checked_name(row, "name", plan.faults)
    number = row.text("number")
    if number and refuse_rounded(row, "number", plan.faults) and len(number) > _NUMBER_LENGTH_LIMIT:
        reason = f"is longer than {_NUMBER_LENGTH_LIMIT}"
        plan.faults.append(row.fault("number", "too_long", reason, limit=_NUMBER_LENGTH_LIMIT))
    enabled = yes_or_no(row, "enabled", plan.faults)
    form = _form(row, enabled, plan.faults)
    places = _places(row, areas, scope, plan.faults)
    if len(plan.faults) > before or form is None:
        return None
    home = _home(row, areas, scope, plan)
    return CameraLine(row, form, home, places) if home is not None else None


def _form(row: Row, enabled: bool, faults: list[Fault]) -> CameraForm | None:
    fields: dict[str, object] = {
        name: row.text(name)
        for name in (*CAMERA_COLUMNS, "password")
        if row.text(name) and name not in ("enabled", "name")
    }
    for name, words in (("transport", TRANSPORTS), ("record", RECORDS), ("analysis", ANALYSES)):
        if name in fields:
            fields[name] = words.get(row.text(name), row.text(name).lower())
    try:
        return CameraForm.model_validate(
            {**fields, "name": row.text("name") or "-", "area_id": "-", "enabled": enabled}
        )
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = str(fault["loc"][0]) if fault["loc"] else ""
            reason = fault["msg"].removeprefix("Value error, ")
            code = _CODES.get(fault["type"], "address" if name.endswith("_url") else "invalid")
            if code == "required":
                reason = "is missing"
            faults.append(row.fault(name, code, reason))
        return None


def _places(row: Row, areas: KnownAreas, scope: Scope, faults: list[Fault]) -> dict[str, KnownArea]:
    found: dict[str, KnownArea] = {}
    for axis in PLACE_AXES:
        for text in listed(row.text(axis)):
            area = areas.resolve(axis, text)
            if area is None or not scope.sees(area.path):
                reason = f"there is no area {text} on the axis {AXIS_NAMES[axis]}"
                faults.append(row.fault(axis, "unknown_area", reason, area=text))
            else:
                found[area.id] = area
    return found


def _home(row: Row, areas: KnownAreas, scope: Scope, plan: Plan) -> KnownArea | None:
    if code := row.text("area_code"):
        if not refuse_rounded(row, "area_code", plan.faults):
            return None
        area = areas.resolve("area", code)
        if area is None or not scope.sees(area.path):
            reason = f"there is no area {code}"
            plan.faults.append(row.fault("area_code", "unknown_area", reason, area=code))
            return None
        return area
    text = row.text("area")
    names = [part.strip() for part in text.split(NAME_SEPARATOR)]
    if not all(names):
        column = "area" if row.has("area") or not row.has("area_code") else "area_code"
        reason = "is the area's code, or its names from the root down, as in 县/镇/村"
        plan.faults.append(row.fault(column, "required" if not text else "area_names", reason))
        return None
    return _made(row, names, areas, scope, plan)


def _made(
    row: Row, names: list[str], areas: KnownAreas, scope: Scope, plan: Plan
) -> KnownArea | None:
    """The area of these names; made below the lowest that there is."""
    above: KnownArea | None = None
    for depth, name in enumerate(names):
        below = areas.by_name.get(("area", above.id if above is not None else None, name), [])
        if len(below) > 1:
            reason = f"several areas are called {name} there: give the code"
            plan.faults.append(row.fault("area", "ambiguous_area", reason, area=name))
            return None
        if below:
            above = below[0]
            continue
        path = above.path if above is not None else ""
        if not scope.may_configure(path):
            reason = f"there is no area {NAME_SEPARATOR.join(names)}"
            plan.faults.append(row.fault("area", "unknown_area", reason, area=row.text("area")))
            return None
        area_id = new_id("area")
        parent_id = above.id if above is not None else None
        above = KnownArea(area_id, parent_id, "area", name, None, f"{path}{area_id}/", 0)
        areas.add(above)
        step = {"parent_id": parent_id, "axis": "area", "name": name, "code": None, "position": 0}
        plan.steps.append({"do": "area", "id": area_id, "search_key": search_key(name), **step})
        made = NAME_SEPARATOR.join(names[: depth + 1])
        plan.warnings.append(
            row.fault(
                "area", "area_is_made", f"{made} is not there yet and will be made", area=made
            )
        )
    return above
