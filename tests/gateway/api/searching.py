"""Passages in the index of a small county: rows, vectors and crops, as analysis keeps them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import sqlalchemy as sa

from gateway.database.audit_tables import audit_log
from gateway.identifiers import now_us
from search.index.keys import crop_key
from search.index.messages import to_message
from search.objects import ObjectClass
from search.passages import (
    Attributes,
    Color,
    ColorFound,
    Direction,
    Judged,
    Passage,
    PathPoint,
    SpeedClass,
    new_passage_id,
)
from tests.gateway.api.conftest import County

S = 1_000_000
BEGIN_US = (now_us() // S) * S - 49 * 3600 * S
RANGE = {"start_us": BEGIN_US, "end_us": BEGIN_US + 3600 * S}
KIND = "test-vectors"
PLAIN = (120, 60, 30)
MASKED_GREY = 128


def passage(
    camera_id: str,
    second: float,
    object_class: ObjectClass = ObjectClass.PERSON,
    *,
    box: tuple[float, float, float, float] = (0.4, 0.3, 0.6, 0.9),
    vector: Sequence[float] | None = None,
    lasts_s: float = 4,
    **attributes: Any,
) -> Passage:
    """Something that stood at ``box`` for a while, plain in its crop."""
    first_us = BEGIN_US + round(second * S)
    last_us = first_us + round(lasts_s * S)
    array = None if vector is None else np.asarray(vector, np.float32)
    return Passage(
        id=new_passage_id(first_us),
        camera_id=camera_id,
        first_us=first_us,
        last_us=last_us,
        object_class=object_class,
        confidence=0.9,
        best_us=first_us + S,
        box=box,
        crop=np.full((120, 60, 3), PLAIN, np.uint8),
        path=[PathPoint(0, *box), PathPoint(round(lasts_s * 1000), *box)],
        direction=Direction.RIGHT,
        speed=SpeedClass.SLOW,
        monochrome=False,
        model="test model",
        attributes=Attributes(**attributes),
        vector_kind=KIND if array is not None else "",
        vector=None if array is None else array / np.linalg.norm(array),
    )


def dark_coat(confidence: float = 0.8) -> dict[str, ColorFound]:
    return {"upper_color": ColorFound(Color.BLACK, confidence)}


def plate(text: str) -> dict[str, Any]:
    return {"plate": Judged(text, 0.9), "color": ColorFound(Color.WHITE, 0.9)}


async def index(
    county: County, *passages: Passage, crops: bool = True, vectors: Path | None = None
) -> list[str]:
    """Crops into the store, vectors into their tables, then the rows: as analysis does. Gives the
    ids as the API tells them.
    """
    messages = []
    for one in passages:
        key, data = None, b""
        if crops:
            data = cv2.imencode(".jpg", one.crop)[1].tobytes()
            key = crop_key(one.camera_id, one.first_us, str(one.id))
            path = county.services.settings.data_directory / f"{one.id}.jpg"
            await asyncio.to_thread(path.write_bytes, data)
            await county.services.storage.store.put(key, path)
        messages.append(to_message(one, key, 0, len(data)))
    compared = [one for one in passages if one.vector is not None]
    if compared:
        directory = vectors or county.services.settings.search_directory / "vectors"
        await asyncio.to_thread(_add_vectors, directory, compared)
    await county.write("passages.add", items=messages)
    return [str(one.id) for one in passages]


def _add_vectors(directory: Path, passages: Sequence[Passage]) -> None:
    from search.index.vectors import VectorItem, VectorWriter

    writer = VectorWriter(directory)
    try:
        writer.add(
            KIND,
            [
                VectorItem(one.id, one.camera_id, one.object_class, one.vector)
                for one in passages
                if one.vector is not None
            ],
        )
    finally:
        writer.close()


async def lines(client: httpx.AsyncClient, path: str = "/api/search", **body: Any) -> list[Any]:
    """Every line of an answer."""
    asked = {**RANGE, **body} if path == "/api/search" else body
    response = await client.post(path, json=asked)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    return [json.loads(line) for line in response.text.splitlines()]


async def hits(client: httpx.AsyncClient, **body: Any) -> list[dict[str, Any]]:
    """The hits of a search."""
    told = await lines(client, **body)
    assert [told[0]["type"], told[-2]["type"], told[-1]["type"]] == ["search", "coverage", "end"]
    return [one["hit"] for one in told[1:-2]]


async def ids(client: httpx.AsyncClient, **body: Any) -> list[str]:
    return [one["id"] for one in await hits(client, **body)]


async def records(county: County, action: str) -> list[Any]:
    async with county.services.reader.connect() as connection:
        rows = await connection.execute(
            sa.select(audit_log).where(audit_log.c.action == action).order_by(audit_log.c.sequence)
        )
        return list(rows)


async def rows(county: County, table: sa.Table) -> list[Any]:
    async with county.services.reader.connect() as connection:
        return list(await connection.execute(sa.select(table)))


async def mask(county: County, camera_id: str, *corners: tuple[float, float]) -> None:
    """Draw a mask over a part of a camera's picture."""
    await county.write(
        "masks.put",
        camera_id=camera_id,
        version=0,
        masks=[{"name": "窗", "points": list(corners)}],
        user_id=county.users[next(iter(county.users))],
        user_name="x",
    )
