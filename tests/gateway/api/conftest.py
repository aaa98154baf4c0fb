"""An API on a real database with a small county in it; the media processes are not running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from gateway.api.access import SESSION_COOKIE
from gateway.api.application import create_app
from gateway.api.passthrough import open_client
from gateway.api.processes import Processes
from gateway.api.services import Services
from gateway.api.states import CameraStates
from gateway.api.storage import StorageWatch
from gateway.cluster.lifetime import LoopLag
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import load_operations
from gateway.identifiers import new_id, now_us
from gateway.people import passwords
from gateway.people.sign_in import token_hash
from gateway.secrets import cluster_secret
from gateway.settings import AccountabilitySettings, LogSettings, Settings
from gateway.store import open_configured_store
from gateway.tickets import TicketSigner
from recorder.rows import LocalRowWriter
from tests.gateway.kept import new_database

PASSWORD = "correct horse 9"
# These tests are of other things than the purpose of a look.
UNASKED = AccountabilitySettings(live_purpose=False, playback_reason=False)
# As in the field each takes 64 MiB and tens of milliseconds, and there are hundreds of them here.
_QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
_PASSWORD_HASH = _QUICK.hash(PASSWORD)


@dataclass
class County:
    """A root with two towns; a village, a camera and a bookmark in the first, a camera in the
    second.
    """

    app: FastAPI
    services: Services
    root: str = ""
    town: str = ""
    village: str = ""
    other_town: str = ""
    camera: str = ""
    other_camera: str = ""
    users: dict[str, str] = field(default_factory=dict)

    async def write(self, operation: str, **arguments: Any) -> Any:
        return await self.services.rows.write(operation, **arguments)

    async def user(
        self,
        name: str,
        role: str | None,
        area_id: str = "*",
        *,
        must_change: bool = False,
        home: str | None = None,
    ) -> str:
        """Add an account; gives its id."""
        user_id: str = await self.write(
            "accounts.create",
            name=name,
            display_name=f"{name}!",
            password_hash=_PASSWORD_HASH,
            must_change_password=must_change,
            granted=[] if role is None else [{"role": role, "area_id": area_id}],
            area_id=home,
        )
        self.users[name] = user_id
        return user_id

    async def sign_in(self, name: str | None) -> httpx.AsyncClient:
        """A client with the cookie of that user's new session; without a name, a stranger."""
        cookies = {}
        if name is not None:
            token = f"token-{name}-{new_id('t')}"
            await self.write(
                "sign_in.open",
                user_id=self.users[name],
                token_hash=token_hash(token),
                expires_us=now_us() + 3_600_000_000,
                address="127.0.0.1",
                user_agent="test",
                forgive=[],
            )
            cookies[SESSION_COOKIE] = token
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://gridsight.test",
            cookies=cookies,
            headers={"X-Gridsight": "1"},
        )

    async def add_camera(self, name: str, area_id: str, **columns: Any) -> str:
        """Add a camera row; gives its id."""
        camera_id = new_id("cam")
        row = {
            "id": camera_id,
            "area_id": area_id,
            "name": name,
            "main_url": f"rtsp://127.0.0.1:1/{name}",
            "sub_url": None,
            "username": None,
            "password_sealed": None,
            "transport": "tcp",
            "record": "continuous",
            "retention_days": None,
            "retention_bytes": None,
            "enabled": True,
            **columns,
        }
        await self.write("cameras.create", cameras_columns=[row])
        return camera_id


async def populate(county: County) -> None:
    """Make the areas and cameras."""
    county.root = await county.write("areas.create", parent_id=None, name="钟祥县")
    county.town = await county.write("areas.create", parent_id=county.root, name="石牌镇")
    county.village = await county.write("areas.create", parent_id=county.town, name="彭墩村")
    county.other_town = await county.write("areas.create", parent_id=county.root, name="胡集镇")
    county.camera = await county.add_camera("村口", county.village)
    county.other_camera = await county.add_camera("桥头", county.other_town)


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_hasher", _QUICK)


_made: list[FastAPI] = []


def application(services: Services) -> FastAPI:
    """The one application of these tests, on these services, which are all that it knows of a
    gateway. One, since FastAPI makes up a route only when a first request passes by it: a quarter
    of a second until all are made.
    """
    if not _made:
        _made.append(create_app(services))
    (app,) = _made
    app.state.services = services
    return app


@pytest.fixture
async def county(tmp_path: Path) -> AsyncIterator[County]:
    settings = Settings(
        data_directory=tmp_path,
        log=LogSettings(level="warning"),
        accountability=UNASKED,
    )
    load_operations()
    engine = new_database(settings)
    rows = LocalRowWriter(engine)
    secret = cluster_secret(settings)
    reader = create_reader_engine(settings)
    processes = Processes(settings, secret, reader)
    store = open_configured_store(settings)
    async with open_client() as http:
        services = Services(
            settings=settings,
            secret=secret,
            reader=reader,
            rows=rows,
            signer=TicketSigner(secret),
            processes=processes,
            states=CameraStates(reader, processes),
            storage=StorageWatch(settings, reader, store),
            http=http,
            lag=LoopLag(),
        )
        made = County(application(services), services)
        await populate(made)
        yield made
        await services.imports.close()
    await processes.close()
    await reader.dispose()
    await store.close()
    await asyncio.to_thread(rows.close)
    engine.dispose()
