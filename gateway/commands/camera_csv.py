"""Cameras from a CSV file: read whole, every fault named by line and column, then all or nothing.

Spreadsheets in Chinese offices save UTF-8 with a mark, or GB 18030 without one; both are read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from gateway.camera_form import CameraForm

REQUIRED = ("name", "area", "main_url")
OPTIONAL = (
    "sub_url",
    "username",
    "password",
    "transport",
    "record",
    "retention_days",
    "retention_bytes",
    "enabled",
)
# What the headings of a Chinese spreadsheet are called.
HEADINGS = {
    "名称": "name",
    "区域": "area",
    "主码流": "main_url",
    "子码流": "sub_url",
    "用户名": "username",
    "密码": "password",
    "传输": "transport",
    "录像": "record",
    "保存天数": "retention_days",
    "保存字节": "retention_bytes",
    "启用": "enabled",
}
AREA_SEPARATOR = "/"
_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "是": True,
    "0": False,
    "false": False,
    "no": False,
    "否": False,
}


@dataclass(frozen=True, slots=True)
class CsvFault:
    """One thing to correct. ``line`` counts from 1 and includes the heading."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.reason}"


@dataclass(frozen=True, slots=True)
class CsvCamera:
    """A camera as the file has it; ``area`` is the names from the root down."""

    line: int
    area: tuple[str, ...]
    form: CameraForm


def decode(content: bytes) -> str:
    """The file's text. Raises ValueError when it is in neither encoding."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ValueError("the file is neither UTF-8 nor GB 18030 text")


def read_cameras_csv(text: str) -> tuple[list[CsvCamera], list[CsvFault]]:
    """The cameras, and the faults; import only when there are none."""
    rows = csv.reader(io.StringIO(text), strict=True)
    cameras: list[CsvCamera] = []
    faults: list[CsvFault] = []
    seen: dict[tuple[object, ...], int] = {}
    columns: list[str] | None = None
    try:
        for values in rows:
            if not any(value.strip() for value in values):
                continue
            line = rows.line_num
            if columns is None:
                columns = [HEADINGS.get(name, name) for name in map(str.strip, values)]
                faults += _heading_faults(columns, line)
                if faults:
                    return [], faults
                continue
            if len(values) != len(columns):
                reason = f"{len(values)} values for {len(columns)} columns"
                faults.append(CsvFault(line, "-", reason))
                continue
            row = {name: value.strip() for name, value in zip(columns, values, strict=True)}
            camera = _camera(row, line, faults)
            if camera is not None:
                _note_double(camera, seen, faults)
                cameras.append(camera)
    except csv.Error as error:
        faults.append(CsvFault(rows.line_num, "-", f"not CSV: {error}"))
    if columns is None:
        faults.append(CsvFault(1, "-", f"the file is empty; its heading has {', '.join(REQUIRED)}"))
    return cameras, faults


def _heading_faults(columns: list[str], line: int) -> list[CsvFault]:
    known = (*REQUIRED, *OPTIONAL)
    faults = [
        CsvFault(line, name or "-", f"there is no such column; there are {', '.join(known)}")
        for name in columns
        if name not in known
    ]
    faults += [CsvFault(line, name, "is missing") for name in REQUIRED if name not in columns]
    faults += [CsvFault(line, name, "stands twice") for name in known if columns.count(name) > 1]
    return faults


def _camera(row: Mapping[str, str], line: int, faults: list[CsvFault]) -> CsvCamera | None:
    area = tuple(part.strip() for part in row["area"].split(AREA_SEPARATOR))
    if not all(area):
        faults.append(CsvFault(line, "area", "names from the root down, as in 县/镇/村"))
    fields: dict[str, object] = {
        name: value for name, value in row.items() if value and name not in ("area", "enabled")
    }
    enabled = row.get("enabled", "").lower()
    if enabled:
        if enabled not in _BOOLEANS:
            faults.append(CsvFault(line, "enabled", "is yes or no"))
        fields["enabled"] = _BOOLEANS.get(enabled, True)
    try:
        form = CameraForm.model_validate({**fields, "area_id": "-"})
    except ValidationError as error:
        for fault in error.errors():
            column = str(fault["loc"][0]) if fault["loc"] else "-"
            faults.append(CsvFault(line, column, fault["msg"].removeprefix("Value error, ")))
        return None
    return CsvCamera(line, area, form) if all(area) else None


def _note_double(
    camera: CsvCamera, seen: dict[tuple[object, ...], int], faults: list[CsvFault]
) -> None:
    for key, column in (
        (("url", camera.form.main_url), "main_url"),
        (("name", camera.area, camera.form.name), "name"),
    ):
        first = seen.setdefault(key, camera.line)
        if first != camera.line:
            faults.append(CsvFault(camera.line, column, f"is the same as on line {first}"))
