"""Cameras: what there is, what it does, and its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, field_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.access import (
    Caller,
    act,
    check_visible,
    permitted_area,
    permitted_areas,
    permitted_camera,
    record,
    visible_area,
)
from gateway.api.camera_answers import Camera as CameraAnswer
from gateway.api.camera_answers import CameraPage, CameraTestResult
from gateway.api.capabilities import capabilities_of
from gateway.api.channel_addresses import require_own_channels
from gateway.api.errors import invalid, not_found
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.services import Services, ServicesDep
from gateway.api.viewing import revoke_viewing
from gateway.camera_form import (
    CameraChange,
    CameraForm,
    camera_columns,
)
from gateway.cameras import Camera, read_cameras, select_cameras, select_page
from gateway.database.tables import cameras
from gateway.identifiers import new_id, now_us
from gateway.masks import masks_in_force
from gateway.people.areas import (
    area_axes,
    area_names,
    cameras_within,
    last_area,
    standing_in,
)
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.people.search_key import matches
from gateway.secrets import SealError, seal, unseal
from gateway.sources.addresses import endpoint, split_credentials
from gateway.sources.files import refuse_file_elsewhere
from gateway.sources.probe import probe

router = APIRouter(prefix="/api/cameras", tags=["cameras"])

_IDLE = {"state": "connecting", "since_us": 0, "recording": False, "viewers": 0}


class CameraTest(BaseModel):
    """An address to try. With ``camera_id`` a missing password is the stored one."""

    main_url: str = Field(max_length=2000)
    username: str | None = Field(default=None, max_length=200)
    password: str | None = Field(default=None, max_length=200)
    camera_id: str | None = Field(default=None, max_length=40)

    @field_validator("main_url")
    @classmethod
    def _well_formed(cls, url: str) -> str:
        split_credentials(url)
        return url


@router.get("", response_model=CameraPage, response_model_exclude_unset=True)
async def list_cameras(
    caller: Caller,
    services: ServicesDep,
    area_id: str | None = None,
    deep: bool = True,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=2000)] = None,
) -> dict[str, Any]:
    """Cameras that the caller may see, by name; ``area_id`` means its whole subtree.

    ``query`` finds name, pinyin, its initials, and number.
    """
    where = [cameras_within(caller.areas_with(None, now_us()))]
    if query:
        where.append(matches(cameras.c.search_key, query))
    async with services.reader.connect() as connection:
        if area_id is not None:
            path = await visible_area(connection, caller, area_id)
            where.append(cameras_within([path]) if deep else standing_in(area_id))
        key = read_cursor(cursor, 2)
        chosen = select_page(where, limit, None if key is None else (key[0], key[1]))
        total = await connection.scalar(chosen.total)
        found = await read_cameras(connection, chosen.rows)
        page = found[:limit]
        items = await _documents(connection, services, caller, page)
    return {
        "items": items,
        "next_cursor": write_cursor((page[-1].name, page[-1].id)) if len(found) > limit else None,
        "total": total,
    }


@router.get("/{camera_id}", response_model=CameraAnswer, response_model_exclude_unset=True)
async def read_camera(camera_id: str, caller: Caller, services: ServicesDep) -> dict[str, Any]:
    """One camera."""
    async with services.reader.connect() as connection:
        return await camera_document(connection, services, caller, camera_id)


@router.post("", status_code=201, response_model=CameraAnswer, response_model_exclude_unset=True)
async def create_camera(
    body: CameraForm, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Add a camera; a shard takes it up at once."""
    async with services.reader.connect() as connection:
        path = await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
        for area_id in body.place_ids:
            await permitted_area(connection, caller, Right.CONFIGURE, area_id)
        await require_own_channels(connection, caller, _addresses(body))
    _refuse_file(services, body)
    camera_id = new_id("cam")
    arguments = {"cameras_columns": [camera_columns(body, camera_id, services.secret)]}
    await act(
        services, request, caller, "camera.create", "cameras.create", arguments,
        area=path, detail={"id": camera_id, "name": body.name},
    )  # fmt: skip
    await services.processes.configuration_changed()
    async with services.reader.connect() as connection:
        return await camera_document(connection, services, caller, camera_id)


@router.patch("/{camera_id}", response_model=CameraAnswer, response_model_exclude_unset=True)
async def change_camera(
    camera_id: str, body: CameraChange, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Change a camera. A new host needs the password again: the old one is not sent elsewhere."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
        if "area_id" in body.model_fields_set and body.area_id != camera.area_id:
            await permitted_area(connection, caller, Right.CONFIGURE, body.area_id)
        if "place_ids" in body.model_fields_set:
            for area_id in camera.place_ids ^ set(body.place_ids):
                await permitted_area(connection, caller, Right.CONFIGURE, area_id)
        await require_own_channels(
            connection, caller, _addresses(body),
            known=(camera.main_url, camera.sub_url), camera_id=camera_id,
        )  # fmt: skip
    _refuse_file(services, body)
    columns = _changed_columns(body, camera, services.secret)
    if columns:
        named = sorted({"password" if name == "password_sealed" else name for name in columns})
        await act(
            services, request, caller, "camera.change", "cameras.change",
            {"camera_id": camera_id, "columns": columns},
            cameras=[camera], detail={"fields": named},
        )  # fmt: skip
        await services.processes.configuration_changed()
    async with services.reader.connect() as connection:
        return await camera_document(connection, services, caller, camera_id)


@router.delete("/{camera_id}", status_code=204)
async def delete_camera(
    camera_id: str, caller: Caller, request: Request, services: ServicesDep
) -> None:
    """Stop pulling a camera for good. Its footage stays until its retention ends."""
    async with services.reader.connect() as connection:
        camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, camera_id)
    await act(
        services, request, caller, "camera.delete", "cameras.delete", {"camera_id": camera_id},
        cameras=[camera], detail={"name": camera.name},
    )  # fmt: skip
    await services.processes.configuration_changed()
    await revoke_viewing(services, camera_id=camera_id)


