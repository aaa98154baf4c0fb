"""A whole gateway: hold, export while it is still being recorded, kill, download, verify."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from gateway.identifiers import now_us
from tests.gateway.footage.media import decode_everything
from tests.peers.rows_on_postgresql import asked
from tests.peers.running_gateway import Gateway, command, gridsight, running_gateway

SECOND = 1_000_000


async def until(what: str, check: Any, limit_s: float = 120.0) -> Any:
    async with asyncio.timeout(limit_s):
        while True:
            found = await check()
            if found:
                return found
            await asyncio.sleep(0.2)
    raise AssertionError(what)


def _child(gateway: Gateway, name: str) -> psutil.Process:
    for child in psutil.Process(gateway.process.pid).children(recursive=True):
        if name in child.cmdline():
            return child
    raise LookupError(name)


@pytest.mark.timeout(400)
async def test_a_package_survives_a_kill_and_is_verified_elsewhere(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running_gateway(data, RECORDING__SEGMENT_S="5") as gateway:
        cameras = (await gateway.get("/api/cameras"))["items"]
        camera_id = cameras[0]["id"]

        async def recorded() -> Any:
            end_us = now_us()
            query = f"camera_id={camera_id}&start_us={end_us - 60 * SECOND}&end_us={end_us}"
            spans = (await gateway.get(f"/api/timeline?{query}"))["spans"]
            long = [one for one in spans if one["end_us"] - one["start_us"] > 8 * SECOND]
            return long[-1] if long else None

        span = await until("eight seconds of footage", recorded)
        area_id = cameras[0]["area_id"]
        case = await gateway.post(
            "/api/cases", {"number": "A-1", "title": "测试", "area_id": area_id}
        )
        minutes = {"start_us": span["start_us"], "end_us": span["end_us"]}
        hold = await gateway.post(
            "/api/holds",
            {"camera_id": camera_id, "reason": "案件", "case_id": case["id"], **minutes},
        )
        assert hold["case_number"] == "A-1"
        order = {
            "camera_ids": [camera_id],
            "case_id": case["id"],
            "purpose": {"code": "incident", "text": "白色面包车"},
            "viewing": "always",
            "burn_in": {"time": True},
            **minutes,
        }
        job = await gateway.post("/api/exports", order)

        async def under_way() -> Any:
            now = await gateway.get(f"/api/exports/{job['id']}")
            return now["state"] != "queued"

        await until("the job to begin", under_way)
        os.kill(_child(gateway, "footage-1").pid, signal.SIGKILL)

        async def done() -> Any:
            now = await gateway.get(f"/api/exports/{job['id']}")
            assert now["state"] in ("queued", "running", "done"), now
            return now if now["state"] == "done" else None

        made = await until("the package", done)

        async def stored() -> bool:
            return len(await asyncio.to_thread(_held, data, camera_id, minutes, False)) > 0

        await until("footage after the range", stored)
        # What was still being recorded when the hold was placed is held like the rest.
        assert set(await asyncio.to_thread(_held, data, camera_id, minutes, True)) == {1}
        assert set(await asyncio.to_thread(_held, data, camera_id, minutes, False)) == {0}
        assert {one["kind"] for one in made["files"]} == {"original", "viewing", "page"}
        package = tmp_path / "package.zip"

        async def downloaded() -> bool:
            url = (await gateway.post(f"/api/exports/{job['id']}/download", {}))["url"]
            async with gateway.client.get(gateway.url + url) as answer:
                if answer.status == 503:
                    return False
                assert answer.status == 200, await answer.text()
                await asyncio.to_thread(package.write_bytes, await answer.read())
                return True

        await until("the footage server to be back", downloaded)
        page = {"path": "index.html"}
        url = (await gateway.post(f"/api/exports/{job['id']}/download", page))["url"]
        async with aiohttp.ClientSession() as stranger:
            async with stranger.get(gateway.url + url) as answer:
                assert (answer.status, answer.content_type) == (200, "text/html")
            whole = url.replace("files/index.html", "package.zip")
            async with stranger.get(gateway.url + whole) as answer:
                assert answer.status == 401
        assert package.stat().st_size == made["size_bytes"]
        key = (await gateway.get("/api/evidence/key"))["public_key"]

        status, said = await command(data, "evidence", "key")
        assert status == 0 and key in said

    # Another machine: nothing but the package and the key.
    status, said = await gridsight("evidence", "verify", str(package), "--key", key)
    assert status == 0, said
    assert "case: A-1" in said and "白色面包车" in said
    await asyncio.to_thread(_look_inside, package, tmp_path / "unpacked")


def _held(data: Path, camera_id: str, minutes: dict[str, int], meets: bool) -> list[int]:
    """Whether the segments are held that meet the range, or that began after it."""
    where = "start_us < :end_us AND end_us > :start_us" if meets else "start_us >= :end_us"
    query = f"SELECT held FROM segments WHERE source_id = :source_id AND {where}"
    rows = asked(data, query, **minutes, source_id=f"{camera_id}/main")
    return [row["held"] for row in rows]


def _look_inside(package: Path, folder: Path) -> None:
    with zipfile.ZipFile(package) as opened:
        opened.extractall(folder)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    media = [one for one in manifest["files"] if one["kind"] != "page"]
    assert sorted(one["kind"] for one in media) == ["original", "viewing"]
    for one in media:
        assert decode_everything(folder / one["path"]) == ""
