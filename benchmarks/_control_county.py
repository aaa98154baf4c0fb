"""The reference county in a running gateway, and a way into its processes, for
``benchmarks.control_plane``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Self

import httpx
import sqlalchemy as sa

from benchmarks import _reference_county as county
from benchmarks._gateway import RunningGateway
from benchmarks.import_county import import_sheet
from gateway.control.channel import ControlClient, ControlError, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.tables import cameras
from gateway.database.writer_process import RemoteRowWriter
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.sheets.files import write_file
from recorder.tables import assignments

_SWITCHED_AT_ONCE = 1000
_OPERATOR_PASSWORD = "a sentence for operating 9"
_POLL_S = 0.005


def camera_rows(count: int, port: int) -> Iterator[list[str]]:
    """The first ``count`` cameras of the county, with addresses at which somebody answers."""
    rows = county.camera_rows()
    yield next(rows)
    for number, row in enumerate(itertools.islice(rows, count)):
        row[6] = f"rtsp://127.0.0.1:{port}/{number}/main"
        row[7] = f"rtsp://127.0.0.1:{port}/{number}/sub"
        yield row


def register(gateway: RunningGateway, count: int, port: int) -> None:
    """Areas and cameras, all of them switched off, imported through the API."""
    import_sheet(gateway, "areas", write_file("areas", "xlsx", county.area_rows()))
    import_sheet(gateway, "cameras", write_file("cameras", "xlsx", camera_rows(count, port)))


def township_operator(gateway: RunningGateway) -> httpx.Client:
    """An operator of the first township, signed in."""
    roots = gateway.call("GET", "/api/areas?axis=area")["items"]
    township = gateway.call("GET", f"/api/areas?parent_id={roots[0]['id']}")["items"][0]
    form = {
        "name": "operator",
        "area_id": township["id"],
        "grants": [{"role": "operator", "area_id": township["id"]}],
    }
    first_password = gateway.call("POST", "/api/users", form)["one_time_password"]
    client = httpx.Client(base_url=gateway.url, headers={"X-Gridsight": "1"}, timeout=60)
    sign_in = {"name": "operator", "password": first_password}
    client.post("/api/session", json=sign_in).raise_for_status()
    change = {"old_password": first_password, "new_password": _OPERATOR_PASSWORD}
    client.post("/api/session/password", json=change).raise_for_status()
    return client


class Inside:
    """What the gateway's processes have of each other: rows, control channels, states."""

    def __init__(self, gateway: RunningGateway) -> None:
        settings = Settings(data_directory=gateway.data_directory)
        self._settings = settings
        self._secret = cluster_secret(settings)
        self.reader = create_reader_engine(settings)
        self.rows = RemoteRowWriter.from_settings(settings)
        self.supervisor = self.client("supervisor")
        self.supervisor_id = gateway.process.pid
        self.shards: dict[str, ControlClient] = {}
        self.live: set[str] = set()
        self.recording: set[str] = set()
        self._moved = asyncio.Event()
        self._watching: list[asyncio.Task[None]] = []

    def client(self, name: str) -> ControlClient:
        """The control channel of a process."""
        return ControlClient(control_path(self._settings, name), self._secret)

    async def __aenter__(self) -> Self:
        for name in await self.process_ids():
            if name.startswith("shard-"):
                self.shards[name] = self.client(name)
                self._watching.append(asyncio.create_task(self._watch(name)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        for client in (self.supervisor, *self.shards.values()):
            await client.close()
        await self.rows.close()
        await self.reader.dispose()

    async def process_ids(self) -> dict[str, int]:
        """The gateway's processes, the supervisor among them, by name."""
        status = await self.supervisor.call("cluster.status")
        running = {one["name"]: one["process_id"] for one in status if one["process_id"]}
        return {"supervisor": self.supervisor_id, **running}

    async def switch(self, camera_ids: list[str]) -> None:
        """Have exactly these cameras switched on, and everybody told."""
        wanted = set(camera_ids)
        async with self.reader.connect() as connection:
            rows = await connection.execute(
                sa.select(cameras.c.id, cameras.c.enabled, cameras.c.changed_us)
            )
            wrong = [row for row in rows if row.enabled != (row.id in wanted)]
        steps = [
            {"camera_id": row.id, "changed_us": row.changed_us, "columns": {"enabled": on}}
            for row in wrong
            for on in (row.id in wanted,)
        ]
        for first in range(0, len(steps), _SWITCHED_AT_ONCE):
            some = steps[first : first + _SWITCHED_AT_ONCE]
            await self.rows.write("cameras.change_many", steps=some)
        await self.supervisor.call("cluster.reconcile")

    async def change(self, camera_id: str, **columns: Any) -> None:
        """Change one camera's row, and tell nobody."""
        await self.rows.write("cameras.change", camera_id=camera_id, columns=columns)

    async def lead_to(self, camera_ids: list[str], address: str) -> None:
        """Have these cameras' pictures come from elsewhere."""
        async with self.reader.connect() as connection:
            rows = await connection.execute(
                sa.select(cameras.c.id, cameras.c.changed_us).where(cameras.c.id.in_(camera_ids))
            )
            steps = [
                {
                    "camera_id": row.id,
                    "changed_us": row.changed_us,
                    "columns": {"main_url": f"{address}/{row.id}/main"},
                }
                for row in rows
            ]
        await self.rows.write("cameras.change_many", steps=steps)

    async def owner(self, camera_id: str) -> str:
        """The shard that has a camera; "" for nobody."""
        column = assignments.c.owner
        statement = sa.select(column).where(assignments.c.source_id == f"{camera_id}/main")
        async with self.reader.connect() as connection:
            return str(await connection.scalar(statement) or "")

    async def placed(self) -> int:
        """How many sources have a shard."""
        statement = sa.select(sa.func.count()).where(assignments.c.owner != "")
        async with self.reader.connect() as connection:
            return int(await connection.scalar(statement) or 0)

    async def until_placed(self, sources: int, limit_s: float) -> float:
        """Seconds until exactly so many sources have a shard. Raises TimeoutError."""

        async def placed() -> bool:
            return await self.placed() == sources

        return await _until(placed, limit_s)

    async def until_moved(self, camera_id: str, before: str, limit_s: float) -> float:
        """Seconds until a camera's shard is not ``before`` any more. Raises TimeoutError."""

        async def moved() -> bool:
            return await self.owner(camera_id) != before

        return await _until(moved, limit_s)

    async def until_live(self, count: int, limit_s: float) -> dict[int, float]:
        """Seconds until a half, 95 % and all of so many cameras deliver media:
        {percent: seconds}. Stops at the limit, with what came by then.
        """
        began = time.monotonic()
        took: dict[int, float] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while 100 not in took:
                    self._moved.clear()
                    for percent in (50, 95, 100):
                        if percent not in took and len(self.live) * 100 >= percent * count:
                            took[percent] = time.monotonic() - began
                    if 100 not in took:
                        await self._moved.wait()
        return took

    async def until_dark(self, count: int, limit_s: float) -> None:
        """Wait until no more than so many cameras are live. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while len(self.live) > count:
                self._moved.clear()
                await self._moved.wait()

    async def pictures(self) -> int:
        """How many pictures have come since the shards began."""
        figures = [one for client in self.shards.values() for one in await _figures(client)]
        return sum(one["source"]["pictures"] for one in figures if one["source"])

    async def _watch(self, name: str) -> None:
        while True:
            mine: set[str] = set()
            with contextlib.suppress(ConnectionError, ControlError):
                async with self.shards[name].stream("shard.watch") as updates:
                    await self._follow(updates, mine)
            self.live -= mine
            self.recording -= mine
            self._moved.set()
            await asyncio.sleep(0.2)

    async def _follow(self, updates: AsyncIterator[Any], mine: set[str]) -> None:
        async for update in updates:
            for state in update["states"]:
                if state["variant"] != "main":
                    continue
                camera_id = state["camera_id"]
                mine.add(camera_id)
                for known, true in (
                    (self.live, state["state"] == "live"),
                    (self.recording, state["state"] == "live" and state["recording"]),
                ):
                    (known.add if true else known.discard)(camera_id)
            self._moved.set()


async def _until(true: Callable[[], Awaitable[bool]], limit_s: float) -> float:
    began = time.monotonic()
    while not await true():
        if time.monotonic() - began > limit_s:
            raise TimeoutError(f"not within {limit_s:.0f} s")
        await asyncio.sleep(_POLL_S)
    return time.monotonic() - began


async def _figures(client: ControlClient) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = await client.call("shard.figures")
    return figures
