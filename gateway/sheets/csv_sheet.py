"""CSV as spreadsheets in Chinese offices save it: UTF-8 with or without a mark, GB 18030 (which
holds GBK and GB 2312), or UTF-16; fields parted by comma, semicolon or tab.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from gateway.sheets.sheet import CELL_LENGTH_LIMIT, COLUMNS_LIMIT, SheetError, escaped

_DELIMITERS = ",;\t"
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(content: bytes) -> str:
    """The file's text. Raises SheetError when it is in none of the encodings."""
    encodings = ("utf-16",) if content.startswith(_UTF16_MARKS) else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise SheetError(
        "not_a_sheet", "this is neither an XLSX file nor text in UTF-8 or GB 18030: save it as CSV"
    )


def read_csv(content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """Lines of the file: number and texts. A record that spans lines has the first one's number.

    Raises SheetError, here or while being read.
    """
    return _records(decode(content))


def write_csv(rows: Iterable[Sequence[str]], encoding: str = "utf-8-sig") -> bytes:
    """A file that spreadsheets open by a double click, and in which they see no formula.

    Characters that the encoding does not have become "?".
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([escaped(cell) for cell in row] for row in rows)
    return text.getvalue().encode(encoding, errors="replace")


def _records(text: str) -> Iterator[tuple[int, Sequence[str]]]:
    heading = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=heading.count)
    # newline="": a lone carriage return must not be taken apart before csv sees it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for values in reader:
            if len(values) > COLUMNS_LIMIT and any(values[COLUMNS_LIMIT:]):
                raise SheetError("too_many_columns", f"line {line} has too many columns")
            yield line, [value[: CELL_LENGTH_LIMIT + 1] for value in values[:COLUMNS_LIMIT]]
            line = reader.line_num + 1
    except csv.Error as error:
        raise SheetError("not_a_sheet", f"line {line} is not CSV: {error}") from None
