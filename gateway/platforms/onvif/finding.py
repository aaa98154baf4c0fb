"""Devices that are not known yet: searched for, and asked once what they are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from camera_adapters.onvif.addresses import DEVICE_SERVICE_PATH, base_of
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.description import describe
from camera_adapters.onvif.exchange import OnvifError, is_secure_port
from camera_adapters.onvif.search import FoundDevice, search
from gateway.control.channel import ControlError
from gateway.platforms.onvif.facts import channel_rows, device_facts, refusal
from gateway.platforms.onvif.held_device import Shared
from gateway.platforms.operations import DeviceRefused

_TARGETS_LIMIT = 5000
_ABREAST = 4
_REFUSALS_IN_A_ROW = 2


class Finding:
    """The calls ``platforms.probe``, ``platforms.probe_many`` and ``platforms.discover``."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._settings = shared.context.settings.onvif

    async def probe(
        self,
        kind: str,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        service_path: str | None = None,
    ) -> dict[str, Any]:
        """Describe one device: {facts, channels}. One try of the password, two where the device
        wants HTTP's digest, and none where it refused two already. ``service_path``: where its
        device service is, unless it is where most have it.
        """
        if kind != "onvif":
            raise ControlError("invalid", "only ONVIF devices can be asked before they are added")
        try:
            return await self._describe(host, port, service_path, username or "", password or "")
        except DeviceRefused as error:
            raise ControlError(error.code, str(error)) from None

    async def probe_many(
        self, targets: Sequence[Mapping[str, Any]], username: str, password: str
    ) -> AsyncIterator[dict[str, Any]]:
        """One account for many devices ({host, port, service_path?}): one alone until it was
        accepted, then a few at a time. A refusal before that ends it, and two in a row afterwards.

        Gives {type: "probed", host, port, facts, channels} or {type: "refused", host, port, code,
        message} for each as they come, and {type: "stopped", left, message} where it ended early.
        Closing it ends it.
        """
        if len(targets) > _TARGETS_LIMIT:
            raise ControlError("invalid", f"at most {_TARGETS_LIMIT} devices at a time")
        waiting = deque(targets)
        trying: set[asyncio.Task[dict[str, Any]]] = set()
        accepted = stopped = False
        refused = 0
        try:
            while trying or (waiting and not stopped):
                while waiting and not stopped and len(trying) < (_ABREAST if accepted else 1):
                    one = self._try(waiting.popleft(), username, password)
                    trying.add(asyncio.create_task(one))
                done, trying = await asyncio.wait(trying, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    told = task.result()
                    if told["type"] == "probed":
                        accepted, refused = True, 0
                    elif told["code"] == "refused":
                        refused += 1
                        stopped |= not accepted or refused >= _REFUSALS_IN_A_ROW
                    yield told
        finally:
            for task in trying:
                task.cancel()
            await asyncio.gather(*trying, return_exceptions=True)
        if waiting:
            message = "the password was refused, and is tried at no further device: check it first"
            yield {"type": "stopped", "left": len(waiting), "message": message}

    async def _try(self, target: Mapping[str, Any], username: str, password: str) -> dict[str, Any]:
        host, port = str(target["host"]), int(target["port"])
        told = {"host": host, "port": port}
        path = target.get("service_path")
        try:
            found = await self._describe(host, port, path, username, password)
        except DeviceRefused as error:
            return {"type": "refused", **told, "code": error.code, "message": str(error)}
        return {"type": "probed", **told, **found}

    async def discover(
        self,
        interfaces: Sequence[str] | None = None,
        ranges: Sequence[str] | None = None,
        ports: Sequence[int] | None = None,
        rate_per_s: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Search; what is not given is as the settings say, and none goes faster than they do."""
        settings = self._settings
        found = search(
            self._shared.session,
            interfaces=settings.interfaces if interfaces is None else interfaces,
            ranges=settings.ranges if ranges is None else ranges,
            ports=settings.ports if ports is None else ports,
            rate=min(rate_per_s or settings.rate_per_s, settings.rate_per_s),
        )
        count = 0
        try:
            async for news in found:
                if isinstance(news, FoundDevice):
                    count += 1
                    yield _told(news)
                else:
                    yield {
                        "type": "progress",
                        "probed": news.addresses,
                        "total": news.of_addresses,
                    }
        except ValueError as error:
            raise ControlError("invalid", str(error)) from None
        finally:
            await found.aclose()
        yield {"type": "end", "found": count}

    async def _describe(
        self, host: str, port: int, service_path: str | None, username: str, password: str
    ) -> dict[str, Any]:
        shared = self._shared
        client = OnvifClient(
            shared.session,
            host,
            port,
            username,
            password,
            path=service_path or DEVICE_SERVICE_PATH,
            secure=is_secure_port(port),
            tries=shared.tries,
        )
        async with shared.describing:
            try:
                description = await describe(client, {})
            except OnvifError as error:
                raise refusal(error) from None
        return {
            "facts": device_facts(description, client),
            "channels": [
                {**asdict(one), "facts": dict(one.facts)} for one in channel_rows(description)
            ],
        }


def _told(found: FoundDevice) -> dict[str, Any]:
    information = found.information
    return {
        "type": "found",
        "host": found.host,
        "port": found.port,
        "service_url": base_of(found.host, found.port, secure=found.secure) + found.path,
        "name": found.name or information.model,
        "hardware": found.hardware or information.model,
        "manufacturer": information.manufacturer,
        "how": found.how,
        "scopes": {"location": found.location},
    }
