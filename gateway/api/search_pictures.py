"""Pictures to search by: looks at a camera, good for an hour, and photos that people bring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field, field_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.accountability import Purpose, require_purpose
from gateway.api.access import (
    CallerInPerson,
    act,
    check,
    client_address,
    not_there,
    permitted_camera,
    record,
)
from gateway.api.answers import Listing
from gateway.api.errors import ApiError, invalid, unavailable
from gateway.api.guard import FILE_BYTES_LIMIT, said_length, too_large
from gateway.api.holds import Instant
from gateway.api.pictures import jpeg_answer
from gateway.api.search_answers import SearchLook, SearchPhoto
from gateway.api.search_turns import search_turn
from gateway.api.services import Services, ServicesDep
from gateway.audit import ReasonGiven
from gateway.control.channel import ControlError
from gateway.database.investigation_tables import search_photos
from gateway.database.tables import users
from gateway.identifiers import new_id, now_us
from gateway.investigations.filters import OBJECTS_LIMIT, Form, Id, Share
from gateway.investigations.photo_rows import LOOK_LASTS_US
from gateway.investigations.pictures import find_look, find_photo
from gateway.investigations.requests import find_request, in_force, is_member
from gateway.investigations.sealed import seal_bytes, unseal_bytes
from gateway.mask_cover import MOSTLY, covered_shares
from gateway.masks import covering, mask_history
from gateway.people.authorize import Principal
from gateway.people.roles import Right

router = APIRouter(prefix="/api/search", tags=["search"])

_NAME_LIMIT = 200
_STATUS = {
    "no_picture": 409,
    "photo_refused": 422,
    "photo_too_large": 422,
    "photo_too_small": 422,
    "photo_animated": 422,
    "photo_damaged": 422,
    "busy": 503,
    "unavailable": 503,
}


class LookForm(Form):
    """Which picture: the newest of the camera, or that of ``at_us``; ``box``: one object in it."""

    camera_id: Id
    at_us: Instant | None = None
    box: tuple[Share, Share, Share, Share] | None = None
    purpose: Purpose | None = Field(default=None)

    @field_validator("box")
    @classmethod
    def _encloses(
        cls, box: tuple[float, float, float, float] | None
    ) -> tuple[float, float, float, float] | None:
        if box is not None and (box[2] - box[0] < 0.005 or box[3] - box[1] < 0.005):
            raise ValueError("left, top, right, bottom: this box is empty")
        return box


@router.post("/looks", status_code=201, response_model=SearchLook, response_model_by_alias=True)
async def look(
    body: LookForm, caller: CallerInPerson, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Look at a picture and remember for an hour what is in it, to be searched by."""
    with search_turn(services, caller):
        return await _look(services, caller, request, body)


async def _look(
    services: Services, caller: Principal, request: Request, body: LookForm
) -> dict[str, Any]:
    right = Right.LIVE if body.at_us is None else Right.PLAYBACK
    async with services.reader.connect() as connection:
        camera, decision = await permitted_camera(
            connection, caller, right, body.camera_id, deleted=body.at_us is not None
        )
        check(caller, Right.SEARCH, camera)
        at_us = now_us() if body.at_us is None else body.at_us
        versions = await mask_history(connection, camera.id)
    masks = () if decision.may_lift_masks else covering(versions, at_us, at_us + 1)
    given = await require_purpose(
        services, caller, "search", body.purpose, address=client_address(request)
    )
    wait_s = await services.looks.take(caller.user_id)
    if wait_s:
        raise ApiError(
            429,
            "too_many_looks",
            f"you have looked at {services.looks.limit} pictures within a minute: wait {wait_s} s",
            {"retry_after_s": wait_s},
        )
    look_id = new_id("look")
    await record(
        services, request, caller, "search.look", cameras=[camera], start_us=at_us,
        end_us=at_us + 1, reason=given, look_id=look_id,
    )  # fmt: skip
    found = await _ask(
        services, "analysis.look",
        camera_id=camera.id, at_us=body.at_us,
        box=None if body.box is None else list(body.box),
        masks=[[list(corner) for corner in mask] for mask in masks],
    )  # fmt: skip
    boxes = [one["box"] for one in found["objects"]]
    covered = covered_shares(boxes, masks)
    objects = [
        one for one, share in zip(found["objects"], covered, strict=True) if share <= MOSTLY
    ][:OBJECTS_LIMIT]
    document = {
        "look_id": look_id,
        "camera_id": camera.id,
        "at_us": found["at_us"] or at_us,
        "objects": _told(objects),
        "expires_us": now_us() + LOOK_LASTS_US,
    }
    await services.rows.write(
        "investigations.add_look",
        look_id=look_id,
        user_id=caller.user_id,
        camera_id=camera.id,
        at_us=document["at_us"],
        objects=document["objects"],
        picture_sealed=seal_bytes(services.secret, found["jpeg"], f"look picture:{look_id}"),
        vector_kind=found["vector_kind"],
        vectors_sealed=seal_bytes(services.secret, _vectors(objects), f"look:{look_id}"),
    )
    return document


