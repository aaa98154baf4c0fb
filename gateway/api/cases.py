"""Case files: who works on what, with which footage, holds and exports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import Caller, act, audit_records, permitted_area, permitted_camera
from gateway.api.answers import Listing
from gateway.api.case_access import joined_case, select_cases, visible_case
from gateway.api.errors import invalid, not_found
from gateway.api.evidence_answers import Case, CaseFile, CaseItem, CaseNote, CaseRole
from gateway.api.exports import export_documents, select_exports
from gateway.api.forms import Form
from gateway.api.holds import Instant, hold_documents, select_holds
from gateway.api.services import ServicesDep
from gateway.audit.records import act as act_and_append
from gateway.database.evidence_tables import (
    case_items,
    case_members,
    case_notes,
    cases,
    export_jobs,
    holds,
)
from gateway.database.tables import cameras, users
from gateway.evidence.case_rows import number_key
from gateway.people.account_rows import name_key
from gateway.people.areas import area_names
from gateway.people.roles import Right

router = APIRouter(prefix="/api/cases", tags=["evidence"])

_CASES_LIMIT = 500


class CaseForm(Form):
    """A new case."""

    number: str = Field(min_length=1, max_length=100)
    title: str = Field(min_length=1, max_length=200)
    description: str = Field(default="", max_length=4000)
    area_id: str = Field(max_length=40)


class CaseChange(Form):
    """What of a case changes; absent fields stay."""

    title: str | None = Field(default=None, min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=4000)


class CaseClosing(Form):
    """How it ended, and whether its footage may go."""

    note: str = Field(min_length=1, max_length=2000)
    release_holds: bool


class MemberForm(Form):
    """What somebody is in a case."""

    role: CaseRole = "member"


class NoteForm(Form):
    """A note."""

    text: str = Field(min_length=1, max_length=8000)


class ItemForm(Form):
    """Minutes of a camera."""

    camera_id: str = Field(max_length=40)
    start_us: Instant
    end_us: Instant
    title: str = Field(default="", max_length=200)
    note: str = Field(default="", max_length=2000)


async def case_document(connection: AsyncConnection, row: sa.Row[Any]) -> dict[str, Any]:
    """The Case document."""
    names = ("id", "number", "title", "area_id", "created_us", "closed_us", "role")
    areas = await area_names(connection, [row.area_path])
    return {
        **{name: row._mapping[name] for name in names},
        "area_path": areas[row.area_path],
        "state": "open" if row.closed_us is None else "closed",
        "created_by": row.creator,
    }


@router.get("", response_model=Listing[Case])
async def list_cases(
    caller: Caller,
    services: ServicesDep,
    state: Literal["open", "closed"] | None = None,
    query: Annotated[str, Query(max_length=200)] = "",
) -> dict[str, Any]:
    """The caller's cases, newest first."""
    statement = select_cases(caller).limit(_CASES_LIMIT)
    if state is not None:
        closed = cases.c.closed_us.is_not(None)
        statement = statement.where(closed if state == "closed" else ~closed)
    if query.strip():
        statement = statement.where(
            cases.c.number_key.contains(number_key(query), autoescape=True)
            | cases.c.title.icontains(query.strip(), autoescape=True)
        )
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
        return {"items": [await case_document(connection, row) for row in rows]}


