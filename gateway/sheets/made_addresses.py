"""Rows of cameras that name make and host instead of addresses, or a recorder and its channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.sheets.sheet import ROWS_LIMIT, Fault, Row, SheetError
from gateway.sources.templates import addresses_of, find_make, parse_channels


def with_addresses(rows: Sequence[Row], faults: list[Fault]) -> Iterator[Row]:
    """The same rows with addresses in them; a recorder's as one for each channel.

    Its channels are told apart behind name and number: ``Gate 3``, ``A-1-3``. Raises SheetError
    where that makes more than ROWS_LIMIT.
    """
    made = 0
    for row in rows:
        if not row.text("make") or row.text("main_url"):
            yield row
            continue
        try:
            make = find_make(row.text("make"))
        except ValueError as error:
            faults.append(row.fault("make", "unknown_make", str(error)))
            continue
        text = row.text("channels")
        try:
            channels = parse_channels(text) if text else None
        except ValueError as error:
            faults.append(row.fault("channels", "invalid", str(error)))
            continue
        try:
            found = list(addresses_of(make, row.text("address"), channels))
        except ValueError as error:
            code = "required" if not row.text("address") else "address"
            faults.append(row.fault("address", code, str(error)))
            continue
        made += len(found)
        if made > ROWS_LIMIT:
            raise SheetError(
                "too_many_rows", f"a sheet makes at most {ROWS_LIMIT} cameras: split it"
            )
        for one in found:
            cells = {**row.cells, "main_url": one.main_url, "sub_url": one.sub_url}
            if len(found) > 1:
                cells["name"] = f"{row.text('name')} {one.channel}"
                if row.text("number"):
                    cells["number"] = f"{row.text('number')}-{one.channel}"
            headings = {"main_url": "main_url", "sub_url": "sub_url", **row.headings}
            yield Row(row.line, cells, headings)