@router.get("/looks/{look_id}/picture", response_class=Response)
async def show_look(look_id: str, caller: CallerInPerson, services: ServicesDep) -> Response:
    """The picture that was looked at, by who looked: that is on record already."""
    async with services.reader.connect() as connection:
        row = await find_look(connection, caller, look_id)
        if row is None:
            raise not_there()
        camera, decision = await permitted_camera(
            connection, caller, Right.SEARCH, row.camera_id, deleted=True
        )
        versions = await mask_history(connection, camera.id)
    newest_us = versions[0].from_us if versions else 0
    if newest_us > row.expires_us - LOOK_LASTS_US and not decision.may_lift_masks:
        raise ApiError(409, "masks_changed", "the masks were changed since: look again")
    data = unseal_bytes(services.secret, row.picture_sealed, f"look picture:{row.id}")
    return jpeg_answer(data)


@router.post("/photos", status_code=201, response_model=SearchPhoto, response_model_by_alias=True)
async def add_photo(
    caller: CallerInPerson,
    request: Request,
    services: ServicesDep,
    request_id: Annotated[str, Query(min_length=1, max_length=40)],
    name: Annotated[str, Query(max_length=_NAME_LIMIT)] = "",
) -> dict[str, Any]:
    """Keep a photo to search by, for as long as its request is in force. The body is the file: a
    JPEG, PNG, WebP or HEIC.
    """
    async with services.reader.connect() as connection:
        asked = await _joined(connection, caller, request_id)
    if asked.kind != "photo" or not in_force(asked, now_us()):
        raise ApiError(409, "request_not_usable", "this request is not in force: ask for another")
    if said_length(request.headers) > FILE_BYTES_LIMIT:
        raise too_large(FILE_BYTES_LIMIT)
    data = await request.body()
    if not data:
        raise invalid(photo="the body of the request is the file, and it is empty")
    found = await _ask(services, "analysis.photo", data=data)
    photo_id = new_id("pho")
    objects = found["objects"][:OBJECTS_LIMIT]
    arguments = {
        "photo_id": photo_id,
        "request_id": request_id,
        "user_id": caller.user_id,
        "name": _printable(name),
        "width": found["width"],
        "height": found["height"],
        "objects": _told(objects),
        "picture_sealed": seal_bytes(services.secret, found["jpeg"], f"photo:{photo_id}"),
        "vector_kind": found["vector_kind"],
        "vectors_sealed": seal_bytes(
            services.secret, _vectors(objects), f"photo vectors:{photo_id}"
        ),
    }
    await _act(services, caller, request, asked, "search.photo_add",
               "investigations.add_photo", arguments, photo_id)  # fmt: skip
    return (await _documents(services, caller, search_photos.c.id == photo_id))[0]


@router.get("/photos", response_model=Listing[SearchPhoto], response_model_by_alias=True)
async def list_photos(
    caller: CallerInPerson,
    services: ServicesDep,
    request_id: Annotated[str, Query(min_length=1, max_length=40)],
) -> dict[str, Any]:
    """Those of a request, the newest first."""
    async with services.reader.connect() as connection:
        await _joined(connection, caller, request_id)
    of_it = search_photos.c.request_id == request_id
    return {"items": await _documents(services, caller, of_it)}


@router.get("/photos/{photo_id}", response_model=SearchPhoto, response_model_by_alias=True)
async def read_photo(
    photo_id: str, caller: CallerInPerson, services: ServicesDep
) -> dict[str, Any]:
    """One photo."""
    await _photo(services, caller, photo_id)
    return (await _documents(services, caller, search_photos.c.id == photo_id))[0]