@router.post("", status_code=201, response_model=Case)
async def open_case(
    body: CaseForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Open a case, and lead it."""
    async with services.reader.connect() as connection:
        area = await permitted_area(connection, caller, Right.HOLD, body.area_id)
    case_id = await act(
        services, request, caller, "case.open", "evidence.open_case",
        {"user_id": caller.user_id, **body.model_dump()},
        area=area, result_as="case", detail={"number": body.number, "title": body.title},
    )  # fmt: skip
    async with services.reader.connect() as connection:
        return await case_document(connection, await visible_case(connection, caller, case_id))


@router.get("/{case_id}", response_model=CaseFile)
async def read_case(case_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """A case with everything in it."""
    async with services.reader.connect() as connection:
        row = await visible_case(connection, caller, case_id)
        held = await connection.execute(
            select_holds(caller).where(holds.c.case_id == case_id).order_by(holds.c.start_us)
        )
        exported = await connection.execute(
            select_exports().where(export_jobs.c.case_id == case_id)
        )
        return {
            **await case_document(connection, row),
            "description": row.description,
            "closing_note": row.closing_note,
            "members": await _members(connection, case_id),
            "notes": await _notes(connection, case_id),
            "items": await _items(connection, case_id),
            "holds": await hold_documents(connection, held.all()),
            "exports": await export_documents(connection, exported.all()),
        }


@router.patch("/{case_id}", response_model=Case)
async def change_case(
    case_id: str, body: CaseChange, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Change title or description."""
    given = body.model_dump(exclude_unset=True)
    if None in given.values():
        raise invalid(title="title and description cannot be taken away")
    row = await _joined(services, caller, case_id)
    if given:
        await act(
            services, request, caller, "case.change", "evidence.change_case",
            {"case_id": case_id, "columns": given},
            area=row.area_path, detail={"case": case_id, **given},
        )  # fmt: skip
    async with services.reader.connect() as connection:
        return await case_document(connection, await visible_case(connection, caller, case_id))


@router.post("/{case_id}/close", response_model=Case)
async def close_case(
    case_id: str, body: CaseClosing, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Close it; what it held may go, if that is said."""
    row = await _joined(services, caller, case_id, lead=True)
    await act(
        services, request, caller, "case.close", "evidence.close_case",
        {"case_id": case_id, "user_id": caller.user_id, **body.model_dump()},
        area=row.area_path, result_as="released_holds",
        detail={"case": case_id, "number": row.number, "note": body.note},
    )  # fmt: skip
    async with services.reader.connect() as connection:
        return await case_document(connection, await visible_case(connection, caller, case_id))


@router.post("/{case_id}/reopen", response_model=Case)
async def reopen_case(
    case_id: str, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Take it up again."""
    row = await _joined(services, caller, case_id, lead=True)
    await act(
        services, request, caller, "case.reopen", "evidence.reopen_case", {"case_id": case_id},
        area=row.area_path, detail={"case": case_id, "number": row.number},
    )  # fmt: skip
    async with services.reader.connect() as connection:
        return await case_document(connection, await visible_case(connection, caller, case_id))


@router.put("/{case_id}/members/{name}", status_code=204)
async def set_member(
    case_id: str,
    name: str,
    body: MemberForm,
    caller: Caller,
    request: Request,
    services: ServicesDep,
) -> None:
    """Add a member by the name of their account, or give them another role."""
    row = await _joined(services, caller, case_id, lead=True)
    user_id = await _user_named(services, name)
    arguments = {"case_id": case_id, "user_id": user_id, "added_by": caller.user_id}
    await act(
        services, request, caller, "case.member", "evidence.set_member",
        {**arguments, "role": body.role},
        area=row.area_path, detail={"case": case_id, "member": name, "role": body.role},
    )  # fmt: skip


@router.delete("/{case_id}/members/{name}", status_code=204)
async def remove_member(
    case_id: str, name: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Take a member out."""
    row = await _joined(services, caller, case_id, lead=True)
    user_id = await _user_named(services, name)
    await act(
        services, request, caller, "case.member", "evidence.remove_member",
        {"case_id": case_id, "user_id": user_id},
        area=row.area_path, detail={"case": case_id, "member": name, "role": None},
    )  # fmt: skip


@router.post("/{case_id}/notes", status_code=201, response_model=CaseNote)
async def add_note(
    case_id: str, body: NoteForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add a note. It cannot be changed any more."""
    row = await _joined(services, caller, case_id)
    note_id = await act(
        services, request, caller, "case.note", "evidence.add_note",
        {"case_id": case_id, "author_id": caller.user_id, "text": body.text},
        area=row.area_path, result_as="note", detail={"case": case_id},
    )  # fmt: skip
    async with services.reader.connect() as connection:
        return next(one for one in await _notes(connection, case_id) if one["id"] == note_id)


@router.post("/{case_id}/items", status_code=201, response_model=CaseItem)
async def add_item(
    case_id: str, body: ItemForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add minutes of a camera that the caller may play back."""
    if body.end_us <= body.start_us:
        raise invalid(end_us="the range ends before it begins")
    async with services.reader.connect() as connection:
        await joined_case(connection, caller, case_id)
        camera, _ = await permitted_camera(
            connection, caller, Right.PLAYBACK, body.camera_id, deleted=True
        )
    records = audit_records(
        request,
        caller,
        "case.add",
        cameras=[camera],
        start_us=body.start_us,
        end_us=body.end_us,
        detail={"case": case_id, "title": body.title},
    )
    arguments = {"case_id": case_id, "added_by": caller.user_id, **body.model_dump()}
    item_id = await act_and_append(
        services.rows, "evidence.add_item", arguments, records, result_as="item"
    )
    async with services.reader.connect() as connection:
        return next(one for one in await _items(connection, case_id) if one["id"] == item_id)


@router.delete("/{case_id}/items/{item_id}", status_code=204)
async def remove_item(
    case_id: str, item_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Take minutes out of a case again."""
    row = await _joined(services, caller, case_id)
    await act(
        services, request, caller, "case.remove", "evidence.remove_item",
        {"case_id": case_id, "item_id": item_id},
        area=row.area_path, detail={"case": case_id, "item": item_id},
    )  # fmt: skip


async def _joined(
    services: ServicesDep, caller: Caller, case_id: str, *, lead: bool = False
) -> sa.Row[Any]:
    async with services.reader.connect() as connection:
        return await joined_case(connection, caller, case_id, lead=lead)


async def _user_named(services: ServicesDep, name: str) -> str:
    statement = sa.select(users.c.id).where(
        users.c.name_key == name_key(name), users.c.deleted_us.is_(None), users.c.enabled
    )
    async with services.reader.connect() as connection:
        user_id: str | None = (await connection.execute(statement)).scalar()
    if user_id is None:
        raise not_found("account")
    return user_id


async def _members(connection: AsyncConnection, case_id: str) -> list[dict[str, Any]]:
    rows = await connection.execute(
        sa.select(
            case_members.c.user_id,
            users.c.name,
            users.c.display_name,
            case_members.c.role,
            case_members.c.added_us,
        )
        .join(users, users.c.id == case_members.c.user_id)
        .where(case_members.c.case_id == case_id)
        .order_by(case_members.c.role, case_members.c.added_us)
    )
    return [dict(row._mapping) for row in rows]


async def _notes(connection: AsyncConnection, case_id: str) -> list[dict[str, Any]]:
    rows = await connection.execute(
        sa.select(
            case_notes.c.id,
            users.c.display_name.label("author"),
            case_notes.c.text,
            case_notes.c.created_us,
        )
        .join(users, users.c.id == case_notes.c.author_id)
        .where(case_notes.c.case_id == case_id)
        .order_by(case_notes.c.created_us)
    )
    return [dict(row._mapping) for row in rows]


async def _items(connection: AsyncConnection, case_id: str) -> list[dict[str, Any]]:
    rows = await connection.execute(
        sa.select(
            case_items.c.id,
            case_items.c.camera_id,
            cameras.c.name.label("camera_name"),
            case_items.c.start_us,
            case_items.c.end_us,
            case_items.c.title,
            case_items.c.note,
            users.c.display_name.label("added_by"),
            case_items.c.added_us,
        )
        .select_from(
            case_items.join(cameras, cameras.c.id == case_items.c.camera_id).join(
                users, users.c.id == case_items.c.added_by
            )
        )
        .where(case_items.c.case_id == case_id, case_items.c.removed_us.is_(None))
        .order_by(case_items.c.start_us)
    )
    return [dict(row._mapping) for row in rows]
