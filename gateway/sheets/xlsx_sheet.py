"""XLSX (ECMA-376): its first visible worksheet, without trusting a byte of it.

The archive's own directory says how large its parts unpack, and Python's reader gives no more than
that; so a bomb is refused before anything is unpacked. Nesting without end, for which a parser that
builds trees needs minutes, is found by one that builds none. Entities are refused by defusedxml,
which openpyxl uses when it is there.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any
from xml.parsers import expat

from gateway.sheets.sheet import (
    CELL_LENGTH_LIMIT,
    COLUMNS_LIMIT,
    ROWS_LIMIT,
    SheetError,
    escaped,
)

SIGNATURE = b"PK\x03\x04"
# OLE: the old .xls, and every workbook that is locked with a password.
OLE_SIGNATURE = b"\xd0\xcf\x11\xe0"

_PARTS_LIMIT = 500
_UNPACKED_BYTES_LIMIT = 40 * 1024 * 1024
# A sheet's own elements go some ten deep.
_DEPTH_LIMIT = 100
# A float holds no more digits than these; longer codes come rounded.
_EXACT_DIGITS = 15
# Blank lines may stand between the rows.
_LINES_LIMIT = 2 * ROWS_LIMIT


def read_xlsx(content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """Lines of the sheet: number and texts. A formula is the text that it is written as.

    Raises SheetError, here or while being read.
    """
    _refuse_bombs(content)
    return _lines(content)


def write_xlsx(title: str, rows: Iterable[Sequence[str]]) -> bytes:
    """A workbook of one sheet. Every cell is text, so that codes keep their digits and nothing is a
    formula, not even after it was saved as CSV; the heading stays in sight.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(title)
    sheet.freeze_panes = "A2"
    rows = iter(rows)
    heading = next(rows, ())
    for number in range(1, len(heading) + 1):
        sheet.column_dimensions[get_column_letter(number)].width = 22

    def cells(texts: Sequence[str], font: Any = None) -> Iterator[Any]:
        for text in texts:
            cell = WriteOnlyCell(sheet, escaped(text) or None)
            if text:
                cell.data_type = "s"
                cell.number_format = "@"
            if font is not None:
                cell.font = font
            yield cell

    sheet.append(list(cells(heading, Font(bold=True))))
    for row in rows:
        sheet.append(list(cells(row)))
    written = io.BytesIO()
    workbook.save(written)
    return written.getvalue()


def _refuse_bombs(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            unpacked = sum(part.file_size for part in parts)
            if len(parts) > _PARTS_LIMIT or unpacked > _UNPACKED_BYTES_LIMIT:
                raise SheetError(
                    "unpacks_too_large",
                    f"the XLSX file unpacks to {len(parts)} parts of {unpacked} bytes; at most "
                    f"{_PARTS_LIMIT} of {_UNPACKED_BYTES_LIMIT} are read: delete what is not "
                    "needed",
                )
            for part in parts:
                with archive.open(part) as file:
                    _refuse_nesting(file)
    except (SheetError, MemoryError):
        raise
    except Exception as error:
        # As below: zipfile and the packers raise a dozen kinds.
        raise SheetError("damaged", f"the XLSX file is damaged: {error!r:.200}") from None


def _refuse_nesting(part: IO[bytes]) -> None:
    depth = 0

    def begin(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH_LIMIT:
            raise SheetError("too_heavy", "the XLSX file nests deeper than any sheet does")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise SheetError("damaged", "the XLSX file declares entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    # A picture is no XML; what of the sheet is none, openpyxl says.
    with contextlib.suppress(expat.ExpatError):
        parser.ParseFile(part)


def _lines(content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    from openpyxl import DEFUSEDXML, load_workbook

    # Without it one file of a few hundred bytes fills the memory.
    assert DEFUSEDXML
    try:
        workbook = load_workbook(
            io.BytesIO(content), read_only=True, data_only=False, keep_links=False
        )
        visible = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
        rows: Iterator[Sequence[Any]] = (visible or workbook.worksheets)[0].iter_rows(
            max_row=_LINES_LIMIT + 1, max_col=COLUMNS_LIMIT + 1, values_only=True
        )
        for line, values in enumerate(rows, 1):
            if line > _LINES_LIMIT:
                raise SheetError(
                    "too_many_rows", f"a sheet has at most {_LINES_LIMIT} lines: split it"
                )
            if len(values) > COLUMNS_LIMIT and values[COLUMNS_LIMIT] not in (None, ""):
                raise SheetError("too_many_columns", f"line {line} has too many columns")
            yield line, [_text(value) for value in values[:COLUMNS_LIMIT]]
    except (SheetError, MemoryError):
        raise
    except Exception as error:
        # A foreign parser on a stranger's file: whatever it trips over, the file is at fault.
        raise SheetError("damaged", f"the XLSX file cannot be read: {error!r:.200}") from None


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        if abs(value) >= 10**_EXACT_DIGITS:
            # As a spreadsheet would show it; who expects a code here says what has happened to it.
            return f"{value:E}"
        return str(int(value) if value == int(value) else value)
    # Array formulae are objects that hold their text.
    formula = getattr(value, "text", None)
    return str(value if formula is None else formula)[: CELL_LENGTH_LIMIT + 1]
