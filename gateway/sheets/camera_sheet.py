"""Cameras as a sheet: number, name, where they stand on every axis, addresses, recording.

A camera is known by its number, or by its main address where it has none. A column that the file
does not have stays as it is; a blank cell of one that it has says "none", but for the password,
which is never exported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gateway.identifiers import new_id
from gateway.people.search_key import search_key
from gateway.secrets import SealError, seal, unseal
from gateway.sheets.camera_line import (
    ANALYSES,
    COLUMNS,
    IMPORT_ONLY,
    PLACE_AXES,
    RECORDS,
    TRANSPORTS,
    CameraLine,
    read_camera,
)
from gateway.sheets.cells import written
from gateway.sheets.county import (
    CAMERA_COLUMNS,
    NAME_SEPARATOR,
    KnownAreas,
    KnownCamera,
)
from gateway.sheets.made_addresses import with_addresses
from gateway.sheets.plan import FieldChange, Item, Plan
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import Fault, Row
from gateway.sources.addresses import endpoint, scheme_of


def plan_cameras(
    rows: Sequence[Row],
    areas: KnownAreas,
    cameras: Sequence[KnownCamera],
    scope: Scope,
    secret: bytes,
) -> Plan:
    """What importing the rows would do. Areas that are missing are added to ``areas`` and made."""
    plan = Plan()
    whole = with_addresses(rows, plan.faults)
    lines = [line for row in whole if (line := read_camera(row, areas, scope, plan)) is not None]
    _recognise(lines, cameras, scope, plan.faults)
    _refuse_doubles(lines, cameras, plan.faults)
    _refuse_channels(lines, plan.faults)
    for line in lines:
        item = _step(line, areas, scope, secret, plan)
        if item is None:
            plan.unchanged += 1
        else:
            plan.items.append(item)
    plan.faults.sort(key=lambda fault: fault.line)
    return plan


def export_cameras(cameras: Iterable[KnownCamera], areas: KnownAreas) -> Iterator[list[str]]:
    """The sheet of these cameras, heading first; without passwords."""
    yield [column.headings[0] for column in COLUMNS if column.field not in IMPORT_ONLY]
    shown: dict[str, dict[Any, str]] = {
        "transport": {value: name for name, value in TRANSPORTS.items()},
        "record": {value: name for name, value in RECORDS.items()},
        "analysis": {value: name for name, value in ANALYSES.items()},
        "enabled": {True: written(True), False: written(False)},
    }
    for camera in cameras:
        texts = {
            name: shown.get(name, {}).get(value, "" if value is None else str(value))
            for name, value in camera.columns.items()
        }
        home = areas.by_id[camera.area_id]
        texts["area_code"] = areas.label(home)
        texts["area"] = NAME_SEPARATOR.join(areas.names(home.id))
        for axis in PLACE_AXES:
            texts[axis] = _labels(camera.place_ids, axis, areas)
        yield [texts[column.field] for column in COLUMNS if column.field not in IMPORT_ONLY]


def _recognise(
    lines: list[CameraLine], cameras: Sequence[KnownCamera], scope: Scope, faults: list[Fault]
) -> None:
    """Find out which camera each line means."""
    by_number = {camera.number: camera for camera in cameras if camera.number is not None}
    addresses = Counter(camera.columns["main_url"] for camera in cameras)
    by_address = {
        camera.columns["main_url"]: camera
        for camera in cameras
        if addresses[camera.columns["main_url"]] == 1
    }
    for line in lines:
        number = line.form.number
        camera = by_number.get(number) if number is not None else None
        if camera is None:
            camera = by_address.get(line.form.main_url)
            if camera is not None and number is not None and camera.number is not None:
                camera = None
        if camera is None:
            continue
        if scope.sees(*camera.paths):
            line.known = camera
        elif camera.number is not None and camera.number == number:
            reason = "is the number of a camera that you may not configure"
            faults.append(line.row.fault("number", "number_taken", reason))


def _refuse_doubles(
    lines: list[CameraLine], cameras: Sequence[KnownCamera], faults: list[Fault]
) -> None:
    """No camera, number or address twice, neither in the file nor in the county as it will be."""
    seen: dict[tuple[object, ...], int] = {}
    meant = {line.known.id for line in lines if line.known is not None}
    addresses = {camera.columns["main_url"] for camera in cameras if camera.id not in meant}
    for line in lines:
        keys: list[tuple[tuple[object, ...], str]] = [
            (("main_url", line.form.main_url), "main_url")
        ]
        if line.form.number is not None:
            keys.append((("number", line.form.number), "number"))
        else:
            keys.append((("name", line.home.id, line.form.name), "name"))
        doubled = {
            column: first
            for key, column in keys
            if (first := seen.setdefault(key, line.row.line)) != line.row.line
        }
        if line.known is not None:
            # One line may mean it by its number, and another by its address of today.
            first = seen.setdefault(("camera", line.known.id), line.row.line)
            if first != line.row.line and not doubled:
                doubled["main_url"] = first
        for column, first in doubled.items():
            reason = f"is the same as on line {first}"
            faults.append(line.row.fault(column, "twice_in_file", reason, line=first))
        if line.form.main_url in addresses:
            reason = "is the address of another camera already"
            faults.append(line.row.fault("main_url", "address_taken", reason))


def _refuse_channels(lines: Sequence[CameraLine], faults: list[Fault]) -> None:
    """Channels of platforms become cameras on the platform's page, where it is seen whose they
    are; a sheet may only leave their addresses as they were.
    """
    for line in lines:
        known = line.known.columns if line.known is not None else {}
        for name, url in (("main_url", line.form.main_url), ("sub_url", line.form.sub_url)):
            if url and scheme_of(url) == "gb28181" and url != known.get(name):
                reason = "channels become cameras on their platform's page: take them over there"
                faults.append(line.row.fault(name, "address", reason))


def _step(
    line: CameraLine, areas: KnownAreas, scope: Scope, secret: bytes, plan: Plan
) -> Item | None:
    row, form, camera = line.row, line.form, line.known
    key = form.number or form.main_url
    if camera is None:
        if not scope.may_configure(line.home.path):
            plan.faults.append(_not_yours(row, "area_code" if row.text("area_code") else "area"))
        for area in line.places.values():
            if not scope.may_configure(area.path):
                plan.faults.append(_not_yours(row, area.axis))
        camera_id = new_id("cam")
        columns = form.model_dump(exclude={"password", "place_ids"})
        columns["area_id"] = line.home.id
        sealed = seal(secret, form.password, camera_id) if form.password else None
        plan.steps.append(
            {
                "do": "create",
                "id": camera_id,
                "area_path": line.home.path,
                "columns": {**columns, "password_sealed": sealed, "search_key": _key(columns)},
                "place_ids": sorted(line.places),
            }
        )
        return Item(row.line, key, form.name, "create")
    columns, changes = _changed(line, camera, areas, secret, plan.faults)
    place_ids = _new_places(line, camera, areas)
    changes += _place_changes(camera, place_ids, areas)
    if not changes:
        return None
    if not scope.may_configure(*camera.paths) or (
        line.home.id != camera.area_id and not scope.may_configure(line.home.path)
    ):
        plan.faults.append(_not_yours(row, "number" if form.number else "main_url"))
    for area_id in place_ids ^ camera.place_ids:
        if not scope.may_configure(areas.by_id[area_id].path):
            plan.faults.append(_not_yours(row, areas.by_id[area_id].axis))
    step: dict[str, Any] = {
        "do": "change",
        "id": camera.id,
        "area_path": line.home.path,
        "columns": columns,
    }
    if place_ids != camera.place_ids:
        step["place_ids"] = sorted(place_ids)
    plan.steps.append(step)
    return Item(row.line, key, form.name, "change", tuple(changes))


def _changed(
    line: CameraLine, camera: KnownCamera, areas: KnownAreas, secret: bytes, faults: list[Fault]
) -> tuple[dict[str, Any], list[FieldChange]]:
    """The columns of the row that change, and what people see of it."""
    row, form = line.row, line.form
    given = form.model_dump(include=set(CAMERA_COLUMNS))
    columns = {
        name: value
        for name, value in given.items()
        if value != camera.columns[name]
        # Credentials may also come inside the address.
        and (row.has(name) or (name == "username" and value is not None))
    }
    changes = [
        FieldChange(name, _shown(camera.columns[name]), _shown(value))
        for name, value in columns.items()
    ]
    if "name" in columns or "number" in columns:
        columns["search_key"] = _key({**camera.columns, **columns})
    if line.home.id != camera.area_id:
        columns["area_id"] = line.home.id
        before, after = (
            NAME_SEPARATOR.join(areas.names(area_id)) for area_id in (camera.area_id, line.home.id)
        )
        changes.append(FieldChange("area", before, after))
    if form.password and form.password != _password(camera, secret):
        columns["password_sealed"] = seal(secret, form.password, camera.id)
        changes.append(FieldChange("password", "", "…"))
    elif not form.password and camera.password_sealed is not None:
        # A stored password is never sent to another host.
        old = (camera.columns["main_url"], camera.columns["sub_url"])
        hosts = {endpoint(url) for url in old if url}
        for name in ("main_url", "sub_url"):
            if columns.get(name) and endpoint(columns[name]) not in hosts:
                reason = "the address has changed: give the password again"
                faults.append(row.fault(name, "password_again", reason))
    return columns, changes


def _new_places(line: CameraLine, camera: KnownCamera, areas: KnownAreas) -> frozenset[str]:
    """Where it will stand: axes without a column stay as they are."""
    kept = {
        area_id
        for area_id in camera.place_ids
        if (axis := areas.by_id[area_id].axis) not in PLACE_AXES or not line.row.has(axis)
    }
    return frozenset(kept | set(line.places))


def _place_changes(
    camera: KnownCamera, place_ids: frozenset[str], areas: KnownAreas
) -> list[FieldChange]:
    return [
        FieldChange(axis, before, after)
        for axis in PLACE_AXES
        if (before := _labels(camera.place_ids, axis, areas))
        != (after := _labels(place_ids, axis, areas))
    ]


def _labels(place_ids: Iterable[str], axis: str, areas: KnownAreas) -> str:
    found = (areas.by_id[area_id] for area_id in place_ids)
    return ";".join(sorted(areas.label(area) for area in found if area.axis == axis))


def _password(camera: KnownCamera, secret: bytes) -> str | None:
    if camera.password_sealed is None:
        return None
    try:
        return unseal(secret, camera.password_sealed, camera.id)
    except SealError:
        return None


def _key(columns: dict[str, Any]) -> str:
    return search_key(columns["name"], columns["number"])


def _not_yours(row: Row, column: str) -> Fault:
    return row.fault(column, "not_yours", "lies outside the areas that you configure")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return written(value)
    return "" if value is None else str(value)
