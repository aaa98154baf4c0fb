"""Of which cameras people may know how their footage is kept: where they audit or configure."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api.errors import ApiError, not_found
from gateway.people.areas import area_path
from gateway.people.authorize import Principal
from gateway.people.roles import Right


async def kept_paths(
    connection: AsyncConnection, caller: Principal, area_id: str | None, at_us: int
) -> list[str]:
    """The paths of the subtrees in which they may, or of the one that they ask for.

    Raises ApiError 403 for who may nowhere, 404 for an area that is not theirs.
    """
    paths = [*caller.areas_with(Right.AUDIT, at_us), *caller.areas_with(Right.CONFIGURE, at_us)]
    if not paths:
        raise ApiError(403, "not_allowed", "you need the right to audit or to configure cameras")
    if area_id is None:
        return paths
    path = await area_path(connection, area_id)
    if path is None or not any(path.startswith(held) for held in paths):
        raise not_found("area")
    return [path]
