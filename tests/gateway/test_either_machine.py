"""Two machines: at either, people have the footage, packages and meetings of both."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psycopg
import pytest

from gateway.identifiers import now_us
from tests.peers.meeting_browser import joined
from tests.peers.running_gateway import NEW_PASSWORD, Gateway, running_gateway, start, stop

SECOND = 1_000_000


def machine(node: str, data: Path, url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "SECRETS_DIRECTORY": str(data / "secrets"),
        "STORE__PATH": str(data / "footage"),
        "RECORDING__SEGMENT_S": "4",
        "CLUSTER__NODE": node,
        "CLUSTER__LISTEN_ADDRESS": "127.0.0.1",
        "CLUSTER__SIGNALLING": str(node == "node-a").lower(),
        "CLUSTER__ANALYSIS": "false",
    }


@contextlib.asynccontextmanager
async def second_machine(first: Gateway, data: Path, **variables: str) -> AsyncIterator[Gateway]:
    """Another machine of the county, and the same person signed in there."""
    process, url, _ = await start(data, demo=False, **variables)
    jar = aiohttp.CookieJar(unsafe=True)
    try:
        async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
            made = Gateway(process, first.settings, url, client)
            await made.post("/api/session", {"name": "admin", "password": NEW_PASSWORD})
            yield made
    finally:
        await stop(process)


@pytest.fixture
async def machines(tmp_path: Path, postgresql_url: str) -> AsyncIterator[tuple[Gateway, Gateway]]:
    home = tmp_path / "a"
    async with (
        running_gateway(home, **machine("node-a", home, postgresql_url)) as first,
        second_machine(first, tmp_path / "b", **machine("node-b", home, postgresql_url)) as second,
    ):
        yield first, second


async def last_seconds(gateway: Gateway, camera_id: str, since_us: int) -> dict[str, int]:
    """Eight seconds of footage behind an instant, as a timeline tells them."""
    found: dict[str, int] = {}

    async def long() -> bool:
        query = {"camera_id": camera_id, "start_us": since_us, "end_us": now_us()}
        for span in (await gateway.get("/api/timeline", **query))["spans"]:
            if span["end_us"] - span["start_us"] > 8 * SECOND:
                found.update(start_us=span["end_us"] - 8 * SECOND, end_us=span["end_us"])
        return bool(found)

    await gateway.until(long)
    return found


async def plays(gateway: Gateway, camera_id: str, minutes: dict[str, int]) -> list[bytes]:
    """The media that a player is sent, by fragments."""
    form = {"camera_ids": [camera_id], "client": {"mse_h265": False}, **minutes}
    session = await gateway.post("/api/playback", form)
    await gateway.post(f"/s/{session['server']}/sessions", {"ticket": session["ticket"]})
    base = session["cameras"][0]["base_url"]
    index = await gateway.get(base + "/index", **minutes)
    columns = index["fragments"]
    media = []
    for segment, number in zip(columns["segment_id"], columns["number"], strict=True):
        path = f"{base}/segments/{segment}/fragments/{number}-{number}.m4s"
        async with gateway.client.get(gateway.url + path) as answer:
            assert answer.status == 200, await answer.text()
            media.append(await answer.read())
    return media


async def package(gateway: Gateway, job_id: str) -> bytes:
    url = (await gateway.post(f"/api/exports/{job_id}/download", {}))["url"]
    async with gateway.client.get(gateway.url + url) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.read()


@pytest.mark.timeout(400)
async def test_what_one_machine_has_is_seen_at_the_other_and_a_meeting_outlives_its_machine(
    machines: tuple[Gateway, Gateway], postgresql_url: str
) -> None:
    first, second = machines
    began_us = now_us()

    async def recorded() -> bool:
        return await second.recording() == 4

    await second.until(recorded)
    cameras = (await second.get("/api/cameras"))["items"]
    camera_id, area_id = cameras[0]["id"], cameras[0]["area_id"]
    with psycopg.connect(postgresql_url, autocommit=True) as rows:
        query = "SELECT owner FROM assignments WHERE source_id = %s"
        owner = rows.execute(query, (f"{camera_id}/main",)).fetchall()
    assert owner == [("shard-1.node-a",)]

    # What the first machine records, up to now, is played at either.
    minutes = await last_seconds(second, camera_id, began_us)
    seen = await plays(second, camera_id, minutes)
    assert len(seen) > 3
    assert seen == await plays(first, camera_id, minutes)

    # Either may have made the package; both hand it out.
    order = {"camera_ids": [camera_id], "purpose": {"code": "incident"}, **minutes}
    job_id = (await first.post("/api/exports", order))["id"]

    async def packed() -> bool:
        now = await second.get(f"/api/exports/{job_id}")
        assert now["state"] in ("queued", "running", "done"), now
        return bool(now["state"] == "done")

    await second.until(packed)
    assert await package(first, job_id) == await package(second, job_id)

    # A meeting that runs at the first is joined at the second.
    form = {"title": "防汛会商", "area_id": area_id}
    meeting = f"/api/meetings/{(await first.post('/api/meetings', form))['id']}"
    await first.post(f"{meeting}/start", {})
    code = (await first.post(f"{meeting}/link", {}))["code"]
    key = await second.post(f"{meeting}/guests", {"code": code, "name": "村委会"})
    guest_form = {"guest_token": key["guest_token"]}
    async with (
        joined(first, f"{meeting}/join", {}, 60) as (chair, seat),
        joined(second, f"{meeting}/guests/join", guest_form, 200) as (guest, waits),
    ):
        assert seat["shard"] == waits["shard"] == "shard-1.node-a"
        await first.post(f"{meeting}/admit", {"participant_ids": [key["participant_id"]]})
        await chair.connect()
        await guest.until(guest.is_inside)
        await guest.connect()
        await chair.look(key["participant_id"])
        await guest.look(seat["participant_id"])
        await chair.until(lambda: chair.saw(0, 200))
        await guest.until(lambda: guest.saw(0, 60))

        lost_us = now_us()
        first.process.kill()
        await guest.until(lambda: guest.ended is not None)

    async with joined(second, f"{meeting}/guests/join", guest_form, 200) as (guest, back):
        assert (back["state"], back["shard"]) == ("admitted", "shard-1.node-b")
        print(f"a meeting goes on elsewhere after {(now_us() - lost_us) / SECOND:.1f} s")
        await guest.connect()
    # What the lost machine had stored is played at the one that is left.
    assert await plays(second, camera_id, minutes) == seen
