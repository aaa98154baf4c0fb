"""Sheets of meetings: attendance, roll calls, as XLSX in the language and time of the place."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from fastapi.responses import Response

from gateway.sheets.xlsx_sheet import write_xlsx

# Minutes that the place is ahead of UTC.
Offset = Annotated[int, Query(ge=-14 * 60, le=14 * 60)]
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def sheet_answer(name: str, rows: list[tuple[str, ...]]) -> Response:
    """Rows of text as a download ``NAME.xlsx``."""
    # Thousands of cells take a while: not on the loop.
    content = await asyncio.to_thread(write_xlsx, name, rows)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.xlsx"',
        "Cache-Control": "no-store",
    }
    return Response(content, media_type=_XLSX, headers=headers)
