"""A gateway whose footage is in S3: recorded, found, played and downloaded from there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.ceph_rgw import S3Server
from tests.peers.rows_on_postgresql import asked
from tests.peers.running_gateway import Gateway, command, running_gateway


@pytest.fixture
def settings(ceph_rgw: S3Server) -> dict[str, str]:
    """A bucket of its own, which nobody has made."""
    return {
        "STORE__KIND": "s3",
        "STORE__ENDPOINT": ceph_rgw.endpoint,
        "STORE__BUCKET": f"county-{secrets.token_hex(4)}",
        "STORE__ACCESS_KEY": ceph_rgw.access_key,
        "STORE__SECRET_KEY": ceph_rgw.secret_key,
        "STORE__SECURE": "false",
        "RECORDING__SEGMENT_S": "4",
    }


@pytest.fixture
async def gateway(tmp_path: Path, settings: dict[str, str]) -> AsyncIterator[Gateway]:
    async with running_gateway(tmp_path, **settings) as made:
        yield made


async def stored_segment(gateway: Gateway, data: Path) -> dict[str, Any]:
    """The first segment of a camera that is in the store, and not in the spool any more."""
    found: list[dict[str, Any]] = []

    def in_spool(segment_id: str) -> bool:
        return any(data.glob(f"**/{segment_id}.mp4"))

    async def is_stored() -> bool:
        found[:] = await asyncio.to_thread(
            asked,
            data,
            "SELECT segments.* FROM segments WHERE source_id LIKE '%/main' "
            "AND effective_start_us IS NOT NULL ORDER BY start_us LIMIT 1",
        )
        return bool(found) and not await asyncio.to_thread(in_spool, found[0]["id"])

    await gateway.until(is_stored)
    return found[0]


async def decoded_pictures(movie: Path) -> int:
    """How many pictures ffprobe decodes of a file; fails when it has a complaint."""
    process = await asyncio.create_subprocess_exec(
        *("ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0"),
        *("-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", str(movie)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return int(output.decode().strip())


@pytest.mark.ceph
@pytest.mark.timeout(300)
async def test_footage_in_s3_is_played_and_downloaded(
    gateway: Gateway, tmp_path: Path, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await stored_segment(gateway, tmp_path)
    assert not (tmp_path / "store").exists(), "nothing of it lies in a directory"
    start_us, end_us = segment["effective_start_us"], segment["effective_end_us"]
    opened = await gateway.post(
        "/api/playback",
        {
            "camera_ids": [segment["source_id"].partition("/")[0]],
            "start_us": start_us,
            "end_us": end_us,
            "client": {"mse_h265": False},
            "reason": "a test of the store",
        },
    )
    await gateway.post(f"/s/{opened['server']}/sessions", {"ticket": opened["ticket"]})
    base = gateway.url + opened["cameras"][0]["base_url"]
    span = {"start_us": str(start_us), "end_us": str(end_us)}

    async with gateway.client.get(f"{base}/index", params=span) as answer:
        index = await answer.json()
    fragments = index["fragments"]
    assert set(fragments["segment_id"]) == {segment["id"]}
    last = max(fragments["number"])
    async with gateway.client.get(
        f"{base}/segments/{segment['id']}/fragments/0-{last}.m4s"
    ) as answer:
        assert answer.status == 200
        assert (await answer.read())[4:8] == b"moof"

    middle_us = (start_us + end_us) // 2
    async with gateway.client.get(f"{base}/frame.jpg", params={"at_us": middle_us}) as answer:
        assert (await answer.read())[:3] == b"\xff\xd8\xff"

    movie = tmp_path / "movie.mp4"
    async with gateway.client.get(f"{base}/mp4", params=span) as answer:
        assert answer.status == 200
        movie.write_bytes(await answer.read())
    assert await decoded_pictures(movie) >= (end_us - start_us) // 1_000_000 * 9

    for name, value in settings.items():
        monkeypatch.setenv(f"GRIDSIGHT_{name}", value)
    status, said = await command(tmp_path, "check", "--verify")
    assert status == 0, said
