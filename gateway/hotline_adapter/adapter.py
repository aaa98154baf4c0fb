"""What is done with an order, and with news of an incident."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog

from gateway.hotline_adapter.gateway_client import Away, GatewayClient, Refused
from gateway.hotline_adapter.memory import Memory
from gateway.hotline_adapter.orders import (
    Supplement,
    Told,
    Urging,
    Visit,
    Withdrawal,
    WorkOrder,
    area_codes,
    feedback,
    incident_form,
    status_of,
    urge_step,
    visit_steps,
)
from gateway.hotline_adapter.signing import signed_headers
from gateway.settings.hotline import HotlineAdapterSettings

_log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=15, connect=5)
# What a hotline says of what it will never take; anything else it may take later.
_NEVER = frozenset({400, 404, 409, 410, 422})


class Adapter:
    """Between the two. Whatever fails is tried again by who sent it: nothing is kept waiting
    here, and what comes twice does the same once more.
    """

    def __init__(
        self,
        settings: HotlineAdapterSettings,
        gateway: GatewayClient,
        session: aiohttp.ClientSession,
        memory: Memory,
    ) -> None:
        self._settings = settings
        self._gateway = gateway
        self._session = session
        self._memory = memory

    async def take_order(self, order: WorkOrder) -> dict[str, Any]:
        """Open an incident. Raises Refused, Away."""
        area_id = await self._area_id(order.area_code)
        name = self._settings.categories.get(order.type_code)
        category_id = None if name is None else await self._gateway.category_id(name)
        form = incident_form(order, area_id, category_id, self._settings.coordinates)
        incident = await self._gateway.open(form)
        await self._memory.note_order(order.order_no, incident["id"])
        return {"orderNo": order.order_no, "number": incident["number"]}

    async def urge(self, order_no: str, said: Urging) -> None:
        """Hurry the unit; where none has it yet, it stands in the history. Raises Refused, Away."""
        incident_id = await self._incident_id(order_no)
        try:
            await self._gateway.take(incident_id, urge_step(said))
        except Refused as refusal:
            if refusal.code != "conflict":
                raise
            words = f"热线催办：{said.words}" if said.words else "热线催办"
            await self._gateway.take(incident_id, {"kind": "comment", "words": words})

    async def supplement(self, order_no: str, said: Supplement) -> None:
        """What else the citizen told stands in the history. Raises Refused, Away."""
        incident_id = await self._incident_id(order_no)
        words = f"来电补充：{said.words}"
        await self._gateway.take(incident_id, {"kind": "comment", "words": words})

    async def withdraw(self, order_no: str, said: Withdrawal) -> None:
        """The hotline has it again. Raises Refused, Away."""
        incident_id = await self._incident_id(order_no)
        words = f"热线收回：{said.words}"
        step = {"kind": "close", "result": "passed_on", "words": words}
        await self._gateway.take(incident_id, step)

    async def visit(self, order_no: str, said: Visit) -> None:
        """Rate it, and have it go on where it is not settled. Raises Refused, Away."""
        incident_id = await self._incident_id(order_no)
        for step in visit_steps(said):
            try:
                await self._gateway.take(incident_id, step)
            except Refused as refusal:
                # A rating is given once; what is asked again may still be reopened.
                if step["kind"] != "rate" or not said.again or refusal.code != "conflict":
                    raise

    async def read(self, order_no: str) -> dict[str, Any]:
        """How an order stands. Raises Refused, Away."""
        incident = await self._gateway.read(await self._incident_id(order_no))
        return {
            "orderNo": order_no,
            "number": incident["number"],
            "state": incident["state"],
            "light": incident["light"],
            "unit": incident["unit"]["name"] if incident["unit"] else None,
            "result": incident["result"],
            "words": incident["result_words"],
        }

    async def pass_back(self, message_id: str, told: Told) -> None:
        """Tell the hotline of a step, if it is of one of its orders. What the hotline will never
        take is said in the incident's history, so that people see it. Raises Refused, Away.
        """
        incident_id = told.id
        order_numbers = await self._memory.orders_of(incident_id)
        if not order_numbers or status_of(told.step) is None:
            return
        incident = await self._gateway.read(incident_id)
        for order_no in order_numbers:
            document = feedback(order_no, f"{message_id}-{order_no}", told, incident)
            why = await self._tell_hotline(document)
            if why is not None:
                words = f"热线未接收反馈（{document['status']}）：{why}"
                await self._gateway.take(incident_id, {"kind": "comment", "words": words})
        if incident["merged_into"] is not None:
            await self._memory.note_merged(incident_id, incident["merged_into"])

    async def _tell_hotline(self, document: dict[str, Any]) -> str | None:
        """Why it will never take this; None where it has. Raises Away."""
        url = self._settings.hotline_url.rstrip("/") + "/feedback"
        body = json.dumps(document, ensure_ascii=False).encode()
        secret = self._settings.hotline_secret
        headers = signed_headers(
            self._settings.hotline_id,
            secret.get_secret_value() if secret else "",
            "POST",
            urlsplit(url).path,
            body,
            int(time.time()),
            secrets.token_hex(16),
        )
        headers["Content-Type"] = "application/json"
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False, timeout=_TIMEOUT
            ) as answer:
                await answer.content.read(4096)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Away(f"the hotline: {error or type(error).__name__}") from None
        if 200 <= answer.status < 300:
            return None
        if answer.status in _NEVER:
            _log.warning(
                "the hotline refuses feedback", order=document["orderNo"], status=answer.status
            )
            return f"HTTP {answer.status}"
        raise Away(f"the hotline answers {answer.status}")

    async def _incident_id(self, order_no: str) -> str:
        incident_id = await self._memory.incident_of(order_no)
        if incident_id is None:
            raise Refused(404, "not_found", "no order of this number came here")
        return incident_id

    async def _area_id(self, code: str) -> str:
        for one in area_codes(code):
            area_id = await self._gateway.area_id(one)
            if area_id is not None:
                return area_id
        fallback = self._settings.fallback_area_code
        area_id = await self._gateway.area_id(fallback) if fallback else None
        if area_id is None:
            raise Refused(
                422, "invalid", "no area has this areaCode: send one of the county's divisions"
            )
        return area_id