@router.get("/photos/{photo_id}/picture", response_class=Response)
async def show_photo(
    photo_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> Response:
    """The picture, drawn anew, without what the file said beside it. Each look is on record."""
    row, asked = await _photo(services, caller, photo_id)
    await record(
        services, request, caller, "search.photo_show", area=asked.area_path,
        reason=ReasonGiven(case_id=asked.case_id), photo_id=photo_id, request_id=asked.id,
    )  # fmt: skip
    return jpeg_answer(unseal_bytes(services.secret, row.picture_sealed, f"photo:{photo_id}"))


@router.delete("/photos/{photo_id}", status_code=204)
async def delete_photo(
    photo_id: str, caller: CallerInPerson, request: Request, services: ServicesDep
) -> None:
    """Delete it before its time; standing searches by it end."""
    _, asked = await _photo(services, caller, photo_id)
    told = await _act(services, caller, request, asked, "search.photo_delete",
                      "investigations.forget_photo", {"photo_id": photo_id}, photo_id)  # fmt: skip
    services.alarm_watch.tell(told)


async def _joined(connection: AsyncConnection, caller: Principal, request_id: str) -> sa.Row[Any]:
    """The request, if the caller works on its case."""
    asked = await find_request(connection, caller, request_id)
    if asked is None:
        raise not_there()
    if not await is_member(connection, caller, asked.case_id):
        raise ApiError(403, "not_member", "only members of the case may do this")
    return asked


async def _photo(
    services: Services, caller: Principal, photo_id: str
) -> tuple[sa.Row[Any], sa.Row[Any]]:
    """The photo's row and its request, while that is in force."""
    async with services.reader.connect() as connection:
        row = await find_photo(connection, photo_id)
        if row is None:
            raise not_there()
        asked = await _joined(connection, caller, row.request_id)
    if not in_force(asked, now_us()):
        raise not_there()
    return row, asked


async def _documents(
    services: Services, caller: Principal, *where: sa.ColumnElement[bool]
) -> list[dict[str, Any]]:
    table = search_photos.c
    columns = (
        table.id, table.request_id, table.name, table.width, table.height, table.objects,
        table.created_us, table.created_by, users.c.name.label("who"), users.c.display_name,
    )  # fmt: skip
    statement = (
        sa.select(*columns)
        .join(users, users.c.id == table.created_by)
        .where(*where)
        .order_by(table.created_us.desc(), table.id)
    )
    async with services.reader.connect() as connection:
        rows = (await connection.execute(statement)).all()
        asked = {
            one: await find_request(connection, caller, one)
            for one in {row.request_id for row in rows}
        }
    documents = []
    for row in rows:
        request = asked[row.request_id]
        if request is None or not in_force(request, now_us()):
            continue
        documents.append(
            {
                "id": row.id,
                "request_id": row.request_id,
                "name": row.name,
                "width": row.width,
                "height": row.height,
                "objects": row.objects,
                "created_us": row.created_us,
                "created_by": {
                    "id": row.created_by, "name": row.who, "display_name": row.display_name,
                },
                "expires_us": request.expires_us,
                "url": f"/api/search/photos/{row.id}/picture",
            }
        )  # fmt: skip
    return documents


async def _act(
    services: Services,
    caller: Principal,
    request: Request,
    asked: sa.Row[Any],
    action: str,
    operation: str,
    arguments: dict[str, Any],
    photo_id: str,
) -> Any:
    return await act(
        services, request, caller, action, operation, arguments, area=asked.area_path,
        reason=ReasonGiven(text=asked.reason, case_id=asked.case_id),
        detail={"photo_id": photo_id, "request_id": asked.id},
    )  # fmt: skip


async def _ask(services: Services, call: str, **arguments: Any) -> dict[str, Any]:
    try:
        client = await services.analysts.any_one()
        answer: dict[str, Any] = await client.call(call, **arguments)
    except ControlError as error:
        status = _STATUS.get(error.code)
        if status is None:
            raise
        raise ApiError(status, error.code, str(error)) from None
    except (ConnectionError, TimeoutError):
        raise unavailable("pictures cannot be looked at now: analysis does not answer") from None
    return answer


def _told(objects: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: one[name] for name in ("box", "class", "confidence")} for one in objects]


def _vectors(objects: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(one["vector"] for one in objects)


def _printable(name: str) -> str:
    return "".join(one for one in name if one.isprintable())
