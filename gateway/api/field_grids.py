"""Codes of grid cells: scan the code, find the cell, find the worker. Printed as a sheet."""

from __future__ import annotations

import html
import io
from typing import Annotated, Any
from urllib.parse import quote

import segno
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from gateway.api.access import Caller, not_there, permitted_area, permitted_areas
from gateway.api.answers import Listing
from gateway.api.services import ServicesDep
from gateway.field.placing import Cell, cells_below, find_cell, workers_of
from gateway.identifiers import now_us
from gateway.people.areas import area_names, area_path
from gateway.people.roles import Right

router = APIRouter(prefix="/api/field/grids", tags=["field"])

_WORDS = {
    "zh-CN": ("扫码上报", "用微信扫一扫，报告本网格内的问题", "网格员", "编号"),
    "en": ("Scan to report", "Scan with WeChat to report something in this cell", "Worker", "Code"),
}


class GridAnswer(BaseModel):
    """A cell, with who works there."""

    id: str
    code: str
    name: str
    area_path: list[str]
    workers: list[str]


@router.get("", response_model=Listing[GridAnswer])
async def list_grids(caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The cells in which one reports, for who has no code at hand to scan."""
    paths = permitted_areas(caller, Right.REPORT)
    async with services.reader.connect() as connection:
        cells = [cell for path in paths for cell in await cells_below(connection, path)][:200]
        names = await area_names(connection, [one.path for one in cells])
    return {"items": [_document(one, names[one.path], []) for one in cells]}


@router.get("/sheet", response_class=HTMLResponse)
async def print_grids(
    area_id: Annotated[str, Query(max_length=40)],
    caller: Caller,
    request: Request,
    services: ServicesDep,
    address: Annotated[str | None, Query(max_length=200, pattern=r"^https?://[^\s\"'<>]+$")] = None,
    language: Annotated[str, Query(pattern=r"^(zh-CN|en)$")] = "zh-CN",
) -> HTMLResponse:
    """A page for the printer: six codes on each sheet of A4, of the lowest areas below this one.
    ``address``: of the page that a code leads to, where telephones reach it by another name.
    """
    async with services.reader.connect() as connection:
        await permitted_area(connection, caller, Right.CONFIGURE, area_id)
        path = await area_path(connection, area_id)
        assert path is not None
        cells = await cells_below(connection, path)
        names = await area_names(connection, [one.path for one in cells])
        workers = {one.id: await workers_of(connection, one, now_us()) for one in cells[:600]}
    base = address or services.settings.field.address or f"{request.base_url}field/"
    cards = "".join(
        _card(one, names[one.path], workers.get(one.id, []), base, language) for one in cells
    )
    title = html.escape(_WORDS[language][0])
    page = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{title}</title></head>"
        '<body style="margin:0;font-family:sans-serif;display:flex;flex-wrap:wrap;'
        'color:#000;background:#fff">'
        f"{cards}</body></html>"
    )
    return HTMLResponse(page, headers={"Cache-Control": "no-store"})


@router.get("/{code}", response_model=GridAnswer)
async def read_grid(code: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """The cell of a code that was scanned, and its workers; for everybody who reports."""
    permitted_areas(caller, Right.REPORT)
    async with services.reader.connect() as connection:
        cell = await find_cell(connection, code)
        if cell is None:
            raise not_there()
        names = await area_names(connection, [cell.path])
        return _document(cell, names[cell.path], await workers_of(connection, cell, now_us()))


def grid_address(base: str, cell: Cell) -> str:
    """What a cell's code says: the report page, with the cell behind the hash sign."""
    return f"{base}#grid={quote(cell.code or cell.id)}"


def _document(cell: Cell, names: list[str], workers: list[str]) -> dict[str, Any]:
    return {
        "id": cell.id,
        "code": cell.code or cell.id,
        "name": cell.name,
        "area_path": names,
        "workers": workers,
    }


def _card(cell: Cell, names: list[str], workers: list[str], base: str, language: str) -> str:
    title, how, worker, code = _WORDS[language]
    drawn = io.BytesIO()
    segno.make(grid_address(base, cell), error="m").save(
        drawn, kind="svg", scale=5, border=2, xmldecl=False, svgns=True
    )
    who = f"{worker}：{'、'.join(workers)}" if workers else ""
    lines = (
        f'<div style="font-size:15pt;font-weight:bold">{html.escape(cell.name)}</div>'
        f'<div style="font-size:9pt">{html.escape(" / ".join(names[:-1]))}</div>'
        f"{drawn.getvalue().decode()}"
        f'<div style="font-size:12pt">{title}</div>'
        f'<div style="font-size:9pt">{how}</div>'
        f'<div style="font-size:9pt">{code}：{html.escape(cell.code or cell.id)}</div>'
        f'<div style="font-size:9pt">{html.escape(who)}</div>'
    )
    return (
        '<div style="box-sizing:border-box;width:50%;height:95mm;padding:6mm;text-align:center;'
        f'border:1px dashed #999;break-inside:avoid;overflow:hidden">{lines}</div>'
    )
