"""What the console keeps for people: layouts, tours, and what a screen showed last."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, field_validator

from gateway.api.access import Caller
from gateway.api.answers import KeptDocument, Listing, Wall
from gateway.api.errors import ApiError, not_found
from gateway.api.services import Services, ServicesDep
from gateway.database.tables import layouts, tours, users, walls
from gateway.identifiers import now_us
from gateway.people.authorize import COUNTY, Principal
from gateway.people.roles import Right

router = APIRouter(tags=["console"])

DOCUMENT_BYTES_LIMIT = 256 * 1024

DocumentKind = Literal["layouts", "tours"]
_TABLES: dict[DocumentKind, sa.Table] = {"layouts": layouts, "tours": tours}


def _small(document: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(document)) > DOCUMENT_BYTES_LIMIT:
        raise ValueError(f"a document has at most {DOCUMENT_BYTES_LIMIT} bytes")
    return document


class DocumentForm(BaseModel):
    """A layout or a tour; ``document`` is the console's own."""

    name: str = Field(min_length=1, max_length=200)
    shared: bool = False
    document: dict[str, Any]

    _limit = field_validator("document")(_small)


class WallForm(BaseModel):
    """What a screen shows."""

    document: dict[str, Any]

    _limit = field_validator("document")(_small)


def _document_routes(kind: DocumentKind) -> APIRouter:
    routes = APIRouter(prefix=f"/api/{kind}")
    table = _TABLES[kind]

    @routes.get("", response_model=Listing[KeptDocument])
    async def list_documents(caller: Caller, services: ServicesDep) -> dict[str, Any]:
        """One's own layouts or tours, and the shared ones."""
        statement = (
            _select_documents(table)
            .where(sa.or_(table.c.owner_id == caller.user_id, table.c.shared))
            .order_by(table.c.name, table.c.id)
        )
        async with services.reader.connect() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return {"items": [dict(row) for row in rows]}

    @routes.post("", status_code=201, response_model=KeptDocument)
    async def create_document(
        body: DocumentForm, caller: Caller, services: ServicesDep
    ) -> dict[str, Any]:
        """Keep a layout or a tour."""
        columns = {**body.model_dump(), "owner_id": caller.user_id}
        document_id = await services.rows.write(
            "documents.put", kind=kind, document_id=None, columns=columns
        )
        return await _document(services, kind, document_id)

    @routes.put("/{document_id}", response_model=KeptDocument)
    async def replace_document(
        document_id: str, body: DocumentForm, caller: Caller, services: ServicesDep
    ) -> dict[str, Any]:
        """Replace one's own; a system administrator may replace shared ones."""
        await _own_document(services, caller, kind, document_id)
        await services.rows.write(
            "documents.put", kind=kind, document_id=document_id, columns=body.model_dump()
        )
        return await _document(services, kind, document_id)

    @routes.delete("/{document_id}", status_code=204)
    async def delete_document(document_id: str, caller: Caller, services: ServicesDep) -> None:
        """Delete one's own; a system administrator may delete shared ones."""
        await _own_document(services, caller, kind, document_id)
        await services.rows.write("documents.delete", kind=kind, document_id=document_id)

    return routes


for _kind in _TABLES:
    router.include_router(_document_routes(_kind))

ScreenName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


@router.get("/api/wall/{screen}", response_model=Wall)
async def read_wall(screen: ScreenName, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """What this user's screen showed last; ``document`` is null when it never showed anything."""
    async with services.reader.connect() as connection:
        document = await connection.scalar(
            sa.select(walls.c.document).where(
                walls.c.user_id == caller.user_id, walls.c.screen == screen
            )
        )
    return {"document": document}


@router.put("/api/wall/{screen}", status_code=204)
async def write_wall(
    screen: ScreenName, body: WallForm, caller: Caller, services: ServicesDep
) -> None:
    """Remember what this user's screen shows."""
    await services.rows.write(
        "walls.put", user_id=caller.user_id, screen=screen, document=body.document
    )


def _select_documents(table: sa.Table) -> sa.Select[Any]:
    return sa.select(
        table.c.id, table.c.name, table.c.shared, users.c.name.label("owner"), table.c.document
    ).join(users, users.c.id == table.c.owner_id)


async def _document(services: Services, kind: DocumentKind, document_id: str) -> dict[str, Any]:
    table = _TABLES[kind]
    async with services.reader.connect() as connection:
        row = (
            (await connection.execute(_select_documents(table).where(table.c.id == document_id)))
            .mappings()
            .one()
        )
    return dict(row)


async def _own_document(
    services: Services, caller: Principal, kind: DocumentKind, document_id: str
) -> None:
    table = _TABLES[kind]
    async with services.reader.connect() as connection:
        row = (
            await connection.execute(
                sa.select(table.c.owner_id, table.c.shared).where(table.c.id == document_id)
            )
        ).one_or_none()
    if row is None or (row.owner_id != caller.user_id and not row.shared):
        raise not_found(kind.removesuffix("s"))
    is_admin = Right.SYSTEM in caller.rights_at(COUNTY, now_us())
    if row.owner_id != caller.user_id and not is_admin:
        raise ApiError(403, "not_allowed", "this belongs to somebody else: save a copy instead")
