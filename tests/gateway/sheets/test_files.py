"""CSV and XLSX as they come: read in every usual encoding, and bombs refused before they unpack."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sheets.csv_sheet import write_csv
from gateway.sheets.files import read_lines, template_rows
from gateway.sheets.sheet import BYTES_LIMIT, ROWS_LIMIT, Column, SheetError, escaped, read_rows
from gateway.sheets.xlsx_sheet import write_xlsx

COLUMNS = (Column("name", ("名称",), required=True), Column("note", ("说明",)))


def names(content: bytes) -> list[str]:
    return [row.text("name") for row in read_rows(read_lines(content), COLUMNS, [])]


def code(content: bytes) -> str:
    with pytest.raises(SheetError) as refused:
        names(content)
    return refused.value.code


def rezipped(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """The workbook with its parts changed."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.infolist():
            new.writestr(part.filename, change(part.filename, old.read(part)))
    return written.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_usual_encoding_is_read(encoding: str, delimiter: str, line_end: str) -> None:
    text = line_end.join((f"名称{delimiter}说明", f"石牌镇{delimiter}", "", f"胡集镇{delimiter}x"))
    assert names(text.encode(encoding)) == ["石牌镇", "胡集镇"]


def test_lines_are_numbered_as_a_spreadsheet_numbers_them() -> None:
    content = '名称,说明\n\na,"x, y"\n\nb,\n'.encode()
    assert [row.line for row in read_rows(read_lines(content), COLUMNS, [])] == [3, 5]
    sheet = write_xlsx("x", [("名称", "说明"), ("", ""), ("a", ""), ("", ""), ("b", "")])
    assert [row.line for row in read_rows(read_lines(sheet), COLUMNS, [])] == [3, 5]


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5), st.sampled_from(["csv", "xlsx"]))
def test_whatever_is_written_is_read_again(texts: list[str], form: str) -> None:
    # What is no character of XML or of a line of text cannot be a name either.
    texts = ["".join(filter(str.isprintable, text)).strip(" '") for text in texts]
    texts = [text for text in texts if text]
    rows = [("名称", "说明"), *((text, "x") for text in texts)]
    content = write_csv(rows) if form == "csv" else write_xlsx("x", rows)
    assert names(content) == texts


@given(st.text(max_size=20))
def test_no_written_cell_begins_a_formula(text: str) -> None:
    assert not escaped(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("kind", ["areas", "cameras", "users"])
def test_templates_are_sheets(kind: str) -> None:
    rows = list(template_rows(kind))  # type: ignore[arg-type]
    assert [len(row) for row in rows] == [len(rows[0])] * 2


def test_a_formula_is_the_text_it_is_written_as() -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["名称", "说明"])
    sheet.append(['=HYPERLINK("http://x","石牌")', "=1+1"])
    sheet.append([420881100000, 1.5])
    sheet.append([34020000001320000001, True])
    written = io.BytesIO()
    workbook.save(written)
    rows = read_rows(read_lines(written.getvalue()), COLUMNS, [])
    assert [row.text("name") for row in rows] == [
        '=HYPERLINK("http://x","石牌")',
        "420881100000",
        # More digits than a spreadsheet keeps: nobody takes it for a code.
        "3.402000E+19",
    ]
    assert [row.text("note") for row in rows] == ["=1+1", "1.5", "true"]


def test_what_we_write_holds_no_formula() -> None:
    content = write_xlsx("x", [("名称", "说明"), ("=1+1", "@x"), ("420881100000", "")])
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.value for cell in cells[2:]] == ["'=1+1", "'@x", "420881100000"]


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    small = write_xlsx("x", [("名称", "说明"), ("a", "b")])
    bomb = rezipped(small, lambda name, part: part + b" " * (41 * 1024 * 1024 * ("sheet1" in name)))
    assert len(bomb) < 200_000
    assert code(bomb) == "unpacks_too_large"


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_said() -> None:
    small = write_xlsx("x", [("名称", "说明"), ("a", "b")])
    bomb = rezipped(small, lambda name, part: part + b" " * (20 * 1024 * 1024 * ("sheet1" in name)))
    with zipfile.ZipFile(io.BytesIO(bomb)) as archive:
        part = next(one for one in archive.infolist() if "sheet1" in one.filename)
    said, real = (size.to_bytes(4, "little") for size in (1000, part.file_size))
    assert code(bomb.replace(real, said)) == "damaged"


def test_nesting_without_end_is_refused_before_a_tree_is_built() -> None:
    small = write_xlsx("x", [("名称", "说明"), ("a", "b")])

    def nest(name: str, part: bytes) -> bytes:
        deep = b"<a>" * 200_000 + b"</a>" * 200_000
        return part.replace(b"<sheetData>", b"<sheetData>" + deep) if "sheet1" in name else part

    assert code(rezipped(small, nest)) == "too_heavy"


def test_entities_are_refused() -> None:
    small = write_xlsx("x", [("名称", "说明"), ("a", "b")])
    laughs = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'

    def add(name: str, part: bytes) -> bytes:
        return laughs + part.partition(b"?>")[2] if "sheet1" in name else part

    assert code(rezipped(small, add)) == "damaged"


def test_a_file_that_needs_too_much_memory_is_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(openpyxl, "load_workbook", load)
    with pytest.raises(MemoryError):
        names(write_xlsx("x", [("名称", "说明"), ("a", "b")]))


def test_a_sheet_that_claims_endless_rows_and_columns_is_cut_short() -> None:
    small = write_xlsx("x", [("名称", "说明"), ("a", "b")])

    def stretch(name: str, part: bytes) -> bytes:
        if "sheet1" not in name:
            return part
        last = b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>z</t></is></c></row>'
        return part.replace(b"</sheetData>", last + b"</sheetData>")

    content = rezipped(small, stretch)
    assert code(content) in ("too_many_rows", "too_many_columns")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xd0\xcf\x11\xe0" + bytes(600), "old_excel"),
        (b"PK\x03\x04" + bytes(600), "damaged"),
        (b"\xff\xfe\x00", "not_a_sheet"),
        (b"\x81\x00\xff", "not_a_sheet"),
        ("名称\n\0".encode(), "not_a_sheet"),
        ('名称\n"a\n'.encode(), "not_a_sheet"),
        ("名称\n".encode() + b"a\n" * (ROWS_LIMIT + 1), "too_many_rows"),
        ("名称\n".encode() + b"," * 100 + b"x\n", "too_many_columns"),
        (bytes(BYTES_LIMIT + 1), "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_sheet_says_so(content: bytes, expected: str) -> None:
    assert code(content) == expected


def test_too_long_a_cell_is_a_fault_of_its_line() -> None:
    faults: list = []  # type: ignore[type-arg]
    read_rows(read_lines(b"name\n" + b"x" * 5000 + b"\nb\n"), COLUMNS, faults)
    assert [(fault.line, fault.code) for fault in faults] == [(2, "too_long")]
