"""Cameras as a sheet: known by number or address, standing on four axes, passwords kept."""

from __future__ import annotations

import pytest

from gateway.secrets import seal, unseal
from gateway.sheets.scope import Scope
from tests.gateway.sheets.conftest import SECRET, Sheets

HEADING = "编号,名称,区域编码,警务,主码流,用户名,密码,保存天数,启用\n"
GATE = "A-1,村口,420881100000,PCS-03,rtsp://10.0.0.1/1,viewer,s3cret,45,\n"
BRIDGE = "A-2,桥头,420881101000,,rtsp://u:p%40w@10.0.0.2:8554/1,,,,否\n"


def test_new_cameras_stand_where_the_file_says(sheets: Sheets) -> None:
    plan = sheets.apply("cameras", HEADING + GATE + BRIDGE)
    assert plan.count("create") == 2
    gate, bridge = sheets.rows(
        "SELECT number, name, area_id, main_url, username, retention_days, enabled, transport,"
        " record FROM cameras ORDER BY number"
    )
    assert gate == (
        "A-1", "村口", sheets.town, "rtsp://10.0.0.1/1", "viewer", 45, 1, "auto", "continuous",
    )  # fmt: skip
    # Credentials inside an address move to their own columns.
    assert bridge[3:7] == ("rtsp://10.0.0.2:8554/1", "u", None, 0)
    sealed = sheets.rows("SELECT password_sealed, id FROM cameras ORDER BY number")
    assert [unseal(SECRET, text, camera_id) for text, camera_id in sealed] == ["s3cret", "p@w"]
    assert sheets.rows("SELECT area_id FROM camera_places") == [(sheets.police,)]
    assert sheets.rows("SELECT search_key FROM cameras WHERE number = 'A-1'") == [
        ("村口\ncunkou\nck\na-1",)
    ]


def test_the_same_file_again_changes_nothing(sheets: Sheets) -> None:
    sheets.apply("cameras", HEADING + GATE + BRIDGE)
    again = sheets.check("cameras", HEADING + GATE + BRIDGE)
    assert (again.items, again.steps, again.unchanged) == ([], [], 2)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_an_export_imported_again_changes_nothing(sheets: Sheets, form: str) -> None:
    sheets.apply("cameras", HEADING + GATE + BRIDGE)
    sheets.add_camera("=1+1", sheets.town, sub_url="rtsp://10.0.0.9/2", transport="udp")
    sheets.add_camera("@x", sheets.town, number="34020000001320000001", record="off")
    again = sheets.check("cameras", sheets.export("cameras", form=form))
    assert (again.faults, again.items, again.unchanged) == ([], [], 4)
    # The passwords are there still: they were not in the file.
    assert sheets.rows("SELECT count(password_sealed) FROM cameras") == [(2,)]


def test_positions_come_from_a_sheet_and_go_into_one(sheets: Sheets) -> None:
    heading = "编号,名称,区域编码,主码流,经度,纬度,朝向\n"
    sheets.apply(
        "cameras", heading + "A-1,村口,420881100000,rtsp://10.0.0.1/1,112.5881,31.1678,90\n"
    )
    assert sheets.rows("SELECT longitude, latitude, heading_deg, view_deg FROM cameras") == [
        (112.5881, 31.1678, 90.0, None)
    ]
    again = sheets.check("cameras", sheets.export("cameras"))
    assert (again.faults, again.unchanged) == ([], 1)
    half = sheets.check("cameras", heading + "A-2,桥头,420881100000,rtsp://10.0.0.2/1,112.5881,,\n")
    assert "a position is a longitude and a latitude" in half.faults[0].reason
    words = sheets.check("cameras", heading + "A-2,桥头,420881100000,rtsp://10.0.0.2/1,东经,北,\n")
    assert {fault.column for fault in words.faults} == {"经度", "纬度"}


def test_no_cell_of_an_export_is_a_formula(sheets: Sheets) -> None:
    for name in ("=1+1", "+x", "-x", "@x", "＝x"):
        sheets.add_camera(name, sheets.town)
    lines = sheets.export("cameras").decode("utf-8-sig").splitlines()
    cells = [cell for line in lines for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "＝"))]
    assert "'=1+1" in cells


def test_what_changed_is_shown_and_written(sheets: Sheets) -> None:
    sheets.apply("cameras", HEADING + GATE)
    moved = GATE.replace("村口", "村东口").replace("420881100000", "420881101000")
    plan = sheets.apply("cameras", HEADING + moved.replace("PCS-03", "").replace("s3cret", "new"))
    (item,) = plan.items
    assert [(one.field, one.before, one.after) for one in item.changes] == [
        ("name", "村口", "村东口"),
        ("area", "钟祥市/石牌镇", "钟祥市/胡集镇"),
        ("password", "", "…"),
        ("police", "PCS-03", ""),
    ]
    assert sheets.rows("SELECT name, area_id FROM cameras") == [("村东口", sheets.other_town)]
    assert sheets.rows("SELECT 1 FROM camera_places") == []


