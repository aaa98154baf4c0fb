"""The gateway as the adapter sees it: its HTTP API by a token."""

from __future__ import annotations

from typing import Any

import aiohttp

from gateway.settings.hotline import HotlineAdapterSettings

_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)


class Refused(Exception):
    """The other side will not have it, now or later. ``code`` and the message are its own."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Away(Exception):
    """The other side cannot be asked at the moment: try again."""


class GatewayClient:
    """Asks, and tells apart what was refused from what only failed."""

    def __init__(self, settings: HotlineAdapterSettings, session: aiohttp.ClientSession) -> None:
        self._url = settings.upstream.rstrip("/")
        token = settings.token.get_secret_value() if settings.token else ""
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept-Encoding": "identity",
            "X-Gridsight": "1",
        }
        self._session = session

    async def open(self, form: dict[str, Any]) -> dict[str, Any]:
        """The incident. Raises Refused, Away."""
        return await self._ask("POST", "/api/incidents", form)

    async def read(self, incident_id: str) -> dict[str, Any]:
        """Everything about it. Raises Refused, Away."""
        return await self._ask("GET", f"/api/incidents/{incident_id}")

    async def take(self, incident_id: str, step: dict[str, Any]) -> None:
        """Do something with it. Raises Refused, Away."""
        await self._ask("POST", f"/api/incidents/{incident_id}/steps", step)

    async def area_id(self, code: str) -> str | None:
        """The area with this code. Raises Refused, Away."""
        query = {"query": code, "axis": "area", "limit": "100"}
        found = await self._ask("GET", "/api/areas/search", query=query)
        return next((one["id"] for one in found["items"] if one["code"] == code), None)

    async def category_id(self, name: str) -> str | None:
        """The category of this name. Raises Refused, Away."""
        found = await self._ask("GET", "/api/incident-categories")
        return next((one["id"] for one in found["items"] if one["name"] == name), None)

    async def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        try:
            async with self._session.request(
                method, self._url + path, json=body, params=query, headers=self._headers,
                allow_redirects=False, timeout=_TIMEOUT,
            ) as answer:  # fmt: skip
                document = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Away(f"the gateway: {error or type(error).__name__}") from None
        if answer.status >= 500 or answer.status == 429:
            raise Away(f"the gateway answers {answer.status}")
        if answer.status >= 400:
            said = document["error"]
            raise Refused(answer.status, said["code"], said["message"])
        found: dict[str, Any] = document
        return found
