"""XML as devices write it: what is read nevertheless, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.onvif.xml_tree import (
    DEPTH_LIMIT,
    NODES_LIMIT,
    TreeReader,
    XmlError,
    namespaces_around,
    parse,
    serialise,
)


def test_names_are_read_whatever_their_prefix() -> None:
    root = parse(b'<s:A><x:B t:token="7"> one </x:B><B>two</B></s:A>')
    assert root.value("B") == "one"
    assert [node.text for node in root.each("B")] == [" one ", "two"]
    first = root.child("B")
    assert first is not None and first.get("token") == "7"


@pytest.mark.parametrize(
    "data",
    [
        '<?xml version="1.0" encoding="GB2312"?><a><n>村口</n></a>'.encode("gb18030"),
        "<?xml version='1.0' encoding='gbk'?><a><n>村口</n></a>".encode("gb18030"),
        '<?xml version="1.0" encoding="UTF-8"?><a><n>村口</n></a>'.encode(),
        "\ufeff<a><n>村口</n></a>".encode(),
        '<?xml version="1.0" encoding="utf-16"?><a><n>村口</n></a>'.encode("utf-16"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_chinese_is_read_in_whatever_it_is_written(data: bytes, piece: int) -> None:
    reader = TreeReader()
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
    assert reader.close().value("n") == "村口"


def test_a_name_that_lies_about_its_encoding_spoils_itself_alone() -> None:
    data = b'<?xml version="1.0" encoding="UTF-8"?><a><n>' + "村".encode("gb18030")
    root = parse(data + b"\x01</n><t>7</t></a>")
    assert root.value("t") == "7"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not XML"),
        (b"<a>", "not XML"),
        (b"<a></b>", "not XML"),
        (b'<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>', "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"<a>&b;</a>", "not XML"),
        (b"<a>" * (DEPTH_LIMIT + 1), "too deep"),
        (b"<a>" + b"<b/>" * (NODES_LIMIT + 1), "too many"),
        (b"<a>" + b"x" * (8 << 20), "larger than"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else value,
)
def test_what_endangers_the_reader_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(XmlError, match=why):
        parse(data)


_TEXT = st.text(st.characters(exclude_categories=("C",)), max_size=20)


@given(_TEXT, _TEXT)
def test_what_is_written_is_read_again(text: str, value: str) -> None:
    root = parse(b'<a xmlns:t="urn:t"><t:b><c k="1">x</c></t:b></a>')
    (node,) = root.children
    node.children[0].text = text
    node.children[0].attributes["k"] = value
    again = parse(serialise(node, namespaces_around(root, node)).encode())
    assert again.attributes == {"xmlns:t": "urn:t"}
    assert again.value("c") == text.strip()
    assert again.children[0].get("k") == value


@given(st.binary(max_size=300), st.integers(1, 50))
def test_pieces_make_no_difference(data: bytes, piece: int) -> None:
    def read(step: int) -> object:
        reader = TreeReader()
        try:
            for start in range(0, len(data), step):
                reader.feed(data[start : start + step])
            return serialise(reader.close(), {})
        except XmlError:
            return None

    assert read(piece) == read(1000)
