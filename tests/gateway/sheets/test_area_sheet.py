"""Areas as a sheet: what is accepted, what is named as a fault, and that nothing is done twice."""

from __future__ import annotations

import pytest

from gateway.sheets.scope import Scope
from tests.gateway.sheets.conftest import Sheets

HEADING = "体系,编码,名称,上级编码,顺序\n"
VILLAGES = (
    HEADING
    + "区划,420881100201,彭墩村,420881100000,1\n"
    + "区划,420881100202,荆台村,420881100000,2\n"
    + "区划,42088110020101,一组,420881100201,1\n"
    + "警务,PCS-03-1,一警区,PCS-03,1\n"
    + "部门,JTJ,交通局,,5\n"
)


def test_new_areas_hang_below_known_ones_and_below_one_another(sheets: Sheets) -> None:
    plan = sheets.apply("areas", VILLAGES)
    assert (plan.count("create"), plan.count("change"), plan.unchanged) == (5, 0, 0)
    found = sheets.rows(
        "SELECT a.name, a.axis, b.name FROM areas a LEFT JOIN areas b ON b.id = a.parent_id"
        " WHERE a.name IN ('彭墩村', '一组', '一警区', '交通局') ORDER BY a.name"
    )
    assert found == [
        ("一组", "area", "彭墩村"),
        ("一警区", "police", "石牌派出所"),
        ("交通局", "department", None),
        ("彭墩村", "area", "石牌镇"),
    ]
    (path,) = sheets.rows("SELECT path FROM areas WHERE name = '一组'")[0]
    assert path.startswith(sheets.path(sheets.town)) and path.count("/") == 4


def test_the_order_of_lines_does_not_matter(sheets: Sheets) -> None:
    heading, *lines = VILLAGES.splitlines()
    sheets.apply("areas", "\n".join([heading, *reversed(lines)]))
    assert len(sheets.rows("SELECT 1 FROM areas")) == 9


def test_the_same_file_again_changes_nothing(sheets: Sheets) -> None:
    sheets.apply("areas", VILLAGES)
    again = sheets.check("areas", VILLAGES)
    assert (again.items, again.steps, again.unchanged) == ([], [], 5)


def test_a_corrected_file_corrects(sheets: Sheets) -> None:
    sheets.apply("areas", VILLAGES)
    corrected = VILLAGES.replace("荆台村,420881100000", "荆台新村,420881101000")
    plan = sheets.apply("areas", corrected)
    (item,) = plan.items
    assert (item.line, item.action) == (3, "change")
    assert [(one.field, one.before, one.after) for one in item.changes] == [
        ("name", "荆台村", "荆台新村"),
        ("parent", "420881100000", "420881101000"),
    ]
    assert sheets.rows("SELECT parent_id, moved_us > 0 FROM areas WHERE name = '荆台新村'") == [
        (sheets.other_town, 1)
    ]


def test_what_was_called_by_name_is_given_its_code(sheets: Sheets) -> None:
    sheets.apply("areas", "名称,上级编码\n彭墩村,420881100000\n")
    plan = sheets.apply("areas", VILLAGES)
    assert [item.name for item in plan.items if item.action == "change"] == ["彭墩村"]
    assert sheets.rows("SELECT code FROM areas WHERE name = '彭墩村'") == [("420881100201",)]


def test_areas_without_codes_are_known_by_their_names(sheets: Sheets) -> None:
    text = "名称,上级\n一组,钟祥市/石牌镇/彭墩村\n彭墩村,钟祥市/石牌镇\n"
    assert sheets.apply("areas", text).count("create") == 2
    assert sheets.check("areas", text).unchanged == 2


def test_a_file_that_does_not_say_what_is_above_moves_nothing(sheets: Sheets) -> None:
    plan = sheets.apply("areas", "编码,名称\n420881100000,石牌古镇\n")
    assert [change.field for change in plan.items[0].changes] == ["name"]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_an_export_imported_again_changes_nothing(sheets: Sheets, form: str) -> None:
    sheets.apply("areas", VILLAGES)
    sheets.apply("areas", "名称,上级\n二组,钟祥市/石牌镇/彭墩村\n'=cmd|x,钟祥市\n''abc,钟祥市\n")
    again = sheets.check("areas", sheets.export("areas", form=form))
    assert (again.faults, again.items, again.unchanged) == ([], [], 12)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("区划,42088110020,a,,\n", "2 code code_length"),
        ("区划,4208811002010,a,,\n", "2 code code_length"),
        ("区划,990881100000,a,,\n", "2 code code_province"),
        ("区划,42088110020x,a,,\n", "2 code code_digits"),
        ("区划,420881000201,a,,\n", "2 code code_levels"),
        ("区划,42088110000001,a,,\n", "2 code code_levels"),
        ("区划,4.20881E+11,a,,\n", "2 code rounded_number"),
        ("警务,P/1,a,,\n", "2 code code_characters"),
        ("天区,1,a,,\n", "2 axis unknown_axis"),
        ("警务,P1,,,\n", "2 name required"),
        ("警务,P1,../../etc/passwd,,\n", "2 name path_in_name"),
        ("警务,P1,..,,\n", "2 name path_in_name"),
        ("警务,P1,a\u202eb,,\n", "2 name control_character"),
        ('警务,P1,"a\nb",,\n', "2 name control_character"),
        ("警务,P1,a,,-1\n", "2 position not_a_number"),
        ("警务,P1,a,,0000000099999999999999999999\n", "2 position not_a_number"),
        ("警务,P1,a,NOBODY,\n", "2 parent_code unknown_parent"),
        # A code of another axis is not above it.
        ("部门,D1,a,PCS-03,\n", "2 parent_code unknown_parent"),
        ("警务,P1,a,,\n警务,P1,b,,\n", "3 code twice_in_file"),
        ("警务,,a,,\n警务,,a,,\n", "3 name twice_in_file"),
        ("警务,P1,a,,1,9\n", "2 - too_many_values"),
    ],
)
def test_faults_are_named_by_line_and_column(sheets: Sheets, lines: str, expected: str) -> None:
    assert sheets.faults("areas", HEADING + lines) == [expected]
    assert sheets.check("areas", HEADING + lines).steps == []


