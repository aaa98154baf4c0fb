"""The map: cameras of one's own area with how they are, and tiles from the county's own server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.settings.map import MapSettings
from tests.gateway.api.conftest import County

PICTURE = b"\x89PNG\r\n\x1a\n of a tile"


def with_map(county: County, **values: Any) -> None:
    settings = county.services.settings
    county.services.settings = settings.model_copy(update={"map": MapSettings(**values)})


async def test_each_person_has_the_cameras_that_they_see_live(county: County) -> None:
    await county.user("here", "viewer", county.town)
    await county.user("there", "viewer", county.other_town)
    county.services.states._states[county.camera] = {"main": {"state": "live"}}
    dark = await county.add_camera("沟边", county.village, longitude=113.2, latitude=31.1)
    county.services.states._states[dark] = {"main": {"state": "refused"}}
    here = await county.sign_in("here")
    items = {one["id"]: one for one in (await here.get("/api/map/cameras")).json()["items"]}
    assert items[county.camera]["state"] == "live"
    assert items[county.camera]["longitude"] is None
    assert items[dark]["state"] == "away"
    assert (items[dark]["longitude"], items[dark]["latitude"]) == (113.2, 31.1)
    there = await county.sign_in("there")
    assert dark not in {one["id"] for one in (await there.get("/api/map/cameras")).json()["items"]}


async def test_tiles_come_through_the_gateway(county: County) -> None:
    asked: list[str] = []

    async def tile(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.match_info["zoom"] == "4":
            return web.Response(text="<html>", content_type="text/html")
        if request.match_info["zoom"] == "5":
            raise web.HTTPNotFound
        return web.Response(body=PICTURE, content_type="image/png")

    application = web.Application()
    application.router.add_get("/county/{zoom}/{column}/{row}.png", tile)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        with_map(
            county, tiles_url=f"http://127.0.0.1:{port}/county/{{z}}/{{x}}/{{y}}.png",
            tiles_coordinates="gcj02", tiles_largest_zoom=12, tiles_attribution="县测绘局",
        )  # fmt: skip
        await county.user("li", "viewer", county.town)
        client = await county.sign_in("li")
        assert (await client.get("/api/map")).json() == {
            "tiles": {"coordinates": "gcj02", "largest_zoom": 12, "attribution": "县测绘局"}
        }
        answer = await client.get("/api/map/tiles/11/1668/838")
        assert (answer.status_code, answer.content) == (200, PICTURE)
        assert answer.headers["content-type"] == "image/png"
        assert "max-age" in answer.headers["cache-control"]
        assert asked == ["/county/11/1668/838.png"]
        assert (await client.get("/api/map/tiles/13/1/1")).status_code == 404
        assert (await client.get("/api/map/tiles/5/1/1")).status_code == 404
        assert (await client.get("/api/map/tiles/4/1/1")).status_code == 503
        assert (await client.get("/api/map/tiles/x/1/1")).status_code == 422
    finally:
        await runner.cleanup()
    assert (await client.get("/api/map/tiles/11/1/1")).status_code == 503


async def test_without_tiles_there_are_outlines(county: County, tmp_path: Path) -> None:
    await county.user("li", "viewer", county.town)
    client = await county.sign_in("li")
    assert (await client.get("/api/map")).json() == {"tiles": None}
    assert (await client.get("/api/map/tiles/1/1/1")).status_code == 404
    assert (await client.get("/api/map/outlines")).json()["features"] == []
    file = tmp_path / "areas.json"
    line = {"type": "LineString", "coordinates": [[113.0, 31.0], [113.1, 31.0]]}
    file.write_text(json.dumps({"features": [{"properties": {"name": "河"}, "geometry": line}]}))
    with_map(county, areas_file=file)
    (found,) = (await client.get("/api/map/outlines")).json()["features"]
    assert found["geometry"] == line
    file.write_text("{")
    answer = await client.get("/api/map/outlines")
    assert answer.status_code == 503
    assert "not JSON" in answer.json()["error"]["message"]


@pytest.mark.parametrize("url", ["file:///etc/{z}/{x}/{y}", "http://tiles/{z}/{x}.png"])
def test_an_address_that_names_no_tile_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"map\.tiles_url"):
        MapSettings(tiles_url=url)