def test_columns_that_are_missing_leave_things_as_they_are(sheets: Sheets) -> None:
    sheets.apply("cameras", HEADING + GATE)
    plan = sheets.apply(
        "cameras", "编号,名称,区域编码,主码流\nA-1,新口,420881100000,rtsp://10.0.0.1/1\n"
    )
    assert [change.field for change in plan.items[0].changes] == ["name"]
    assert sheets.rows("SELECT retention_days, username, enabled FROM cameras") == [
        (45, "viewer", 1)
    ]
    assert sheets.rows("SELECT area_id FROM camera_places") == [(sheets.police,)]


def test_a_camera_without_a_number_is_known_by_its_address(sheets: Sheets) -> None:
    text = "名称,区域,主码流\n村口,钟祥市/石牌镇,rtsp://10.0.0.1/1\n"
    assert sheets.apply("cameras", text).count("create") == 1
    assert sheets.check("cameras", text).unchanged == 1
    numbered = "编号,名称,区域,主码流\nA-1,村口,钟祥市/石牌镇,rtsp://10.0.0.1/1\n"
    plan = sheets.apply("cameras", numbered)
    assert [change.field for change in plan.items[0].changes] == ["number"]
    assert sheets.rows("SELECT count(*), max(number) FROM cameras") == [(1, "A-1")]


def test_two_cameras_may_change_addresses(sheets: Sheets) -> None:
    heading = "编号,名称,区域编码,主码流\n"
    lines = "1,a,420881100000,rtsp://10.0.0.1/1\n2,b,420881100000,rtsp://10.0.0.2/1\n"
    sheets.apply("cameras", heading + lines)
    swapped = "1,a,420881100000,rtsp://10.0.0.2/1\n2,b,420881100000,rtsp://10.0.0.1/1\n"
    assert sheets.apply("cameras", heading + swapped).count("change") == 2


def test_areas_that_are_missing_are_made_and_said(sheets: Sheets) -> None:
    text = (
        "名称,区域,主码流\n"
        "a,钟祥市/石牌镇/彭墩村,rtsp://10.0.0.1/1\n"
        "b,钟祥市/石牌镇/彭墩村/一组,rtsp://10.0.0.1/2\n"
    )
    plan = sheets.apply("cameras", text)
    assert [(fault.line, fault.detail["area"]) for fault in plan.warnings] == [
        (2, "钟祥市/石牌镇/彭墩村"),
        (3, "钟祥市/石牌镇/彭墩村/一组"),
    ]
    (path,) = sheets.rows("SELECT path FROM areas WHERE name = '一组'")[0]
    assert path.startswith(sheets.path(sheets.town))
    assert sheets.check("cameras", text).warnings == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("A-1,,420881100000,,rtsp://h,,,,\n", ["2 name required"]),
        ("A-1,a,,,rtsp://h,,,,\n", ["2 area_code required"]),
        ("A-1,a,420881109000,,rtsp://h,,,,\n", ["2 area_code unknown_area"]),
        ("A-1,a,4.20881E+11,,rtsp://h,,,,\n", ["2 area_code rounded_number"]),
        ("4.20881E+19,a,420881100000,,rtsp://h,,,,\n", ["2 number rounded_number"]),
        ("A-1,a,420881100000,PCS-04,rtsp://h,,,,\n", ["2 police unknown_area"]),
        ("A-1,a,420881100000,,,,,,\n", ["2 main_url required"]),
        ("A-1,a,420881100000,,ftp://h,,,,\n", ["2 main_url address"]),
        ("A-1,a,420881100000,,=cmd|'/c calc'!A1,,,,\n", ["2 main_url address"]),
        ("A-1,a,420881100000,,rtsp://h,,,0,\n", ["2 retention_days not_a_number"]),
        ("A-1,a,420881100000,,rtsp://h,,,x,\n", ["2 retention_days not_a_number"]),
        ("A-1,a,420881100000,,rtsp://h,,,,maybe\n", ["2 enabled yes_or_no"]),
        (
            "A-1,a,420881100000,,rtsp://h,,,,\nA-1,b,420881100000,,rtsp://i,,,,\n",
            ["3 number twice_in_file"],
        ),
        (
            "A-1,a,420881100000,,rtsp://h,,,,\nA-2,b,420881100000,,rtsp://h,,,,\n",
            ["3 main_url twice_in_file"],
        ),
        (
            ",a,420881100000,,rtsp://h,,,,\n,a,420881100000,,rtsp://i,,,,\n",
            ["3 name twice_in_file"],
        ),
        ("A-1,a,420881100000,,rtsp://10.0.0.1/taken,,,,\n", ["2 main_url address_taken"]),
        # The same camera, once by its number and once by the address that it is to leave.
        (
            "T-1,a,420881100000,,rtsp://i,,,,\n,b,420881100000,,rtsp://10.0.0.1/taken,,,,\n",
            ["3 main_url twice_in_file"],
        ),
    ],
)
def test_faults_are_named_by_line_and_column(
    sheets: Sheets, lines: str, expected: list[str]
) -> None:
    sheets.add_camera("taken", sheets.town, number="T-1")
    assert sheets.faults("cameras", HEADING + lines) == expected


