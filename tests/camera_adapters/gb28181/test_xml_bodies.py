"""XML bodies: bounded, without entities, in whatever coding they really come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gb28181 import xml_bodies
from camera_adapters.gb28181.xml_bodies import Element, XmlBodyError

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><Query><CmdType>&c;</CmdType></Query>"""


def named(text: str, declared: str, coding: str) -> bytes:
    return f'<?xml version="1.0" encoding="{declared}"?><N><Name>{text}</Name></N>'.encode(coding)


@pytest.mark.parametrize(
    ("declared", "coding"),
    [
        ("GB2312", "gb2312"),
        ("GB2312", "gb18030"),
        ("gb18030", "gb18030"),
        ("GBK", "gbk"),
        ("UTF-8", "utf-8"),
        ("GB2312", "utf-8"),  # declared wrongly, both ways
        ("UTF-8", "gb18030"),
    ],
)
@pytest.mark.parametrize("name", ["摄像机东门", "南陵县许镇镇黄墓村路口", "A1"])
def test_chinese_is_read_whatever_was_declared(declared: str, coding: str, name: str) -> None:
    assert xml_bodies.parse(named(name, declared, coding)).value("Name") == name


def test_character_that_only_gb18030_has() -> None:
    assert xml_bodies.parse(named("㐂𠀀", "GB2312", "gb18030")).value("Name") == "㐂𠀀"


def test_without_declaration_it_is_read_too() -> None:
    assert xml_bodies.parse("<N><Name>东门</Name></N>".encode("gb18030")).value("Name") == "东门"


def test_entity_bomb_is_refused() -> None:
    with pytest.raises(XmlBodyError, match="document type"):
        xml_bodies.parse(BOMB)


def test_outer_file_is_refused() -> None:
    body = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    with pytest.raises(XmlBodyError, match="document type"):
        xml_bodies.parse(body)


def test_hundred_megabytes_are_refused_unread() -> None:
    with pytest.raises(XmlBodyError, match="at most"):
        xml_bodies.parse(b"<a>" + bytes(100 * 2**20))


def test_many_elements_are_refused() -> None:
    body = b"<a>" + b"<b/>" * (xml_bodies.ELEMENTS_LIMIT + 1) + b"</a>"
    with pytest.raises(XmlBodyError, match="elements"):
        xml_bodies.parse(body)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(XmlBodyError, match="deeper"):
        xml_bodies.parse(b"<a>" * 1000 + b"</a>" * 1000)


def test_what_recorders_leave_in_names_is_mended() -> None:
    body = b"<N><Name>A&B\x01 &amp; C\x00</Name></N>\x00\x00"
    assert xml_bodies.parse(body).value("Name") == "A&B & C"


@pytest.mark.parametrize("body", [b"", b"\x00", b"hello", b"<a>", b"<a></b>", b"<a/><b/>"])
def test_what_is_no_xml_is_refused(body: bytes) -> None:
    with pytest.raises(XmlBodyError):
        xml_bodies.parse(body)


def test_names_are_found_in_any_case() -> None:
    root = xml_bodies.parse(b"<Q><DEVICEID> 7 </DEVICEID><SN>12</SN><X>1e3</X></Q>")
    assert root.value("DeviceID") == "7"
    assert root.number("sn") == 12
    assert root.decimal("x") == 1000.0
    assert root.number("DeviceId2", 5) == 5


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "", "x", "1" * 50])
def test_number_that_is_none_is_none(text: str) -> None:
    assert xml_bodies.finite_number(text) is None


@pytest.mark.parametrize("encoding", [xml_bodies.GB2312, xml_bodies.UTF8])
@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc"])), key=st.text("ab<&\"'东"))
def test_what_is_written_is_read_again(encoding: str, name: str, key: str) -> None:
    root = Element("N", children=[Element("Name", name), Element("L", "x", {"Num": key})])
    found = xml_bodies.parse(xml_bodies.to_bytes(root, encoding))
    kept = "".join(c for c in name if c not in "\ufffe\uffff")
    assert found.value("Name") == kept.strip()[: xml_bodies.TEXT_LIMIT]
    assert found.children[1].attributes == {"Num": key}