@router.post("/test", response_model=CameraTestResult, response_model_exclude_unset=True)
async def test_camera(
    body: CameraTest, caller: Caller, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Try an address, and say in one line what is wrong with it."""
    permitted_areas(caller, Right.CONFIGURE)
    url, username, password = split_credentials(body.main_url)
    username = body.username or username
    password = body.password if body.password is not None else password
    if body.camera_id is not None and password is None:
        async with services.reader.connect() as connection:
            camera, _ = await permitted_camera(connection, caller, Right.CONFIGURE, body.camera_id)
        if endpoint(url) == endpoint(camera.main_url):
            username = username or camera.username
            password = _stored_password(camera, services.secret)
    result = await probe(services.settings, url, username or "", password or "")
    await record(services, request, caller, "camera.test", url=url, result=result.code)
    answer: dict[str, Any] = {"ok": result.ok, "code": result.code, "line": result.line}
    if result.video is not None:
        answer["video"] = asdict(result.video)
    return answer


def _addresses(form: CameraForm | CameraChange) -> list[tuple[str, str | None]]:
    return [("main_url", form.main_url), ("sub_url", form.sub_url)]


def _refuse_file(services: Services, form: CameraForm | CameraChange) -> None:
    for name, url in _addresses(form):
        try:
            refuse_file_elsewhere(services.settings, url)
        except ValueError as error:
            raise invalid(**{name: str(error)}) from None


def _changed_columns(body: CameraChange, camera: Camera, secret: bytes) -> dict[str, Any]:
    columns = body.model_dump(include=body.model_fields_set, exclude={"password"})
    known = {endpoint(url) for url in (camera.main_url, camera.sub_url) if url}
    asked = [url for url in (columns.get("main_url"), columns.get("sub_url")) if url]
    elsewhere = any(endpoint(url) not in known for url in asked)
    if elsewhere and camera.password_sealed and "password" not in body.model_fields_set:
        raise invalid(password="the address has changed: give the password again")
    if "password" in body.model_fields_set:
        sealed = None if not body.password else seal(secret, body.password, camera.id)
        columns["password_sealed"] = sealed
    return columns


def _stored_password(camera: Camera, secret: bytes) -> str | None:
    if camera.password_sealed is None:
        return None
    try:
        return unseal(secret, camera.password_sealed, camera.id)
    except SealError:
        return None


async def camera_document(
    connection: AsyncConnection, services: Services, caller: Principal, camera_id: str
) -> dict[str, Any]:
    """The camera as the API shows it to the caller; 404 for who holds no right there."""
    statement = select_cameras().where(cameras.c.id == camera_id, cameras.c.deleted_us.is_(None))
    found = await read_cameras(connection, statement)
    if not found:
        raise not_found("camera")
    check_visible(caller, found[0])
    return (await _documents(connection, services, caller, found))[0]


async def _documents(
    connection: AsyncConnection, services: Services, caller: Principal, page: Sequence[Camera]
) -> list[dict[str, Any]]:
    paths = [path for camera in page for path in camera.area_paths]
    names = await area_names(connection, paths)
    axes = await area_axes(connection, [area_id for camera in page for area_id in camera.place_ids])
    masked = await masks_in_force(connection, [camera.id for camera in page])
    capable = await capabilities_of(connection, page)
    return [
        {
            "id": camera.id,
            "name": camera.name,
            "number": camera.number,
            "area_id": camera.area_id,
            "area_path": names[camera.area_path],
            "places": [
                {"area_id": area_id, "axis": axes[area_id], "names": names[path]}
                for path in camera.area_paths[1:]
                if (area_id := last_area(path)) in axes
            ],
            "enabled": camera.enabled,
            "record": camera.record,
            "analysis": camera.analysis,
            "analysis_hours": camera.analysis_hours,
            "transport": camera.transport,
            "retention_days": camera.retention_days,
            "retention_bytes": camera.retention_bytes,
            "main_url": camera.main_url,
            "sub_url": camera.sub_url,
            "username": camera.username,
            "has_password": camera.password_sealed is not None,
            "masked": camera.id in masked and bool(masked[camera.id].masks),
            "rights": sorted(rights := caller.rights_at(camera, now_us())),
            "states": _states(camera, services),
            "platform_id": camera.platform_id,
            "channel": camera.channel,
            "longitude": camera.longitude,
            "latitude": camera.latitude,
            "heading_deg": camera.heading_deg,
            "view_deg": camera.view_deg,
            "capabilities": capable.get(camera.id, []),
        }
        | ({} if Right.CONFIGURE in rights else {"username": None})
        for camera in page
    ]


def _states(camera: Camera, services: Services) -> dict[str, Any]:
    known = services.states.of(camera.id)
    wanted = ["main"] + (["sub"] if camera.sub_url else [])
    idle = _IDLE if camera.enabled else {**_IDLE, "state": "idle"}
    return {variant: known.get(variant, idle) for variant in wanted}