def test_a_stored_password_is_never_sent_to_another_host(sheets: Sheets) -> None:
    sealed = seal(SECRET, "s3cret", "cam_a")
    sheets.add_camera("a", sheets.town, number="A-1", password_sealed=sealed)
    heading = "编号,名称,区域编码,主码流,密码\n"
    elsewhere = "A-1,a,420881100000,rtsp://10.6.6.6/a,{}\n"
    assert sheets.faults("cameras", heading + elsewhere.format("")) == ["2 main_url password_again"]
    assert sheets.apply("cameras", heading + elsewhere.format("again")).count("change") == 1


def test_nothing_is_done_outside_ones_own_areas(sheets: Sheets) -> None:
    sheets.add_camera("there", sheets.other_town, number="B-1")
    sheets.add_camera("here", sheets.town, number="A-1")
    town = (sheets.path(sheets.town),)
    scope = Scope(configure=town, visible=town)
    heading = "编号,名称,区域编码,警务,主码流\n"
    for line, expected in (
        # What stands elsewhere is unknown; but its number cannot be had a second time.
        ("B-1,mine,420881100000,,rtsp://10.0.0.1/there", "2 number number_taken"),
        ("B-2,mine,420881100000,,rtsp://10.0.0.1/there", "2 main_url address_taken"),
        ("B-3,mine,420881101000,,rtsp://10.0.0.1/new", "2 area_code unknown_area"),
        ("A-1,here,420881101000,,rtsp://10.0.0.1/here", "2 area_code unknown_area"),
        ("A-1,here,420881100000,PCS-03,rtsp://10.0.0.1/here", "2 police unknown_area"),
        ("A-1,here,420881000000,,rtsp://10.0.0.1/here", "2 area_code unknown_area"),
    ):
        plan = sheets.check("cameras", heading + line, scope)
        assert expected in [f"{one.line} {one.field} {one.code}" for one in plan.faults], line
        assert "there" not in repr(plan.items)
    own = "A-1,renamed,420881100000,,rtsp://10.0.0.1/here"
    assert sheets.apply("cameras", heading + own, scope).count("change") == 1


def test_who_only_sees_a_place_cannot_put_cameras_there(sheets: Sheets) -> None:
    town = sheets.path(sheets.town)
    scope = Scope(configure=(town,), visible=(town, sheets.path(sheets.police)))
    line = "A-1,村口,420881100000,PCS-03,rtsp://10.0.0.1/1,,,,\n"
    assert sheets.faults("cameras", HEADING + line, scope) == ["2 police not_yours"]


def test_make_address_and_account_suffice_and_a_recorder_is_its_channels(sheets: Sheets) -> None:
    heading = "编号,名称,区域编码,品牌,地址,通道,用户名,密码\n"
    lines = (
        "A-1,村口,420881100000,海康威视,10.0.0.1,,admin,s3cret\n"
        "N,录像机,420881100000,大华,10.0.0.2:8554,1-3,admin,s3cret\n"
    )
    plan = sheets.apply("cameras", heading + lines)
    assert plan.count("create") == 4
    assert sheets.rows("SELECT number, name, main_url FROM cameras ORDER BY number") == [
        ("A-1", "村口", "rtsp://10.0.0.1/Streaming/Channels/101"),
        ("N-1", "录像机 1", "rtsp://10.0.0.2:8554/cam/realmonitor?channel=1&subtype=0"),
        ("N-2", "录像机 2", "rtsp://10.0.0.2:8554/cam/realmonitor?channel=2&subtype=0"),
        ("N-3", "录像机 3", "rtsp://10.0.0.2:8554/cam/realmonitor?channel=3&subtype=0"),
    ]
    again = sheets.check("cameras", heading + lines)
    assert (again.items, again.unchanged) == ([], 4)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("A-1,a,420881100000,acme,10.0.0.1,\n", "2 make unknown_make"),
        ("A-1,a,420881100000,海康威视,,\n", "2 address required"),
        ("A-1,a,420881100000,海康威视,http://x/,\n", "2 address address"),
        ("A-1,a,420881100000,海康威视,10.0.0.1,9-1\n", "2 channels invalid"),
        ("A-1,a,420881100000,,10.0.0.1,\n", "2 main_url required"),
    ],
)
def test_faults_of_makes_are_named(sheets: Sheets, line: str, fault: str) -> None:
    assert sheets.faults("cameras", "编号,名称,区域编码,品牌,地址,通道\n" + line) == [fault]


def test_a_sheet_takes_no_channels_of_platforms(sheets: Sheets) -> None:
    """Whose platform it is, a sheet does not see; what is a channel already stays one."""
    url = "gb28181://plf_1/34020000001310000001"
    refused = sheets.check("cameras", HEADING + GATE.replace("rtsp://10.0.0.1/1", url))
    assert [(fault.column, fault.code) for fault in refused.faults] == [("主码流", "address")]
    sheets.add_camera("taken", sheets.town, main_url=url)
    again = sheets.check("cameras", sheets.export("cameras"))
    assert (again.faults, again.unchanged) == ([], 1)
