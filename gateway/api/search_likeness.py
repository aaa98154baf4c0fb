"""What to search by: the look of a passage, of an object in a picture, or of an uploaded photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from gateway.api.access import check, not_there
from gateway.api.errors import ApiError, invalid
from gateway.api.search_hits import Eyes, as_told, hides
from gateway.api.search_scope import read_search_cameras
from gateway.api.search_vectors import vectors_of_all
from gateway.api.services import Services
from gateway.audit import ReasonGiven
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.investigations.filters import Like
from gateway.investigations.pictures import find_look, find_photo
from gateway.investigations.requests import find_request, in_force, is_member
from gateway.investigations.sealed import unseal_vectors
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from gateway.sightings.looks import LookSigner
from search.index.messages import StoredPassage
from search.index.reading import find_passage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sought:
    """A look to compare with. ``kind`` names its space of vectors. Of a photo, ``area_path`` says
    how far it may be searched for, ``case_id`` for which case, and ``request_id`` by whose leave;
    ``camera_id``: where else it was seen.
    """

    kind: str
    vector: NDArray[np.float32]
    passage_id: int | None = None
    area_path: str | None = None
    case_id: str | None = None
    request_id: str | None = None
    camera_id: str | None = None


async def vector_of(
    services: Services, caller: Principal, like: Like, *, case_id: str | None = None
) -> Sought:
    """The look that ``like`` names, if the caller may search by it. ``case_id``: a photo must be of
    that case. Raises ApiError 404, 409 ``nothing_to_compare``, ``request_not_usable``.
    """
    if like.passage_id is not None:
        sought = await _of_passage(services, caller, int(like.passage_id))
    elif like.look_id is not None:
        sought = await _of_look(services, caller, like.look_id, like.object)
    else:
        assert like.photo_id is not None
        sought = await _of_photo(services, caller, like.photo_id, like.object)
        if case_id is not None and sought.case_id != case_id:
            raise not_there()
    if not sought.vector.any():
        raise _nothing_to_compare()
    return sought


async def permitted_passage(
    services: Services, caller: Principal, passage_id: int, right: Right = Right.SEARCH
) -> tuple[StoredPassage, Any, Eyes]:
    """What they may know of the passage, its camera, and through which eyes they see it. Raises
    ApiError 404 for one that is not there or hidden beneath masks, and what ``authorize()``
    refuses.
    """
    # More bits than a row's id can have.
    if passage_id >= 2**62:
        raise not_there()
    eyes = Eyes(caller, LookSigner(services.secret), ReasonGiven())
    async with services.reader.connect() as connection:
        passage = await find_passage(connection, passage_id)
        if passage is None:
            raise not_there()
        found = await read_search_cameras(connection, cameras.c.id == passage.camera_id)
        if not found:
            raise not_there()
        camera = found[0]
        check(caller, right, camera)
        await eyes.read(connection, [camera])
    if hides(eyes, passage):
        raise not_there()
    return as_told(eyes, passage), camera, eyes


async def _of_passage(services: Services, caller: Principal, passage_id: int) -> Sought:
    passage, _, _ = await permitted_passage(services, caller, passage_id)
    if not passage.vector_kind:
        raise _nothing_to_compare()
    vectors = await vectors_of_all(services)
    vector = await vectors.find(passage.vector_kind, passage_id)
    if vector is None:
        raise _nothing_to_compare()
    return Sought(passage.vector_kind, vector, passage_id, camera_id=passage.camera_id)


async def _of_look(services: Services, caller: Principal, look_id: str, number: int) -> Sought:
    async with services.reader.connect() as connection:
        row = await find_look(connection, caller, look_id)
        if row is None:
            raise not_there()
        (camera,) = await read_search_cameras(connection, cameras.c.id == row.camera_id)
        check(caller, Right.SEARCH, camera)
    vector = _vector(services, row, f"look:{row.id}", number)
    return Sought(row.vector_kind, vector, camera_id=row.camera_id)


async def _of_photo(services: Services, caller: Principal, photo_id: str, number: int) -> Sought:
    async with services.reader.connect() as connection:
        row = await find_photo(connection, photo_id)
        request = None
        if row is not None:
            request = await find_request(connection, caller, row.request_id)
        if row is None or request is None:
            raise not_there()
        if not await is_member(connection, caller, request.case_id):
            raise ApiError(403, "not_member", "only members of the case may search by its photos")
    if not in_force(request, now_us()):
        raise ApiError(409, "request_not_usable", "its request is not in force: ask for another")
    vector = _vector(services, row, f"photo vectors:{row.id}", number)
    return Sought(
        row.vector_kind,
        vector,
        area_path=request.area_path,
        case_id=request.case_id,
        request_id=request.id,
    )


def _vector(services: Services, row: sa.Row[Any], context: str, number: int) -> NDArray[np.float32]:
    if number >= len(row.objects):
        raise invalid(like=f"only {len(row.objects)} objects were found there")
    vectors = unseal_vectors(services.secret, row.vectors_sealed, context, len(row.objects))
    vector: NDArray[np.float32] = vectors[number]
    return vector


def _nothing_to_compare() -> ApiError:
    return ApiError(
        409,
        "nothing_to_compare",
        "nothing of it can be compared: infra-red, too small, or described by another model",
    )
