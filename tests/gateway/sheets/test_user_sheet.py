"""Users as a sheet: their roles in places, and nobody gives more than they hold."""

from __future__ import annotations

import pytest

from gateway.identifiers import now_us
from gateway.people.authorize import Grant, Principal
from gateway.people.roles import Role
from gateway.sheets.scope import Scope
from tests.gateway.sheets.conftest import Sheets

HEADING = "账号,姓名,归属区域,权限,启用\n"
WANG = "wangwei,王伟,420881100000,值班员@420881100000;viewer@警务:PCS-03 ptz=80,是\n"
LI = "liqiang,李强,,审计员 from=2026-01-01T00:00+08:00 until=2099-01-01T00:00Z,否\n"


def area_admin(path: str) -> Scope:
    principal = Principal(
        user_id="usr_town",
        name="town",
        display_name="town",
        grants=(Grant(Role.AREA_ADMIN, path),),
        must_change_password=False,
        session_expires_us=2**62,
        token_hash="",
    )
    return Scope.of(principal, now_us())


def test_accounts_are_made_with_home_and_grants(sheets: Sheets) -> None:
    assert sheets.apply("users", HEADING + WANG + LI).count("create") == 2
    assert sheets.rows(
        "SELECT name, display_name, area_id, enabled, must_change_password FROM users"
        " WHERE name <> 'boss' ORDER BY name"
    ) == [("liqiang", "李强", None, 0, 1), ("wangwei", "王伟", sheets.town, 1, 1)]
    assert sheets.rows(
        "SELECT u.name, role, g.area_id, valid_from_us, valid_until_us, ptz_priority"
        " FROM grants g JOIN users u ON u.id = user_id WHERE u.name <> 'boss'"
        " ORDER BY u.name, role"
    ) == [
        ("liqiang", "auditor", "*", 1767196800000000, 4070908800000000, None),
        ("wangwei", "operator", sheets.town, None, None, None),
        ("wangwei", "viewer", sheets.police, None, None, 80),
    ]


def test_the_same_file_again_changes_nothing(sheets: Sheets) -> None:
    sheets.apply("users", HEADING + WANG + LI)
    again = sheets.check("users", HEADING + WANG + LI)
    assert (again.items, again.unchanged) == ([], 2)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_an_export_imported_again_changes_nothing(sheets: Sheets, form: str) -> None:
    sheets.apply("users", HEADING + WANG + LI)
    again = sheets.check("users", sheets.export("users", form=form))
    assert (again.faults, again.items, again.unchanged) == ([], [], 3)


def test_what_changed_is_shown_and_written(sheets: Sheets) -> None:
    sheets.apply("users", HEADING + WANG)
    plan = sheets.apply("users", HEADING + "WANGWEI,王大伟,,值班员@420881100000,否\n")
    (item,) = plan.items
    assert [(one.field, one.before, one.after) for one in item.changes] == [
        ("display_name", "王伟", "王大伟"),
        ("enabled", "是", "否"),
        ("home", "420881100000", ""),
        ("grants", "值班员@420881100000;观看员@警务:PCS-03 ptz=80", "值班员@420881100000"),
    ]
    assert sheets.rows("SELECT enabled, area_id FROM users WHERE name = 'wangwei'") == [(0, None)]
    assert sheets.rows(
        "SELECT role FROM grants JOIN users u ON u.id = user_id WHERE u.name = 'wangwei'"
    ) == [("operator",)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (",x,,,\n", "2 name required"),
        ("../x,x,,,\n", "2 name path_in_name"),
        ("x,x,999,,\n", "2 home unknown_area"),
        ("x,x,PCS-03,,\n", "2 home unknown_area"),
        ("x,x,,皇帝,\n", "2 grants unknown_role"),
        ("x,x,,viewer@天:1,\n", "2 grants unknown_axis"),
        ("x,x,,viewer@420881109000,\n", "2 grants unknown_area"),
        ("x,x,,系统管理员@420881100000,\n", "2 grants county_role"),
        ("x,x,,viewer till=tomorrow,\n", "2 grants unknown_limit"),
        ("x,x,,viewer until=2099-01-01,\n", "2 grants unknown_limit"),
        ("x,x,,viewer until=0001-01-01T00:00Z,\n", "2 grants unknown_limit"),
        ("x,x,,viewer ptz=101,\n", "2 grants unknown_limit"),
        ("x,x,,viewer ptz=0050999,\n", "2 grants unknown_limit"),
        ("x,x,,viewer until=2020-01-01T00:00Z,\n", "2 grants expired"),
        ("x,x,,,perhaps\n", "2 enabled yes_or_no"),
        ("x,x,,,\nX,y,,,\n", "3 name twice_in_file"),
    ],
)
def test_faults_are_named_by_line_and_column(sheets: Sheets, line: str, expected: str) -> None:
    assert sheets.faults("users", HEADING + line) == [expected]


def test_passwords_are_not_imported(sheets: Sheets) -> None:
    assert sheets.faults("users", "账号,密码\nx,y\n") == ["1 - unknown_column"]


def test_an_area_admin_gives_what_they_hold_where_they_hold_it(sheets: Sheets) -> None:
    scope = area_admin(sheets.path(sheets.town))
    sheets.apply("users", HEADING + LI)
    for line, expected in (
        ("a,a,420881100000,值班员@420881100000,\n", []),
        ("a,a,420881100000,侦查员@420881100000,\n", ["2 grants more_than_held"]),
        ("a,a,420881100000,值班员@420881101000,\n", ["2 grants unknown_area"]),
        ("a,a,420881100000,观看员,\n", ["2 grants more_than_held"]),
        ("a,a,420881100000,系统管理员,\n", ["2 grants more_than_held"]),
        ("a,a,,,\n", ["2 home not_yours"]),
        ("a,a,420881101000,,\n", ["2 home unknown_area"]),
        ("liqiang,李强,,,\n", ["2 name not_yours"]),
        ("boss,boss,420881100000,,\n", ["2 name not_yours"]),
    ):
        assert sheets.faults("users", HEADING + line, scope) == expected, line


def test_nobody_manages_who_holds_more(sheets: Sheets) -> None:
    sheets.apply("users", HEADING + "a,a,420881100000,侦查员@420881100000,\n")
    scope = area_admin(sheets.path(sheets.town))
    assert sheets.faults("users", "账号,启用\na,否\n", scope) == ["2 name more_than_held"]


def test_grants_out_of_sight_are_neither_shown_nor_touched(sheets: Sheets) -> None:
    sheets.apply("users", HEADING + "a,a,420881100000,观看员@420881100000;观看员@警务:PCS-03,\n")
    scope = area_admin(sheets.path(sheets.town))
    text = sheets.export("users", scope).decode("utf-8-sig")
    assert "观看员@420881100000" in text and "PCS-03" not in text and "boss" not in text
    plan = sheets.check("users", HEADING + "a,a,420881100000,,\n", scope)
    # It holds something that this area admin does not: so it is not theirs to change.
    assert [fault.code for fault in plan.faults] == ["more_than_held"]