def test_every_fault_is_named_not_only_the_first(sheets: Sheets) -> None:
    lines = "区划,1,,,\n警务,P1,a,NOBODY,x\n"
    assert sheets.faults("areas", HEADING + lines) == [
        "2 name required",
        "2 code code_length",
        "3 position not_a_number",
    ]


def test_areas_below_themselves_are_refused(sheets: Sheets) -> None:
    ring = HEADING + "警务,A,a,C,\n警务,B,b,A,\n警务,C,c,B,\n警务,D,d,C,\n警务,E,e,E,\n"
    assert sheets.faults("areas", ring) == [
        "2 parent_code cycle",
        "3 parent_code cycle",
        "4 parent_code cycle",
        "6 parent_code cycle",
    ]


def test_a_ring_that_closes_in_the_county_is_refused(sheets: Sheets) -> None:
    sheets.apply("areas", VILLAGES)
    closing = HEADING + "区划,420881100000,石牌镇,42088110020101,\n"
    assert sheets.faults("areas", closing) == ["2 parent_code cycle"]


def test_two_areas_may_change_places(sheets: Sheets) -> None:
    sheets.apply("areas", HEADING + "警务,A,a,PCS-03,\n警务,B,b,A,\n")
    sheets.apply("areas", HEADING + "警务,A,a,B,\n警务,B,b,PCS-03,\n")
    assert sheets.rows("SELECT name FROM areas WHERE name IN ('a', 'b') ORDER BY path") != []
    a, b = (sheets.rows(f"SELECT path FROM areas WHERE name = '{name}'")[0][0] for name in "ab")
    assert a.startswith(b)


def test_too_deep_is_refused(sheets: Sheets) -> None:
    lines = "".join(f"部门,D{n},d{n},{f'D{n - 1}' if n else ''},\n" for n in range(13))
    assert sheets.faults("areas", HEADING + lines) == ["14 parent_code too_deep"]


def test_a_code_that_does_not_continue_the_one_above_is_a_warning(sheets: Sheets) -> None:
    plan = sheets.apply("areas", HEADING + "区划,420881900201,开发区村,420881100000,\n")
    assert [(fault.field, fault.code) for fault in plan.warnings] == [("code", "code_elsewhere")]


def test_nothing_is_done_outside_ones_own_areas(sheets: Sheets) -> None:
    town = (sheets.path(sheets.town),)
    scope = Scope(configure=town, visible=town, manage=town)
    assert (
        sheets.apply(
            "areas",
            HEADING
            + "区划,420881100201,彭墩村,420881100000,\n区划,420881100000,石牌镇,420881000000,0\n",
            scope,
        ).count("create")
        == 1
    )
    for lines, expected in (
        ("区划,420881101201,别村,420881101000,\n", "2 parent_code unknown_parent"),
        ("区划,420881102000,新镇,,\n", "2 name not_yours"),
        ("区划,420881102000,新镇,420881000000,\n", "2 parent_code unknown_parent"),
        ("区划,420881100201,彭墩村,420881101000,\n", "2 parent_code unknown_parent"),
        ("区划,420881000000,改名市,,\n", "2 code not_yours"),
        ("区划,420881101000,胡集镇,,\n", "2 code not_yours"),
    ):
        plan = sheets.check("areas", HEADING + lines, scope)
        assert [f"{one.line} {one.field} {one.code}" for one in plan.faults] == [expected]
        assert "胡集镇" not in repr(plan.items)


def test_an_export_holds_only_what_one_configures(sheets: Sheets) -> None:
    town = (sheets.path(sheets.town),)
    text = sheets.export("areas", Scope(configure=town, visible=town)).decode("utf-8-sig")
    assert "石牌镇" in text and "胡集镇" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1 - empty"]),
        ("\n \n", ["1 - empty"]),
        ("名称,天气\n", ["1 - unknown_column"]),
        ("名称,name\n", ["1 name column_twice"]),
        ("编码\n1\n", ["1 name column_missing"]),
    ],
)
def test_a_wrong_heading_is_named(sheets: Sheets, text: str, expected: list[str]) -> None:
    assert sheets.faults("areas", text) == expected
