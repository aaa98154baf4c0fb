"""Accountability in the whole gateway: asked, watched, on record, signed, proof against a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from gateway.audit import AuditRecord, append
from gateway.control.channel import ControlError
from gateway.database.audit_tables import audit_log
from gateway.database.engine import create_sync_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.identifiers import now_us
from tests.gateway.audit.register import TRIGGERS
from tests.peers.running_gateway import NEW_PASSWORD, Gateway, command, running_gateway, stop

ASKING = {
    "ACCOUNTABILITY__LIVE_PURPOSE": "true",
    "ACCOUNTABILITY__PLAYBACK_REASON": "true",
    "AUDIT__CHECKPOINT_INTERVAL_S": "1",
}


async def entries(gateway: Gateway, action: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await gateway.get("/api/audit", action=action))["items"]
    return found


async def there_is(gateway: Gateway, action: str) -> dict[str, Any]:
    """The newest record of that action, once there is one."""
    found: list[dict[str, Any]] = []

    async def written() -> bool:
        found[:] = await entries(gateway, action)
        return bool(found)

    await gateway.until(written)
    return found[0]


@pytest.mark.timeout(480)
async def test_a_day_at_the_register(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "other host"
    data.mkdir()
    elsewhere.mkdir()
    async with running_gateway(
        data, **ASKING, AUDIT__CHECKPOINT_DIRECTORY=str(elsewhere)
    ) as gateway:
        await _live_is_asked_and_watched(gateway)
        await _playback_is_asked_and_watched(gateway)
        acknowledged = await _the_writer_is_killed_while_it_writes(gateway)

        async def kept_elsewhere() -> bool:
            state = await gateway.get("/api/audit/state")
            copies = state["outside"]
            return bool(copies) and copies[0]["sequence"] >= max(acknowledged)

        await gateway.until(kept_elsewhere)
        await stop(gateway.process)

    said = await command(data, "audit", "verify", "--copies", str(elsewhere))
    assert said[0] == 0, said
    assert "fault" not in said[1]
    settings_engine = create_sync_reader_engine(gateway.settings)
    with settings_engine.connect() as connection:
        written = set(connection.execute(sa.select(audit_log.c.reason)).scalars())
    settings_engine.dispose()
    assert {f"number {number}" for number in acknowledged.values()} <= written
    key = tmp_path / "key.pem"
    key.write_bytes((data / "audit" / "public_key.pem").read_bytes())
    await _whoever_has_the_machine_is_found_out(data, elsewhere, key)


async def _live_is_asked_and_watched(gateway: Gateway) -> None:
    async def all_live() -> bool:
        return await gateway.recording() == 4

    await gateway.until(all_live)
    camera_id = (await gateway.get("/api/cameras"))["items"][0]["id"]
    body = {"camera_id": camera_id, "client": {"webrtc": False}}
    async with gateway.client.post(gateway.url + "/api/live", json=body) as response:
        assert response.status == 422
        assert (await response.json())["error"]["code"] == "purpose_required"
    opened = await gateway.post("/api/live", {**body, "purpose": {"code": "patrol"}})
    async with gateway.client.ws_connect(gateway.url + opened["mse_url"]) as watching:
        async for message in watching:
            if message.type is aiohttp.WSMsgType.BINARY:
                break
    watched = await there_is(gateway, "live.watched")
    assert watched["camera_id"] == camera_id
    assert watched["detail"]["session_id"] == opened["session_id"]
    assert watched["start_us"] <= watched["end_us"]
    (look,) = await entries(gateway, "live.open")
    assert (look["reason_code"], look["user_name"]) == ("patrol", "admin")


async def _playback_is_asked_and_watched(gateway: Gateway) -> None:
    """By a second sign-in, which ends; with it ends the session, and says what it gave out."""
    camera_id = (await gateway.get("/api/cameras"))["items"][0]["id"]
    hour = {"start_us": now_us() - 600_000_000, "end_us": now_us() + 3000_000_000}
    purpose = {"code": "lost_property", "text": "电动车被盗", "case_id": "A4208-17"}
    jar = aiohttp.CookieJar(unsafe=True)
    headers = {"X-Gridsight": "1"}
    async with aiohttp.ClientSession(cookie_jar=jar, headers=headers) as client:
        other = Gateway(gateway.process, gateway.settings, gateway.url, client)
        await other.post("/api/session", {"name": "admin", "password": NEW_PASSWORD})
        opened = await other.post(
            "/api/playback", {"camera_ids": [camera_id], **hour, "purpose": purpose}
        )
        ticket, base = {"ticket": opened["ticket"]}, opened["cameras"][0]["base_url"]
        await other.post(f"/s/{opened['server']}/sessions", ticket)
        found: dict[str, Any] = {}

        async def recorded() -> bool:
            index = await other.get(f"{base}/index", **hour)
            found.update(index["fragments"])
            return bool(index["fragments"]["start_us"])

        await gateway.until(recorded)
        segment, number = found["segment_id"][0], found["number"][0]
        url = f"{gateway.url}{base}/segments/{segment}/fragments/{number}-{number}.m4s"
        async with client.get(url) as response:
            assert response.status == 200
            assert await response.read()
        async with client.delete(gateway.url + "/api/session") as response:
            assert response.status == 204
    watched = await there_is(gateway, "playback.watched")
    assert watched["camera_id"] == camera_id
    assert watched["start_us"] == found["start_us"][0]
    assert watched["end_us"] > watched["start_us"]
    (look,) = await entries(gateway, "playback.open")
    assert (look["reason"], look["case_id"]) == ("电动车被盗", "A4208-17")


async def _the_writer_is_killed_while_it_writes(gateway: Gateway) -> dict[int, int]:
    """Gives what was acknowledged: the number of the write by its place in the register."""
    rows = RemoteRowWriter.from_settings(gateway.settings)
    acknowledged: dict[int, int] = {}
    killed = asyncio.Event()

    async def write(first: int) -> None:
        for number in range(first, first + 400):
            record = AuditRecord("test.write", reason=f"number {number}")
            try:
                sequence = await rows.write("audit.append", records=[record.to_message()])
            except (ConnectionError, TimeoutError, ControlError):
                return
            acknowledged[sequence] = number
            if len(acknowledged) == 100:
                os.kill(children["writer"]["process_id"], signal.SIGKILL)
                killed.set()

    children = await gateway.processes()
    async with asyncio.TaskGroup() as group:
        for writer in range(4):
            group.create_task(write(writer * 1000))
    assert killed.is_set()
    await rows.close()

    async def writes_again() -> bool:
        again = RemoteRowWriter.from_settings(gateway.settings)
        try:
            await append(again, [AuditRecord("test.again")])
        except (ConnectionError, TimeoutError, ControlError):
            return False
        finally:
            await again.close()
        return True

    await gateway.until(writes_again)
    return acknowledged


async def _whoever_has_the_machine_is_found_out(data: Path, elsewhere: Path, key: Path) -> None:
    """Records and signatures are cut alike: only the copy tells."""
    with sqlite3.connect(data / "gridsight.db") as connection:
        for trigger in TRIGGERS["sqlite"]:
            connection.execute(f"DROP TRIGGER {trigger}")
        (last,) = connection.execute("SELECT max(sequence) FROM audit_log").fetchone()
        connection.execute("DELETE FROM audit_log WHERE sequence > ?", (last - 5,))
    for name in ("tip.json", "checkpoints.jsonl"):
        (data / "audit" / name).unlink(missing_ok=True)
    arguments = ("audit", "verify", "--public-key", str(key))
    status, said = await command(data, *arguments, "--copies", str(elsewhere))
    assert status == 1
    assert f"records {last - 4} to {last} were cut off the end" in said
    assert "but not on this machine: its file was cut or replaced" in said
