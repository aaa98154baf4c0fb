"""Where devices post their events to (WS-BaseNotification 1.3 §3.2: the consumer's side).

A small HTTP server of its own: it has one path a device, which nobody can guess, reads at most
1 MiB, and answers nothing but whether it understood. A device that floods is told to come later.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from aiohttp import web

from camera_adapters.onvif.allowance import Allowance
from camera_adapters.onvif.soap import SoapFault
from camera_adapters.onvif.xml_tree import Node, TreeReader, XmlError

BODY_BYTES_LIMIT = 1024 * 1024
_PATH = "/onvif/events/"


class NotificationServer:
    """Listens between :meth:`start` and :meth:`close`. ``url`` is how devices reach it."""

    def __init__(self, address: str, port: int, url: str) -> None:
        self.port = port
        self._address = address
        self._url = url.rstrip("/")
        self._consumers: dict[str, tuple[Callable[[Node], None], Allowance]] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Raises OSError where the address or port cannot be had."""
        application = web.Application(client_max_size=BODY_BYTES_LIMIT)
        application.router.add_post(_PATH + "{token}", self._receive)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, self._address, self.port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = runner.addresses[0][1]
        if not self._url:
            self._url = f"http://{self._address}:{self.port}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def open(self, consumer: Callable[[Node], None]) -> str:
        """An address for one device; ``consumer`` gets what is posted there, and may raise
        SoapFault.
        """
        token = secrets.token_urlsafe(24)
        self._consumers[token] = (consumer, Allowance())
        return f"{self._url}{_PATH}{token}"

    def forget(self, url: str) -> None:
        """Nothing is taken at this address any more."""
        self._consumers.pop(url.rpartition("/")[2], None)

    async def _receive(self, request: web.Request) -> web.Response:
        known = self._consumers.get(request.match_info["token"])
        if known is None:
            return web.Response(status=404)
        consumer, allowance = known
        if not allowance.take(time.monotonic()):
            return web.Response(status=429, headers={"Retry-After": "1"})
        reader = TreeReader(BODY_BYTES_LIMIT)
        try:
            async for piece in request.content.iter_chunked(32 * 1024):
                reader.feed(piece)
            consumer(reader.close())
        except XmlError:
            return web.Response(status=400)
        except SoapFault:
            return web.Response(status=400)
        return web.Response(status=200)
