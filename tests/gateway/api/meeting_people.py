"""Who meets in tests: a town that convenes, its village's television, and a stranger."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import sqlalchemy as sa

from gateway.identifiers import now_us
from gateway.tickets import Ticket
from tests.gateway.api.conftest import County

SHARD = "shard-1"


@dataclass
class People:
    """Signed in: ``chair`` convenes in the town, ``village`` is its television, ``stranger``
    convenes in another town, ``guest`` has no account.
    """

    county: County
    chair: httpx.AsyncClient
    village: httpx.AsyncClient
    stranger: httpx.AsyncClient
    guest: httpx.AsyncClient

    async def ask(
        self, who: httpx.AsyncClient, method: str, path: str, status: int = 200, **body: Any
    ) -> Any:
        """An answer that must have that status, as JSON."""
        request = {} if method == "GET" else {"json": body}
        answer = await who.request(method, f"/api/meetings{path}", params=None, **request)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def called(self, **form: Any) -> str:
        """A meeting of the town; its id."""
        area = {"title": "防汛会商", "area_id": self.county.town}
        meeting = await self.ask(self.chair, "POST", "", 201, **{**area, **form})
        return str(meeting["id"])

    async def running(self, **form: Any) -> tuple[str, str]:
        """A meeting that runs, and the village as a site of it."""
        meeting_id = await self.called(**form)
        invited = await self.ask(
            self.chair, "POST", f"/{meeting_id}/invite", only_area_ids=[self.county.village]
        )
        await self.county.write("meetings.start", meeting_id=meeting_id, shard=SHARD)
        return meeting_id, invited["participant_ids"][0]

    async def sits(self, who: httpx.AsyncClient, meeting_id: str) -> dict[str, Any]:
        """Join, as the room sees it when the connection stands."""
        joined = await self.ask(who, "POST", f"/{meeting_id}/join")
        await self.county.write(
            "meetings.arrived", participant_id=joined["participant_id"],
            session_id=joined["session_id"], at_us=now_us(),
        )  # fmt: skip
        return dict(joined)

    def ticket(self, joined: dict[str, Any]) -> Ticket:
        """What the url carries, as a shard reads it."""
        return self.county.services.signer.verify(joined["url"].partition("ticket=")[2])

    async def register(self, action: str) -> list[dict[str, Any]]:
        """What the register says of an action."""
        async with self.county.services.reader.connect() as connection:
            rows = await connection.execute(
                sa.text("SELECT * FROM audit_log WHERE action = :action ORDER BY sequence"),
                {"action": action},
            )
            return [dict(row) for row in rows.mappings()]


@contextlib.asynccontextmanager
async def meeting_people(county: County) -> AsyncIterator[People]:
    await county.user("convener", "convener", county.town, home=county.town)
    await county.user("tv", "site", county.village, home=county.village)
    await county.user("stranger", "convener", county.other_town)
    # Its door need not open here: where it is, is all that is asked.
    await county.write(
        "processes.report", name=SHARD, kind="shard", node="here", process_id=1, started_us=1,
        http_address="127.0.0.1", http_port=1,
    )  # fmt: skip
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(await county.sign_in(name))
            for name in ("convener", "tv", "stranger", None)
        ]
        yield People(county, *clients)
