"""What can this person see? Who can see this camera? Answered from the grants in force now."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query

from gateway.api.access import Caller, check
from gateway.api.errors import not_found
from gateway.api.grant_documents import in_force, read_grants
from gateway.api.grants import shown_to
from gateway.api.managing import find_account, visible_account
from gateway.api.paging import read_cursor, write_cursor
from gateway.api.people_answers import Page, SeenCameras, Seer
from gateway.api.services import ServicesDep
from gateway.cameras import find_cameras, read_cameras, select_page
from gateway.database.tables import cameras, grants, users
from gateway.identifiers import now_us
from gateway.people.areas import area_names, cameras_within
from gateway.people.authorize import Principal, authorize
from gateway.people.grants import grants_of
from gateway.people.roles import ROLE_RIGHTS, WHOLE_COUNTY, Right, Role

router = APIRouter(tags=["grants"])

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(max_length=2000)]


@router.get("/api/users/{user_id}/cameras", response_model=SeenCameras)
async def cameras_of_user(
    user_id: str,
    caller: Caller,
    services: ServicesDep,
    right: Right | None = None,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """What can this person see? Each camera, what they may do with it, and by which grants."""
    at_us = now_us()
    async with services.reader.connect() as connection:
        if user_id == caller.user_id:
            account = await find_account(connection, user_id)
        else:
            account = await visible_account(connection, caller, user_id, Right.USERS, Right.AUDIT)
        if account is None:
            raise not_found("user")
        held = await grants_of(connection, [user_id])
        seer = _seer(user_id, held.get(user_id, ()), at_us)
        where = [cameras_within(seer.areas_with(right, at_us))]
        if query:
            where.append(cameras.c.name.icontains(query, autoescape=True))
        # Foreign cameras stay unknown to who asks; how many there are is said.
        known = [*where, cameras_within(caller.areas_with(None, at_us))]
        key = read_cursor(cursor, 2)
        chosen = select_page(known, limit, None if key is None else (key[0], key[1]))
        everywhere = await connection.scalar(select_page(where, 1).total) or 0
        total = await connection.scalar(chosen.total) or 0
        found = await read_cameras(connection, chosen.rows)
        page = found[:limit]
        names = await area_names(connection, [camera.area_path for camera in page])
        documents = await read_grants(connection, grants.c.user_id == user_id, shown_to(caller))
    return {
        "user": {
            "id": account.id, "name": account.name, "display_name": account.display_name,
        },
        "grants": documents,
        "items": [
            {
                "camera": {
                    "id": camera.id, "name": camera.name, "area_path": names[camera.area_path],
                },
                "rights": sorted(seer.rights_at(camera, at_us)),
                "grant_ids": [
                    one.id for one in seer.grants if one.in_force(at_us) and one.covers(camera)
                ],
            }
            for camera in page
        ],
        "next_cursor": write_cursor((page[-1].name, page[-1].id)) if len(found) > limit else None,
        "total": total,
        "elsewhere": everywhere - total,
    }  # fmt: skip


@router.get("/api/cameras/{camera_id}/people", response_model=Page[Seer])
async def people_of_camera(
    camera_id: str,
    caller: Caller,
    services: ServicesDep,
    right: Right | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Who can see this camera? Everybody whose grants, in force now, cover one of its places."""
    at_us = now_us()
    async with services.reader.connect() as connection:
        camera = (await find_cameras(connection, [camera_id])).get(camera_id)
        if camera is None:
            raise not_found("camera")
        if not authorize(caller, Right.AUDIT, camera, at_us).allowed:
            check(caller, Right.GRANT, camera)
        above = {part for path in camera.area_paths for part in path.split("/") if part}
        covering = sa.and_(
            grants.c.area_id.in_({WHOLE_COUNTY, *above}), in_force(at_us), users.c.enabled
        )
        roles = [role for role in Role if right is None or right in ROLE_RIGHTS[role]]
        seers = (
            sa.select(users.c.id, users.c.name_key)
            .select_from(grants.join(users, users.c.id == grants.c.user_id))
            .where(covering, grants.c.role.in_(roles))
            .distinct()
        )
        total = await connection.scalar(sa.select(sa.func.count()).select_from(seers.subquery()))
        key = read_cursor(cursor, 1)
        if key is not None:
            seers = seers.where(users.c.name_key > key[0])
        found = (await connection.execute(seers.order_by(users.c.name_key).limit(limit + 1))).all()
        page = found[:limit]
        identifiers = [one.id for one in page]
        held = await grants_of(connection, identifiers)
        documents: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in await read_grants(connection, covering, grants.c.user_id.in_(identifiers)):
            documents[one["user"]["id"]].append(one)
    items = []
    for user_id in identifiers:
        seer = _seer(user_id, held.get(user_id, ()), at_us)
        items.append(
            {
                "user": documents[user_id][0]["user"],
                "rights": sorted(seer.rights_at(camera, at_us)),
                "ptz_priority": seer.ptz_priority(camera, at_us) or None,
                "grants": documents[user_id],
            }
        )
    return {
        "items": items,
        "next_cursor": write_cursor((page[-1].name_key,)) if len(found) > limit else None,
        "total": total or 0,
    }


def _seer(user_id: str, held: tuple[Any, ...], at_us: int) -> Principal:
    return Principal(user_id, "", "", held, False, at_us + 1, "")
