"""A machine that stood alone becomes one of several, and alone again: its footage goes with it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.identifiers import now_us
from tests.peers.running_gateway import NEW_PASSWORD, command, start, stop

JOINED = {"CLUSTER__NODE": "node-a", "CLUSTER__LISTEN_ADDRESS": "127.0.0.1"}
SECOND = 1_000_000
# A segment that lasts: what is recorded waits in the spool.
SETTINGS = {"RECORDING__SEGMENT_S": "60", "CLUSTER__ANALYSIS": "false"}


class Machine:
    """One life of it after the other, on one data directory and one database."""

    def __init__(self, data: Path, client: aiohttp.ClientSession, database_url: str) -> None:
        self._data, self._client, self._database_url = data, client, database_url
        self._password = ""
        self.url = ""
        self.process: Any = None

    async def start(self, **variables: str) -> None:
        self.process, self.url, password = await start(
            self._data, DATABASE_URL=self._database_url, **SETTINGS, **variables
        )
        form = {"name": "admin", "password": password or NEW_PASSWORD}
        await self.post("/api/session", form)
        if password:
            change = {"old_password": password, "new_password": NEW_PASSWORD}
            await self.post("/api/session/password", change)

    async def post(self, path: str, form: dict[str, Any]) -> None:
        async with self._client.post(self.url + path, json=form) as answer:
            assert answer.status < 300, await answer.text()

    async def get(self, path: str, **query: Any) -> Any:
        async with self._client.get(self.url + path, params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def timelines(self, start_us: int, end_us: int) -> list[Any]:
        """Of each camera, with what is being recorded now."""
        ids = [one["id"] for one in (await self.get("/api/cameras"))["items"]]
        return [
            await self.get("/api/timeline", camera_id=one, start_us=start_us, end_us=end_us)
            for one in ids
        ]

    async def records(self, seconds: int) -> tuple[int, int]:
        """Wait until all four cameras have been recorded for so long; gives from when to when."""
        began_us = now_us()
        async with asyncio.timeout(60):
            while True:
                timelines = await self.timelines(began_us, now_us())
                ends = [one["spans"][-1]["end_us"] for one in timelines if one["spans"]]
                if len(ends) == 4 and min(ends) > began_us + seconds * SECOND:
                    return began_us, min(ends)
                await asyncio.sleep(0.2)


@pytest.mark.timeout(300)
async def test_what_a_lone_machine_had_recorded_is_there_when_it_is_one_of_several(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDSIGHT_DATABASE_URL", postgresql_url)
    jar = aiohttp.CookieJar(unsafe=True)
    lives: list[tuple[int, int]] = []
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
        machine = Machine(tmp_path, client, postgresql_url)
        for variables in ({}, JOINED, {}):
            await machine.start(**variables)
            try:
                lives.append(await machine.records(5))
                names = {one["name"] for one in (await machine.get("/api/system"))["processes"]}
                assert ("shard-1.node-a" in names) == bool(variables)
                assert ("shard-1" in names) != bool(variables), "no name of another life"
            finally:
                machine.process.kill()
                await machine.process.wait()
        await machine.start()
        try:
            await machine.records(1)
            for timeline in await machine.timelines(lives[0][0], lives[-1][1]):
                spans = [(one["start_us"], one["end_us"]) for one in timeline["spans"]]
                assert all(one[1] <= two[0] for one, two in pairwise(spans))
                for began_us, until_us in lives:
                    kept = sum(
                        max(0, min(end_us, until_us) - max(start_us, began_us))
                        for start_us, end_us in spans
                    )
                    assert kept > 3 * SECOND, "what was in the spool is footage"
                assert {one["cause"] for one in timeline["gaps"]} <= {
                    "gateway_stopped",
                    "camera_offline",
                }
            (folder,) = (tmp_path / "spool").iterdir()
            assert folder.name == "shard-1"
            status, output = await command(tmp_path, "check", "--verify")
            assert status == 0, output
        finally:
            await stop(machine.process)
