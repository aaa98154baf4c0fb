"""Users as a sheet: name, home, roles. No passwords: who is new is given one for the first sign-in.

A user is known by name. Grants are written ``role@area``, parted by semicolons:
``值班员@420881100000``, ``viewer@警务:PCS-03``, ``审计员`` for the whole county, and with limits
behind blanks: ``operator@420881100000 from=2026-01-01T00:00Z until=2026-07-01T00:00Z ptz=80``. A
column for grants says all of them, as far as who imports may see them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.identifiers import US_PER_S
from gateway.people.account_rows import name_key
from gateway.people.authorize import Grant
from gateway.people.roles import COUNTY_ROLES, WHOLE_COUNTY, Role
from gateway.sheets.area_sheet import AXES_BY_NAME, AXIS_NAMES
from gateway.sheets.cells import checked_name, listed, written, yes_or_no
from gateway.sheets.county import KnownAreas, KnownGrant, KnownUser
from gateway.sheets.plan import FieldChange, Item, Plan
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import Column, Row

COLUMNS = (
    Column("name", ("账号", "name"), required=True, example="wangwei"),
    Column("display_name", ("姓名", "display_name"), example="王伟"),
    Column("home", ("归属区域", "home"), example="420881100000"),
    Column("grants", ("权限", "grants"), example="值班员@420881100000;观看员@警务:PCS-03"),
    Column("enabled", ("启用", "enabled"), example="是"),
)

ROLE_NAMES = {
    Role.VIEWER: "观看员",
    Role.OPERATOR: "值班员",
    Role.INVESTIGATOR: "侦查员",
    Role.SUPERVISOR: "侦查主管",
    Role.AREA_ADMIN: "区域管理员",
    Role.AUDITOR: "审计员",
    Role.INSPECTOR: "检查员",
    Role.INTEGRATOR: "平台对接",
    Role.SITE: "会场",
    Role.CONVENER: "会议召集人",
    Role.SYSTEM_ADMIN: "系统管理员",
}
_ROLES_BY_NAME = {name: role for role, name in ROLE_NAMES.items()} | {
    role.value: role for role in Role
}
_NAME_LENGTH_LIMIT = 100
_GRANTS_LIMIT = 200


class _GrantError(ValueError):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(slots=True)
class _Line:
    row: Row
    name: str
    display_name: str
    enabled: bool
    home_id: str | None
    home_path: str
    grants: frozenset[KnownGrant]


def plan_users(
    rows: Sequence[Row], areas: KnownAreas, users: Sequence[KnownUser], scope: Scope, now_us: int
) -> Plan:
    """What importing the rows would do."""
    plan = Plan()
    known = {name_key(user.name): user for user in users}
    seen: dict[str, int] = {}
    for row in rows:
        line = _read(row, areas, scope, plan)
        if line is None:
            continue
        key = name_key(line.name)
        first = seen.setdefault(key, row.line)
        if first != row.line:
            reason = f"is the same as on line {first}"
            plan.faults.append(row.fault("name", "twice_in_file", reason, line=first))
            continue
        user = known.get(key)
        item = (
            _create(line, areas, scope, now_us, plan)
            if user is None
            else _change(line, user, areas, scope, now_us, plan)
        )
        if item is None:
            plan.unchanged += 1
        else:
            plan.items.append(item)
    return plan


def export_users(
    users: Iterable[KnownUser], areas: KnownAreas, scope: Scope
) -> Iterator[list[str]]:
    """The sheet of these users, heading first; grants in places that one may know of."""
    yield [column.headings[0] for column in COLUMNS]
    for user in users:
        yield [
            user.name,
            user.display_name,
            areas.label(areas.by_id[user.area_id]) if user.area_id is not None else "",
            _written(_visible(user.grants, areas, scope), areas),
            written(user.enabled),
        ]


def _read(row: Row, areas: KnownAreas, scope: Scope, plan: Plan) -> _Line | None:
    before = len(plan.faults)
    name = checked_name(row, "name", plan.faults, _NAME_LENGTH_LIMIT)
    if len(row.text("display_name")) > 200:
        plan.faults.append(row.fault("display_name", "too_long", "is longer than 200", limit=200))
    enabled = yes_or_no(row, "enabled", plan.faults)
    home_id, home_path = None, ""
    if text := row.text("home"):
        home = areas.resolve("area", text)
        if home is None or not scope.sees(home.path):
            reason = f"there is no area {text}"
            plan.faults.append(row.fault("home", "unknown_area", reason, area=text))
        else:
            home_id, home_path = home.id, home.path
    given: set[KnownGrant] = set()
    for text in listed(row.text("grants")):
        try:
            given.add(_grant(text, areas, scope))
        except _GrantError as error:
            plan.faults.append(row.fault("grants", error.code, str(error), grant=text))
    if len(given) > _GRANTS_LIMIT:
        reason = f"one account has at most {_GRANTS_LIMIT} grants"
        plan.faults.append(row.fault("grants", "too_long", reason, limit=_GRANTS_LIMIT))
    if len(plan.faults) > before:
        return None
    display_name = row.text("display_name")
    return _Line(row, name, display_name, enabled, home_id, home_path, frozenset(given))


def _grant(text: str, areas: KnownAreas, scope: Scope) -> KnownGrant:
    what, *limits = text.split()
    role_name, _, place = what.partition("@")
    role = _ROLES_BY_NAME.get(role_name)
    if role is None:
        names = ", ".join(ROLE_NAMES.values())
        raise _GrantError("unknown_role", f"{role_name} is no role; there are {names}")
    axis_name, colon, place_on_axis = place.partition(":")
    axis = AXES_BY_NAME.get(axis_name.casefold()) if colon else "area"
    if axis is None:
        names = ", ".join(AXIS_NAMES.values())
        raise _GrantError("unknown_axis", f"{axis_name} is no axis; there are {names}")
    area_id = WHOLE_COUNTY
    if place not in ("", WHOLE_COUNTY):
        area = areas.resolve(axis, place_on_axis if colon else place)
        if area is None or not scope.sees(area.path):
            raise _GrantError("unknown_area", f"there is no area {place}")
        if role in COUNTY_ROLES:
            raise _GrantError("county_role", f"{role_name} is granted for the whole county only")
        area_id = area.id
    values: dict[str, int | None] = {"from": None, "until": None, "ptz": None}
    for limit in limits:
        name, _, value = limit.partition("=")
        if name not in values or values[name] is not None:
            raise _GrantError("unknown_limit", f"{limit}: a limit is from=, until= or ptz=")
        values[name] = _priority(value) if name == "ptz" else _time_us(value)
    return KnownGrant(role, area_id, values["from"], values["until"], values["ptz"])


def _priority(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 100):
        raise _GrantError("unknown_limit", "ptz= is a number from 1 to 100")
    return int(text)


def _time_us(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 1970 <= at.year < 9000:
        raise _GrantError(
            "unknown_limit", f"{text}: a time is written with its zone, as 2026-01-01T00:00+08:00"
        )
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * US_PER_S + since.microseconds


def _written_time(at_us: int) -> str:
    return (
        datetime.fromtimestamp(at_us // US_PER_S, UTC)
        .isoformat()
        .replace("+00:00", f".{at_us % US_PER_S:06d}Z" if at_us % US_PER_S else "Z")
    )


def _visible(
    grants: frozenset[KnownGrant], areas: KnownAreas, scope: Scope
) -> frozenset[KnownGrant]:
    return frozenset(one for one in grants if scope.sees(_path(one, areas)))


def _path(grant: KnownGrant, areas: KnownAreas) -> str:
    return "" if grant.area_id == WHOLE_COUNTY else areas.by_id[grant.area_id].path


def _written(grants: Iterable[KnownGrant], areas: KnownAreas) -> str:
    texts = []
    for grant in grants:
        text = ROLE_NAMES[grant.role]
        if grant.area_id != WHOLE_COUNTY:
            area = areas.by_id[grant.area_id]
            axis = "" if area.axis == "area" else f"{AXIS_NAMES[area.axis]}:"
            text += f"@{axis}{areas.label(area)}"
        if grant.valid_from_us is not None:
            text += f" from={_written_time(grant.valid_from_us)}"
        if grant.valid_until_us is not None:
            text += f" until={_written_time(grant.valid_until_us)}"
        if grant.ptz_priority is not None:
            text += f" ptz={grant.ptz_priority}"
        texts.append(text)
    return ";".join(sorted(texts))


def _create(line: _Line, areas: KnownAreas, scope: Scope, now_us: int, plan: Plan) -> Item | None:
    if not scope.may_manage(line.home_path):
        reason = "lies outside the areas whose accounts you manage"
        plan.faults.append(line.row.fault("home", "not_yours", reason))
    _check_given(line, line.grants, areas, scope, now_us, plan)
    plan.steps.append(
        {
            "do": "create",
            "name": line.name,
            "display_name": line.display_name or line.name,
            "enabled": line.enabled,
            "area_id": line.home_id,
            "area_path": line.home_path,
            "granted": [one.as_row() for one in sorted(line.grants, key=repr)],
        }
    )
    return Item(line.row.line, line.name, line.display_name or line.name, "create")


def _change(
    line: _Line, user: KnownUser, areas: KnownAreas, scope: Scope, now_us: int, plan: Plan
) -> Item | None:
    row = line.row
    home = areas.by_id[user.area_id].path if user.area_id is not None else ""
    if not scope.may_manage(home):
        reason = "there is already an account of this name, and it is not yours to manage"
        plan.faults.append(row.fault("name", "not_yours", reason))
        return None
    columns: dict[str, Any] = {}
    changes: list[FieldChange] = []
    if row.text("display_name") and line.display_name != user.display_name:
        columns["display_name"] = line.display_name
        changes.append(FieldChange("display_name", user.display_name, line.display_name))
    if row.has("enabled") and line.enabled != user.enabled:
        columns["enabled"] = line.enabled
        changes.append(FieldChange("enabled", written(user.enabled), written(line.enabled)))
    if row.has("home") and line.home_id != user.area_id:
        if not scope.may_manage(line.home_path):
            reason = "lies outside the areas whose accounts you manage"
            plan.faults.append(row.fault("home", "not_yours", reason))
        columns["area_id"] = line.home_id
        before, after = (
            areas.label(areas.by_id[one]) if one is not None else ""
            for one in (user.area_id, line.home_id)
        )
        changes.append(FieldChange("home", before, after))
    visible = _visible(user.grants, areas, scope)
    if row.has("grants") and line.grants != visible:
        _check_given(line, line.grants - visible, areas, scope, now_us, plan)
        _check_taken(line, visible - line.grants, areas, scope, plan)
        granted = (user.grants - visible) | line.grants
        columns["granted"] = [one.as_row() for one in sorted(granted, key=repr)]
        changes.append(
            FieldChange("grants", _written(visible, areas), _written(line.grants, areas))
        )
    if not changes:
        return None
    if not scope.may_manage_holder(_grants_of(user.grants, areas), user.id):
        reason = "this account holds rights that you do not hold"
        plan.faults.append(row.fault("name", "more_than_held", reason))
    plan.steps.append({"do": "change", "id": user.id, "area_path": home, "columns": columns})
    return Item(
        row.line, line.name, line.display_name or user.display_name, "change", tuple(changes)
    )


def _grants_of(grants: Iterable[KnownGrant], areas: KnownAreas) -> list[Grant]:
    return [
        Grant(one.role, _path(one, areas), one.valid_from_us, one.valid_until_us, one.ptz_priority)
        for one in grants
    ]


def _check_given(
    line: _Line,
    grants: Iterable[KnownGrant],
    areas: KnownAreas,
    scope: Scope,
    now_us: int,
    plan: Plan,
) -> None:
    for one in grants:
        if one.valid_until_us is not None and one.valid_until_us <= max(
            one.valid_from_us or 0, now_us
        ):
            reason = "a grant would end before it begins, or has ended already"
            plan.faults.append(
                line.row.fault("grants", "expired", reason, grant=_written([one], areas))
            )
    for one, grant in zip(grants, _grants_of(grants, areas), strict=True):
        if not scope.may_give(grant):
            text = _written([one], areas)
            reason = f"{text}: you can give only what you hold in that area"
            plan.faults.append(line.row.fault("grants", "more_than_held", reason, grant=text))


def _check_taken(
    line: _Line, grants: Iterable[KnownGrant], areas: KnownAreas, scope: Scope, plan: Plan
) -> None:
    for one, grant in zip(grants, _grants_of(grants, areas), strict=True):
        if not scope.may_withdraw(grant):
            text = _written([one], areas)
            reason = f"{text}: this carries more than you hold in that area"
            plan.faults.append(line.row.fault("grants", "more_than_held", reason, grant=text))
