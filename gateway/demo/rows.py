"""The rows of the demo: one area and its cameras, made once and then left to whoever edits them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.database.tables import areas, cameras
from gateway.identifiers import now_us
from gateway.people.area_rows import ensure_below
from gateway.people.search_key import search_key
from recorder.rows import row_operation

DEMO_AREA_ID = "area_demo"


@row_operation("demo.register")
def register(connection: sa.Connection, area_name: str, demo: list[dict[str, Any]]) -> None:
    """Make the demo's area and cameras (``id``, ``name``, ``main_url``, ``sub_url``; ``area``: the
    names of areas below the demo's, if any).

    A camera that exists gets its addresses only, and one that was deleted stays deleted. May be
    repeated.
    """
    at_us = now_us()
    known_area = sa.select(areas.c.id).where(areas.c.id == DEMO_AREA_ID)
    if connection.execute(known_area).one_or_none() is None:
        connection.execute(
            sa.insert(areas).values(
                id=DEMO_AREA_ID,
                parent_id=None,
                name=area_name,
                code=None,
                path=f"{DEMO_AREA_ID}/",
                position=0,
                search_key=search_key(area_name),
                created_us=at_us,
            )
        )
    for camera in demo:
        area_id = DEMO_AREA_ID
        for name in camera.get("area", ()):
            area_id = ensure_below(connection, area_id, name)
        urls = {"main_url": camera["main_url"], "sub_url": camera["sub_url"]}
        row = connection.execute(
            sa.select(cameras.c.main_url, cameras.c.sub_url).where(cameras.c.id == camera["id"])
        ).one_or_none()
        if row is None:
            connection.execute(
                sa.insert(cameras).values(
                    id=camera["id"],
                    area_id=area_id,
                    name=camera["name"],
                    search_key=search_key(camera["name"]),
                    transport="tcp",
                    record="continuous",
                    enabled=True,
                    created_us=at_us,
                    changed_us=at_us,
                    **urls,
                )
            )
        elif (row.main_url, row.sub_url) != (urls["main_url"], urls["sub_url"]):
            connection.execute(
                sa.update(cameras)
                .where(cameras.c.id == camera["id"])
                .values(changed_us=at_us, **urls)
            )
