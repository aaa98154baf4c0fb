"""Grants: who may do what, where, and how long."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import Field

from gateway.api.access import Caller, act, permitted_area, visible_area
from gateway.api.errors import invalid, not_found
from gateway.api.grant_documents import GrantTerms, count_grants, read_grants
from gateway.api.managing import require_givable, require_withdrawable, visible_account
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.people_answers import Grant, Page
from gateway.api.services import ServicesDep
from gateway.database.tables import areas, grants
from gateway.identifiers import now_us
from gateway.people.areas import subtree, within
from gateway.people.authorize import Principal
from gateway.people.roles import WHOLE_COUNTY, Right

router = APIRouter(prefix="/api/grants", tags=["grants"])


class GrantForm(GrantTerms):
    """A grant to be given."""

    user_id: str = Field(max_length=40)


@router.get("", response_model=Page[Grant])
async def list_grants(
    caller: Caller,
    services: ServicesDep,
    user_id: str | None = None,
    area_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """One's own grants, and those in the areas in which one grants or audits; newest first."""
    where = [shown_to(caller)]
    if user_id is not None:
        where.append(grants.c.user_id == user_id)
    async with services.reader.connect() as connection:
        if area_id == WHOLE_COUNTY:
            where.append(grants.c.area_id == WHOLE_COUNTY)
        elif area_id is not None:
            path = await visible_area(connection, caller, area_id)
            where.append(subtree(areas.c.path, path))
        total = await count_grants(connection, *where)
        found = await read_grants(connection, *where, *_after(cursor), limit=limit + 1)
    page = found[:limit]
    if len(found) > limit:
        next_cursor = write_cursor((str(page[-1]["created_us"]), page[-1]["id"]))
    else:
        next_cursor = None
    return {
        "items": page,
        "next_cursor": next_cursor,
        "total": total,
    }


@router.post("", status_code=201, response_model=Grant)
async def give_grant(
    body: GrantForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Give a role in an area; never more than one holds there oneself."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.GRANT, body.area)
        await visible_account(connection, caller, body.user_id, Right.GRANT)
    require_givable(caller, body.as_grant(path))
    terms = body.model_dump(mode="json")
    grant_id = await act(
        services,
        request,
        caller,
        "grant.give",
        "grants.add",
        {**terms, "granted_by": caller.user_id},
        area=path,
        result_as="id",
        detail=terms,
    )
    async with services.reader.connect() as connection:
        return (await read_grants(connection, grants.c.id == grant_id))[0]


@router.delete("/{grant_id}", status_code=204)
async def withdraw_grant(
    grant_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Take a grant away; what is being watched by it ends."""
    async with services.reader.connect() as connection:
        found = await read_grants(connection, grants.c.id == grant_id, shown_to(caller))
        if not found:
            raise not_found("grant")
        terms = GrantTerms(**{name: found[0][name] for name in GrantTerms.model_fields})
        path = await permitted_area(connection, caller, Right.GRANT, terms.area)
    require_withdrawable(caller, terms.as_grant(path))
    await act(
        services,
        request,
        caller,
        "grant.withdraw",
        "grants.withdraw",
        {"grant_id": grant_id},
        area=path,
        detail={
            "id": grant_id,
            "user_id": found[0]["user"]["id"],
            **terms.model_dump(mode="json"),
        },
    )
    services.rights_changed.set()


def shown_to(caller: Principal) -> sa.ColumnElement[bool]:
    """Rows of ``grants`` joined with ``areas`` that are the caller's own, or their business."""
    at_us = now_us()
    paths = [
        *caller.areas_with(Right.GRANT, at_us),
        *caller.areas_with(Right.AUDIT, at_us),
    ]
    return sa.or_(grants.c.user_id == caller.user_id, within(areas.c.path, paths))


def _after(cursor: str | None) -> list[sa.ColumnElement[bool]]:
    key = read_cursor(cursor, 2)
    if key is None:
        return []
    if not (key[0].isascii() and key[0].isdigit() and len(key[0]) < 19):
        raise invalid(cursor="this is not a cursor that was given out")
    return [sa.tuple_(grants.c.created_us, grants.c.id) < sa.tuple_(int(key[0]), key[1])]
