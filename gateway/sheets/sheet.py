"""A sheet: a heading and rows of text, wherever they come from; and what may be wrong with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# As much as the gateway's API takes, too: gateway.api.guard.FILE_BYTES_LIMIT.
BYTES_LIMIT = 16 * 1024 * 1024
ROWS_LIMIT = 20_000
COLUMNS_LIMIT = 64
CELL_LENGTH_LIMIT = 4000

# Spreadsheets read a cell that begins so as a formula (OWASP, "CSV injection").
FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_ESCAPE = "'"
# The blanks of Chinese typewriting and of web pages.
_BLANKS = str.maketrans({"\u3000": " ", "\xa0": " "})


class SheetError(Exception):
    """The file cannot be read as a sheet. ``code`` is stable; the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to correct. ``line`` counts from 1 and includes the heading; ``column`` is what the
    file calls it and ``field`` what we do ("" where it is the whole line). ``code`` is stable, and
    with ``detail`` enough to say the reason in another language.
    """

    line: int
    column: str
    field: str
    code: str
    reason: str
    detail: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column or '-'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: our name of it, and what spreadsheets may call it; the first is how we write it."""

    field: str
    headings: tuple[str, ...]
    required: bool = False
    example: str = ""


@dataclass(slots=True)
class Row:
    """A line's texts by field. ``cells`` holds only columns that the file has."""

    line: int
    cells: dict[str, str]
    headings: Mapping[str, str]

    def text(self, name: str) -> str:
        """The cell's text, "" where it is blank or the column is missing."""
        return self.cells.get(name, "")

    def has(self, name: str) -> bool:
        """Whether the file has the column: then a blank cell says "none"."""
        return name in self.headings

    def fault(self, name: str, code: str, reason: str, **detail: Any) -> Fault:
        """A fault of that cell."""
        return Fault(self.line, self.headings.get(name, name), name, code, reason, detail)


def read_rows(
    lines: Iterator[tuple[int, Sequence[str]]], columns: Sequence[Column], faults: list[Fault]
) -> list[Row]:
    """The rows below the heading, by field; what is wrong with their form goes to ``faults``.

    Blank lines count but are left out. Raises SheetError for more than :data:`ROWS_LIMIT` of them.
    """
    rows: list[Row] = []
    headings: list[tuple[str, str]] | None = None
    for line, texts in lines:
        values = [text.translate(_BLANKS).strip() for text in texts]
        if not any(values):
            continue
        if headings is None:
            headings = _headings(values, columns, line, faults)
            if faults:
                return []
            names = dict(headings)
            continue
        # A spreadsheet pads its lines, and cuts the blank cells at their end.
        while len(values) > len(headings) and not values[-1]:
            values.pop()
        if len(values) > len(headings):
            reason = f"{len(values)} values for {len(headings)} columns"
            faults.append(Fault(line, "", "", "too_many_values", reason))
            continue
        values += [""] * (len(headings) - len(values))
        row = Row(
            line,
            {name: _unescaped(value) for (name, _), value in zip(headings, values, strict=True)},
            names,
        )
        if _well_formed(row, faults):
            rows.append(row)
        if len(rows) > ROWS_LIMIT:
            raise SheetError("too_many_rows", f"a sheet has at most {ROWS_LIMIT} rows: split it")
    if headings is None:
        expected = ", ".join(column.headings[0] for column in columns if column.required)
        faults.append(
            Fault(1, "", "", "empty", f"the sheet is empty; its heading has at least {expected}")
        )
    return rows


def escaped(text: str) -> str:
    """The text as a CSV cell that no spreadsheet takes for a formula."""
    return f"{_ESCAPE}{text}" if text.startswith((*FORMULA_BEGINNINGS, _ESCAPE)) else text


def _unescaped(text: str) -> str:
    if text.startswith(_ESCAPE) and text[1:].startswith((*FORMULA_BEGINNINGS, _ESCAPE)):
        return text[1:].strip()
    return text


def _headings(
    values: list[str], columns: Sequence[Column], line: int, faults: list[Fault]
) -> list[tuple[str, str]]:
    """(field, heading as the file has it) of each column."""
    known = {
        heading.casefold(): column.field
        for column in columns
        for heading in (column.field, *column.headings)
    }
    while values and not values[-1]:
        values.pop()
    found: list[tuple[str, str]] = []
    for heading in values:
        name = known.get(heading.strip(" *＊").casefold())
        if name is None:
            names = ", ".join(column.headings[0] for column in columns)
            reason = f"there is no such column; there are {names}"
            faults.append(Fault(line, heading[:40], "", "unknown_column", reason))
            continue
        if any(name == one for one, _ in found):
            faults.append(Fault(line, heading, name, "column_twice", "the column stands twice"))
        found.append((name, heading))
    present = {name for name, _ in found}
    faults += [
        Fault(line, column.headings[0], column.field, "column_missing", "the column is missing")
        for column in columns
        if column.required and column.field not in present
    ]
    return found


def _well_formed(row: Row, faults: list[Fault]) -> bool:
    before = len(faults)
    for name, text in row.cells.items():
        if len(text) > CELL_LENGTH_LIMIT:
            reason = f"is longer than {CELL_LENGTH_LIMIT} characters"
            faults.append(row.fault(name, "too_long", reason, limit=CELL_LENGTH_LIMIT))
        elif not text.isprintable():
            reason = "holds a line break or another character that cannot be shown"
            faults.append(row.fault(name, "control_character", reason))
    return len(faults) == before
