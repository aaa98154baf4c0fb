"""Areas as a sheet: axis, code, name, order, and what stands above: its code, or its names from the
root down.

An area is known by its axis and code; one without a code by its name below the same parent. So the
same file may be imported again, and a corrected one corrects. A file without any column for what
stands above leaves known areas where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gateway.identifiers import new_id
from gateway.people.area_codes import AXES, CodeError, check_code, continues
from gateway.people.area_rows import DEPTH_LIMIT
from gateway.people.search_key import search_key
from gateway.sheets.cells import checked_name, refuse_rounded
from gateway.sheets.county import NAME_SEPARATOR, KnownArea, KnownAreas
from gateway.sheets.plan import FieldChange, Item, Plan
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import Column, Fault, Row

COLUMNS = (
    Column("axis", ("体系", "axis"), example="区划"),
    Column("code", ("编码", "区划编码", "code"), example="420881100000"),
    Column("name", ("名称", "name"), required=True, example="石牌镇"),
    Column("parent_code", ("上级编码", "parent_code"), example="420881000000"),
    # For areas that have no code; beside a code it is there to be read.
    Column("parent", ("上级", "上级名称", "parent"), example="钟祥县"),
    Column("position", ("顺序", "position"), example="10"),
)

AXIS_NAMES = {"area": "区划", "department": "部门", "police": "警务", "platform": "平台"}
AXES_BY_NAME = {name: axis for axis, name in AXIS_NAMES.items()} | {axis: axis for axis in AXES}
_POSITION_LIMIT = 1_000_000


@dataclass(slots=True)
class _Line:
    """An area as the file has it, and what it turns out to be."""

    row: Row
    axis: str
    code: str
    name: str
    parent_code: str
    parent: str
    position: int | None
    known: KnownArea | None = None
    id: str = ""
    above: _Line | KnownArea | None = None
    below: list[_Line] = field(default_factory=list)


def plan_areas(rows: Sequence[Row], known: KnownAreas, scope: Scope) -> Plan:
    """What importing the rows would do."""
    plan = Plan()
    lines = [line for row in rows if (line := _read(row, plan.faults)) is not None]
    by_code, by_names = _without_doubles(lines, plan.faults)
    for line in lines:
        line.known = known.by_code.get((line.axis, line.code)) if line.code else None
        above = _named_above(line, by_code, by_names, known)
        _accept_above(line, above, scope, plan)
    if not plan.faults:
        _refuse_cycles(lines, known, plan.faults)
    if plan.faults:
        return plan
    _place(_tops(lines), known, scope, plan)
    return plan


def export_areas(known: Iterable[KnownArea], by_id: KnownAreas) -> Iterator[list[str]]:
    """The sheet of these areas, heading first."""
    yield [column.headings[0] for column in COLUMNS]
    for area in known:
        parent = by_id.by_id[area.parent_id] if area.parent_id is not None else None
        yield [
            AXIS_NAMES[area.axis],
            area.code or "",
            area.name,
            (parent.code or "") if parent is not None else "",
            NAME_SEPARATOR.join(by_id.names(parent.id)) if parent is not None else "",
            str(area.position),
        ]


def axis_of(row: Row, faults: list[Fault]) -> str | None:
    """The axis that the row names; "area" where it names none."""
    text = row.text("axis").casefold() or "area"
    axis = AXES_BY_NAME.get(text)
    if axis is None:
        reason = f"there is no such axis; there are {', '.join(AXIS_NAMES.values())}"
        faults.append(row.fault("axis", "unknown_axis", reason))
    return axis


def _read(row: Row, faults: list[Fault]) -> _Line | None:
    before = len(faults)
    axis = axis_of(row, faults)
    name = checked_name(row, "name", faults)
    for column in ("code", "parent_code"):
        text = row.text(column)
        if text and axis is not None and refuse_rounded(row, column, faults):
            try:
                check_code(axis, text)
            except CodeError as error:
                faults.append(row.fault(column, error.code, str(error)))
    position: int | None = None
    if text := row.text("position"):
        if text.isascii() and text.isdigit() and len(text) <= 8 and int(text) <= _POSITION_LIMIT:
            position = int(text)
        else:
            reason = f"is a number from 0 to {_POSITION_LIMIT}"
            faults.append(row.fault("position", "not_a_number", reason, limit=_POSITION_LIMIT))
    if axis is None or len(faults) > before:
        return None
    parent = NAME_SEPARATOR.join(part.strip() for part in row.text("parent").split(NAME_SEPARATOR))
    return _Line(row, axis, row.text("code"), name, row.text("parent_code"), parent, position)


_ByCode = dict[tuple[str, str], _Line]


def _without_doubles(lines: list[_Line], faults: list[Fault]) -> tuple[_ByCode, _ByCode]:
    """The lines by (axis, code), and by (axis, names from the root down)."""
    by_code: _ByCode = {}
    by_names: _ByCode = {}
    nameless: dict[tuple[str, str, str], _Line] = {}
    for line in lines:
        if line.code:
            first = by_code.setdefault((line.axis, line.code), line)
        else:
            above = line.parent_code or line.parent
            first = nameless.setdefault((line.axis, above, line.name), line)
        if first is not line:
            faults.append(
                line.row.fault(
                    "code" if line.code else "name",
                    "twice_in_file",
                    f"is the same as on line {first.row.line}",
                    line=first.row.line,
                )
            )
        names = f"{line.parent}{NAME_SEPARATOR}{line.name}" if line.parent else line.name
        if line.parent or not line.parent_code:
            by_names.setdefault((line.axis, names), line)
    return by_code, by_names


def _named_above(
    line: _Line, by_code: _ByCode, by_names: _ByCode, known: KnownAreas
) -> _Line | KnownArea | None:
    """What stands above, as the line says; None for nothing, or for what nobody knows."""
    if line.parent_code:
        key = (line.axis, line.parent_code)
        return by_code.get(key) or known.by_code.get(key)
    if line.parent:
        in_file = by_names.get((line.axis, line.parent))
        if in_file is not None and in_file is not line:
            return in_file
        return known.find(line.axis, line.parent.split(NAME_SEPARATOR))
    silent = not line.row.has("parent_code") and not line.row.has("parent")
    if silent and line.known is not None and line.known.parent_id is not None:
        return known.by_id[line.known.parent_id]
    return None


def _accept_above(line: _Line, above: _Line | KnownArea | None, scope: Scope, plan: Plan) -> None:
    """Take it, unless it is not there, or they may not know of it."""
    column = "parent_code" if line.parent_code else "parent"
    said = line.parent_code or line.parent
    if isinstance(above, KnownArea) and not scope.sees(above.path):
        stands_there = line.known is not None and line.known.parent_id == above.id
        above = above if stands_there else None
    if above is None and said:
        reason = f"there is no area {said}, neither in the county nor in the file"
        plan.faults.append(line.row.fault(column, "unknown_parent", reason, area=said))
        return
    line.above = above
    coded_above = above.code if above is not None else None
    if line.axis == "area" and line.code and coded_above and not continues(coded_above, line.code):
        reason = f"the code does not continue {coded_above}, the code above it"
        plan.warnings.append(line.row.fault("code", "code_elsewhere", reason, above=coded_above))


def _refuse_cycles(lines: list[_Line], known: KnownAreas, faults: list[Fault]) -> None:
    """No area below itself, in the file or in what file and county make together."""
    moved = {line.known.id: line for line in lines if line.known is not None}

    def above(one: _Line | KnownArea) -> _Line | KnownArea | None:
        if isinstance(one, KnownArea):
            line = moved.get(one.id)
            if line is not None:
                return line.above
            return known.by_id[one.parent_id] if one.parent_id is not None else None
        return one.above

    def key(one: _Line | KnownArea) -> object:
        if isinstance(one, _Line):
            return one.known.id if one.known is not None else id(one)
        return one.id

    for line in lines:
        seen = {key(line)}
        one = above(line)
        depth = 1
        while one is not None:
            if key(one) == key(line):
                reason = "the area would stand below itself"
                faults.append(line.row.fault("parent_code", "cycle", reason))
                break
            if key(one) in seen:
                break  # A cycle further up: its own lines say so.
            seen.add(key(one))
            one = above(one)
            depth += 1
        if depth > DEPTH_LIMIT:
            reason = f"areas nest at most {DEPTH_LIMIT} deep"
            faults.append(line.row.fault("parent_code", "too_deep", reason, limit=DEPTH_LIMIT))


def _tops(lines: list[_Line]) -> list[_Line]:
    """Hang the lines below one another; gives those that hang below none of the file."""
    tops = []
    for line in lines:
        if isinstance(line.above, _Line):
            line.above.below.append(line)
        else:
            tops.append(line)
    return tops


def _place(tops: list[_Line], known: KnownAreas, scope: Scope, plan: Plan) -> None:
    """Make the steps, from the top down: so no step hangs anything below itself for a moment."""
    # (line, its parent's path as it will be; None where that is an area of this very import)
    waiting = list(reversed(tops))
    paths: dict[int, str] = {}
    steps: dict[int, Item] = {}
    while waiting:
        line = waiting.pop()
        waiting.extend(reversed(line.below))
        if isinstance(line.above, _Line):
            parent_id: str | None = line.above.id
            parent_path = paths[id(line.above)]
        elif line.above is not None:
            parent_id, parent_path = line.above.id, line.above.path
        else:
            parent_id, parent_path = None, ""
        if line.known is None:
            line.known = _same_name(line, parent_id, known)
        line.id = line.known.id if line.known is not None else new_id("area")
        paths[id(line)] = f"{parent_path}{line.id}/"
        item = _step(line, parent_id, parent_path, known, scope, plan)
        if item is not None:
            steps[line.row.line] = item
        else:
            plan.unchanged += 1
    plan.items = [steps[number] for number in sorted(steps)]
    if plan.faults:
        plan.faults.sort(key=lambda fault: fault.line)


def _same_name(line: _Line, parent_id: str | None, known: KnownAreas) -> KnownArea | None:
    """The area that had no code yet, or that the file gives none."""
    named = known.by_name.get((line.axis, parent_id, line.name), [])
    fitting = [area for area in named if not (line.code and area.code)]
    return fitting[0] if len(fitting) == 1 else None


def _step(
    line: _Line,
    parent_id: str | None,
    parent_path: str,
    known: KnownAreas,
    scope: Scope,
    plan: Plan,
) -> Item | None:
    area = line.known
    code = line.code or (area.code if area is not None else None)
    columns = {
        "name": line.name,
        "code": code,
        "position": line.position
        if line.position is not None
        else (area.position if area is not None else 0),
    }
    key = line.code or line.name
    if area is None:
        if not scope.may_configure(parent_path):
            plan.faults.append(_not_yours(line, "name"))
        plan.steps.append(
            {
                "do": "create",
                "id": line.id,
                "parent_id": parent_id,
                "axis": line.axis,
                "area_path": parent_path,
                "search_key": search_key(line.name, code),
                **columns,
            }
        )
        return Item(line.row.line, key, line.name, "create")
    before = {"name": area.name, "code": area.code, "position": area.position}
    changes = [
        FieldChange(name, _shown(before[name]), _shown(columns[name]))
        for name in columns
        if columns[name] != before[name]
    ]
    moved = area.parent_id != parent_id
    if moved:
        changes.append(
            FieldChange("parent", _label(known, area.parent_id), line.parent_code or line.parent)
        )
    if not scope.sees(area.path) and (changes or not scope.stands_above(area.path)):
        # Not what it is called today, either.
        plan.faults.append(_not_yours(line, "code" if line.code else "name"))
        return None
    if not changes:
        return None
    if not scope.may_configure(area.path) or (moved and not scope.may_configure(parent_path)):
        plan.faults.append(_not_yours(line, "code" if line.code else "name"))
    step = {
        "do": "change",
        "id": area.id,
        "area_path": area.path,
        "search_key": search_key(line.name, code),
        **columns,
    }
    if moved:
        step["parent_id"] = parent_id
    plan.steps.append(step)
    return Item(line.row.line, key, line.name, "change", tuple(changes))


def _not_yours(line: _Line, column: str) -> Fault:
    return line.row.fault(column, "not_yours", "lies outside the areas that you configure")


def _label(known: KnownAreas, area_id: str | None) -> str:
    if area_id is None:
        return ""
    area = known.by_id[area_id]
    return area.code or area.name


def _shown(value: object) -> str:
    return "" if value is None else str(value)
