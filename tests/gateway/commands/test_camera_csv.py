"""Camera lists: every fault is named, and nothing is imported before there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.camera_csv import decode, read_cameras_csv

GOOD = "name,area,main_url,username,password,enabled\n"


def faults_of(text: str) -> list[str]:
    return [str(fault) for fault in read_cameras_csv(text)[1]]


def test_a_right_file_gives_its_cameras() -> None:
    text = (
        GOOD
        + "村口,钟祥县/石牌镇/彭墩村,rtsp://a:b@10.0.0.1/1,,,\n桥头,钟祥县,rtsp://10.0.0.2,u,p,否\n"
    )
    cameras, faults = read_cameras_csv(text)
    assert faults == []
    first, second = cameras
    assert first.area == ("钟祥县", "石牌镇", "彭墩村")
    assert (first.form.main_url, first.form.username, first.form.password) == (
        "rtsp://10.0.0.1/1",
        "a",
        "b",
    )
    assert (second.form.username, second.form.password, second.form.enabled) == ("u", "p", False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_spreadsheets_in_chinese_are_read(encoding: str) -> None:
    text = "名称,区域,主码流,录像,保存天数\r\n村口,县/镇,rtsp://10.0.0.1,off,45\r\n"
    cameras, faults = read_cameras_csv(decode(text.encode(encoding)))
    assert faults == []
    assert (cameras[0].form.name, cameras[0].form.record) == ("村口", "off")
    assert cameras[0].form.retention_days == 45


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,县,http://x,,,\n", "line 2, column main_url: the address begins with rtsp://"),
        ("a,县,rtsp://h:0,,,\n", "line 2, column main_url: the address has no host name"),
        ("a,县,,,,\n", "line 2, column main_url: Field required"),
        (",县,rtsp://h,,,\n", "line 2, column name: Field required"),
        ("a,县//村,rtsp://h,,,\n", "line 2, column area: names from the root down, as in 县/镇/村"),
        ("a,县,rtsp://h,,,maybe\n", "line 2, column enabled: is yes or no"),
        ("a,县,rtsp://h\n", "line 2, column -: 3 values for 6 columns"),
        (
            "a,县,rtsp://h,,,\n\nb,县,rtsp://h,,,\n",
            "line 4, column main_url: is the same as on line 2",
        ),
        ("a,县,rtsp://h,,,\na,县,rtsp://i,,,\n", "line 3, column name: is the same as on line 2"),
    ],
)
def test_each_fault_has_line_column_and_reason(rows: str, expected: str) -> None:
    assert expected in faults_of(GOOD + rows)


def test_all_faults_are_told_at_once() -> None:
    assert len(faults_of(GOOD + "a,县,x,,,\nb,县,y,,,\n,,,,,z\n")) >= 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("name,main_url\n", "column area: is missing"),
        ("name,area,main_url,colour\n", "column colour: there is no such column"),
        ("name,area,main_url,name\n", "column name: stands twice"),
        (GOOD + 'a,县,"rtsp://h\n', "not CSV"),
    ],
)
def test_a_wrong_heading_is_told(text: str, expected: str) -> None:
    assert any(expected in fault for fault in faults_of(text))


@given(st.text(max_size=200))
def test_any_text_gives_cameras_or_faults(text: str) -> None:
    _, faults = read_cameras_csv("name,area,main_url\n" + text)
    assert all(fault.reason for fault in faults)
