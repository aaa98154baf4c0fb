"""Village offices of a running gateway: each with an account, a seat, and a page with real DTLS."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.gateway.meetings.a_shard import Page
from tests.peers.meeting_site import MeetingSite
from tests.peers.running_gateway import Gateway

PASSWORD = "correct horse 9"
OWN_PASSWORD = "another horse 7"


class Village:
    """A village office: its account, its seat, its page."""

    def __init__(self, gateway: Gateway, client: aiohttp.ClientSession, area_id: str) -> None:
        self._gateway = gateway
        self.client = client
        self.area_id = area_id
        self.shard = self.participant_id = ""

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        async with self.client.post(self._gateway.url + path, json=body) as response:
            assert response.status == status, await response.text()
            return await response.json() if status != 204 else None

    async def join(self, here: str, mark: bytes = b"page", *, microphone: bool = True) -> Page:
        """Take the seat, and be there; ``shard`` says where it is."""
        seat = await self.post(f"{here}/join")
        self.shard, self.participant_id = seat["shard"], seat["participant_id"]
        socket = await self.client.ws_connect(self._gateway.url + seat["url"])
        page = Page(socket, mark, MeetingSite(video_slots=1, sound_slots=1))
        await page.hears("room")
        await page.connect(microphone=microphone, camera=True)
        return page


@contextlib.asynccontextmanager
async def village(gateway: Gateway, parent_id: str, name: str) -> AsyncIterator[Village]:
    area_id = (await gateway.post("/api/areas", {"parent_id": parent_id, "name": name}))["id"]
    form = {"name": f"tv-{name}", "password": PASSWORD}
    user_id = (await gateway.post("/api/users", {**form, "area_id": area_id}))["id"]
    grant = {"user_id": user_id, "role": "site", "area_id": area_id}
    await gateway.post("/api/grants", grant)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"X-Gridsight": "1"}) as client:
        made = Village(gateway, client, area_id)
        await made.post("/api/session", **form)
        change = {"old_password": PASSWORD, "new_password": OWN_PASSWORD}
        await made.post("/api/session/password", 204, **change)
        yield made
