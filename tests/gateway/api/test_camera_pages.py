"""Pages of cameras: every one once, in order of name, and chosen within an index."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from gateway.cameras import select_page
from gateway.database.tables import areas
from gateway.people.areas import within
from tests.gateway.api.conftest import County


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_give_every_camera_once_by_name(county: County, limit: int) -> None:
    # Names that are the same, names that differ in their last letter, and one that is deleted.
    for name in ("b", "a", "a", "村口", "B", "a0"):
        await county.add_camera(name, county.town)
    gone = await county.add_camera("gone", county.town)
    await county.write("cameras.delete", camera_id=gone)
    await county.user("wang", "operator", county.town)
    client = await county.sign_in("wang")
    items: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = (await client.get("/api/cameras", params=query)).json()
        assert len(page["items"]) <= limit
        assert page["total"] == 7
        items += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    await client.aclose()
    assert [one["name"] for one in items] == ["B", "a", "a", "a0", "b", "村口", "村口"]
    assert len({one["id"] for one in items}) == 7


@pytest.mark.parametrize("key", ['["\\ud800", "a"]', '["\\u0000", "a"]', "[" * 1400, '["a"]', "5"])
async def test_a_cursor_that_nobody_gave_out_is_refused(county: County, key: str) -> None:
    await county.user("wang", "operator", county.town)
    client = await county.sign_in("wang")
    cursor = base64.urlsafe_b64encode(key.encode()).decode()
    answer = await client.get("/api/cameras", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    await client.aclose()


@pytest.mark.sqlite
@pytest.mark.parametrize("name", ["rows", "total"])
async def test_a_page_is_chosen_without_reading_the_rows(county: County, name: str) -> None:
    page = select_page([within(areas.c.path, [f"{county.root}/"])], 100, ("a", "cam_1"))
    literal = {"literal_binds": True}
    statement = getattr(page, name).compile(dialect=sqlite.dialect(), compile_kwargs=literal)
    async with county.services.reader.connect() as connection:
        steps = (await connection.execute(sa.text(f"EXPLAIN QUERY PLAN {statement}"))).all()
    told = " / ".join(step.detail for step in steps)
    assert "USING COVERING INDEX ix_cameras_area_id (area_id=? AND deleted_us=?" in told
    assert "SCAN cameras" not in told
