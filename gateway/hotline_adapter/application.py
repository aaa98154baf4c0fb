"""The adapter's own routes: orders from the hotline, news from the gateway. Every request is signed
by who sends it, fresh, and dealt with once.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.hotline_adapter.adapter import Adapter
from gateway.hotline_adapter.gateway_client import Away, Refused
from gateway.hotline_adapter.memory import Memory
from gateway.hotline_adapter.orders import (
    Supplement,
    Told,
    Urging,
    Visit,
    Webhook,
    Withdrawal,
    WorkOrder,
)
from gateway.hotline_adapter.signing import SignatureRefused, verified_nonce
from gateway.outbox.signing import verified_id
from gateway.settings.hotline import HotlineAdapterSettings

_BODY_BYTES = 256 * 1024

Form = TypeVar("Form", bound=BaseModel)
Work = Callable[[Request, bytes], Awaitable[dict[str, Any]]]


def hotline_application(
    settings: HotlineAdapterSettings, adapter: Adapter, memory: Memory
) -> Starlette:
    """The ASGI application."""
    doors = _Doors(settings, adapter, memory)
    signed = doors.from_hotline
    return Starlette(
        routes=[
            Route("/orders", signed(doors.open), methods=["POST"]),
            Route("/orders/{order_no}", signed(doors.read), methods=["GET"]),
            Route("/orders/{order_no}/urge", signed(doors.urge), methods=["POST"]),
            Route("/orders/{order_no}/supplement", signed(doors.supplement), methods=["POST"]),
            Route("/orders/{order_no}/withdraw", signed(doors.withdraw), methods=["POST"]),
            Route("/orders/{order_no}/visit", signed(doors.visit), methods=["POST"]),
            Route("/webhooks", doors.from_gateway, methods=["POST"]),
        ]
    )


class _Doors:
    def __init__(self, settings: HotlineAdapterSettings, adapter: Adapter, memory: Memory) -> None:
        self._settings = settings
        self._adapter = adapter
        self._memory = memory
        self._under_way: set[str] = set()

    def from_hotline(self, work: Work) -> Callable[[Request], Awaitable[Response]]:
        """A route for requests that the hotline has signed."""

        async def answer(request: Request) -> Response:
            try:
                body = await _read(request)
                nonce = self._hotline_nonce(request, body)
            except SignatureRefused as refusal:
                return _failure(401, "signature_refused", str(refusal))
            except _TooLarge:
                return _failure(413, "too_large", f"at most {_BODY_BYTES} bytes are taken here")
            except ClientDisconnect:
                return Response(status_code=400)
            return await self._once(f"hotline:{nonce}", lambda: work(request, body), 409)

        return answer

    async def from_gateway(self, request: Request) -> Response:
        """The gateway's webhook."""
        secret = self._settings.webhook_secret
        try:
            body = await _read(request)
            message_id = verified_id(
                [secret.get_secret_value() if secret else ""], request.headers, body, time.time()
            )
        except _TooLarge:
            return _failure(413, "too_large", f"at most {_BODY_BYTES} bytes are taken here")
        except ClientDisconnect:
            return Response(status_code=400)
        except ValueError as refusal:
            return _failure(401, "signature_refused", str(refusal))

        async def pass_back() -> dict[str, Any]:
            news = Webhook.model_validate_json(body)
            if news.type.startswith("incident."):
                await self._adapter.pass_back(message_id, Told.model_validate(news.data))
            return {}

        # The gateway is told that what it sends again has arrived.
        return await self._once(f"gateway:{message_id}", pass_back, 200)

    async def open(self, _: Request, body: bytes) -> dict[str, Any]:
        """A new order."""
        return await self._adapter.take_order(_form(WorkOrder, body))

    async def read(self, request: Request, _: bytes) -> dict[str, Any]:
        """How it stands."""
        return await self._adapter.read(request.path_params["order_no"])

    async def urge(self, request: Request, body: bytes) -> dict[str, Any]:
        """It is urgent now."""
        await self._adapter.urge(request.path_params["order_no"], _form(Urging, body))
        return {}

    async def supplement(self, request: Request, body: bytes) -> dict[str, Any]:
        """More was told."""
        await self._adapter.supplement(request.path_params["order_no"], _form(Supplement, body))
        return {}

    async def withdraw(self, request: Request, body: bytes) -> dict[str, Any]:
        """It is taken back."""
        await self._adapter.withdraw(request.path_params["order_no"], _form(Withdrawal, body))
        return {}

    async def visit(self, request: Request, body: bytes) -> dict[str, Any]:
        """The citizen was asked."""
        await self._adapter.visit(request.path_params["order_no"], _form(Visit, body))
        return {}

    def _hotline_nonce(self, request: Request, body: bytes) -> str:
        secret = self._settings.hotline_secret
        return verified_nonce(
            self._settings.hotline_id,
            secret.get_secret_value() if secret else "",
            request.method,
            request.url.path,
            body,
            request.headers,
            time.time(),
        )

    async def _once(
        self, message_id: str, work: Callable[[], Awaitable[dict[str, Any]]], again: int
    ) -> Response:
        """Do it, and remember that afterwards: what fails may be sent again."""
        with self._alone(message_id) as is_alone:
            if not is_alone:
                return _failure(503, "under_way", "this very message is being dealt with")
            if await self._memory.has_seen(message_id):
                if again < 300:
                    return JSONResponse({}, again)
                return _failure(again, "replayed", "this very request came before: sign a new one")
            try:
                answer = await work()
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(("body", *(str(one) for one in first["loc"])))
                return _failure(422, "invalid", f"{where}: {first['msg']}")
            except Refused as refusal:
                return _failure(refusal.status, refusal.code, str(refusal))
            except Away as failure:
                return _failure(503, "unavailable", f"{failure}: try again", {"Retry-After": "10"})
            await self._memory.note_seen(message_id, int(time.time()))
        return JSONResponse(answer)

    @contextlib.contextmanager
    def _alone(self, message_id: str) -> Iterator[bool]:
        if message_id in self._under_way:
            yield False
            return
        self._under_way.add(message_id)
        try:
            yield True
        finally:
            self._under_way.discard(message_id)


class _TooLarge(Exception):
    pass


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _BODY_BYTES:
            raise _TooLarge
    return bytes(body)


def _form(kind: type[Form], body: bytes) -> Form:
    return kind.model_validate_json(body)


def _failure(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
