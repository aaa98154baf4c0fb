"""An address for other players, from the API's answer to the pictures in a foreign player."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.running_gateway import Gateway, running_gateway


@pytest.fixture
async def gateway(tmp_path: Path, free_port: int) -> AsyncIterator[Gateway]:
    settings = {"RESTREAM__ENABLED": "true", "RESTREAM__PORT": str(free_port)}
    async with running_gateway(tmp_path, **settings) as made:
        yield made


async def restream(gateway: Gateway, camera_id: str, *addresses: str) -> dict[str, Any]:
    body = {"camera_id": camera_id, "quality": "main", "expires_in_s": 600}
    made: dict[str, Any] = await gateway.post(
        "/api/restreams", {**body, "addresses": list(addresses)}
    )
    return made


async def look(url: str) -> str:
    """What ffprobe finds at the address; "" when it is refused."""
    process = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-i", url),
        *("-show_entries", "stream=codec_name,width", "-of", "csv=p=0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return output.decode().strip() if process.returncode == 0 else ""


async def play(url: str) -> asyncio.subprocess.Process:
    """A reader, once it has its first pictures."""
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-v", "quiet", "-rtsp_transport", "tcp", "-i", url),
        *("-map", "0:v", "-c", "copy", "-f", "h264", "-flush_packets", "1", "pipe:1"),
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        assert await process.stdout.read(4)
    return process


async def cut_off(process: asyncio.subprocess.Process) -> None:
    """Returns when the reader's stream has come to an end by itself."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while await process.stdout.read(65536):
            pass
        await process.wait()


async def actions(gateway: Gateway, camera_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await gateway.get("/api/audit", camera_id=camera_id))["items"]
    return [one for one in items if one["action"].startswith("restream.")]


async def test_who_was_given_an_address_plays_and_nobody_else(
    gateway: Gateway, tmp_path: Path
) -> None:
    async def recorded() -> bool:
        return await gateway.recording() == 4

    await gateway.until(recorded)
    camera_id = (await gateway.get("/api/cameras"))["items"][0]["id"]
    made = await restream(gateway, camera_id, "127.0.0.0/8")
    found = await look(made["url"])
    assert found.startswith("h264"), found
    opened = [one for one in await actions(gateway, camera_id) if one["action"] == "restream.open"]
    assert opened[0]["address"] == "127.0.0.1"
    assert opened[0]["user_name"] == "admin"
    assert opened[0]["detail"]["restream_id"] == made["id"]
    # Nobody is told the address again.
    [listed] = (await gateway.get("/api/restreams"))["items"]
    assert listed["id"] == made["id"]
    assert made["url"].rpartition("/")[2] not in str(listed)

    # Another network's address opens nothing from here, and leaves no record of a look.
    elsewhere = await restream(gateway, camera_id, "10.0.0.0/8")
    assert await look(elsewhere["url"]) == ""
    assert await look(made["url"] + "x") == ""
    shown = await actions(gateway, camera_id)
    assert not [one for one in shown if one["detail"].get("restream_id") == elsewhere["id"]]

    async def told() -> bool:
        shown = await actions(gateway, camera_id)
        return any(one["action"] == "restream.watched" for one in shown)

    await gateway.until(told)
    shown = await actions(gateway, camera_id)
    watched = next(one for one in shown if one["action"] == "restream.watched")
    assert (watched["user_name"], watched["detail"]["restream_id"]) == ("admin", made["id"])
    assert watched["detail"]["address"] == "127.0.0.1"
    assert watched["start_us"] <= watched["end_us"]

    # Taken back: who plays is cut off, and does not come back.
    reader = await play(made["url"])
    async with gateway.client.delete(f"{gateway.url}/api/restreams/{made['id']}") as response:
        assert response.status == 204
    await cut_off(reader)
    assert await look(made["url"]) == ""

    # Its time is over: the same. (As if ten minutes had gone by.)
    expiring = await restream(gateway, camera_id, "127.0.0.1/32")
    reader = await play(expiring["url"])
    with sqlite3.connect(tmp_path / "gridsight.db", timeout=10) as database:
        database.execute("UPDATE restreams SET expires_us = 1 WHERE id = ?", (expiring["id"],))
    database.close()
    await cut_off(reader)
    assert await look(expiring["url"]) == ""
    assert (await gateway.get("/api/restreams"))["items"][0]["id"] == elsewhere["id"]
