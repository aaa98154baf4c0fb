"""Devices that are not known yet: searched for, and asked once what they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any

from camera_adapters.onvif.addresses import base_of
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.description import describe
from camera_adapters.onvif.exchange import OnvifError, is_secure_port
from camera_adapters.onvif.search import FoundDevice, search
from gateway.control.channel import ControlError
from gateway.platforms.onvif.facts import channel_rows, device_facts, refusal
from gateway.platforms.onvif.held_device import Shared
from gateway.platforms.operations import DeviceRefused

_TARGETS_LIMIT = 5000


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
    ) -> dict[str, Any]:
        """Describe one device: {facts, channels}. One try of the password, two where the device
        wants HTTP's digest, and none where it refused two already.
        """
        if kind != "onvif":
            raise ControlError("invalid", "only ONVIF devices can be asked before they are added")
        try:
            return await self._describe(host, port, username or "", password or "")
        except DeviceRefused as error:
            raise ControlError(error.code, str(error)) from None

    async def probe_many(
        self, targets: Sequence[Sequence[Any]], username: str, password: str
    ) -> AsyncIterator[dict[str, Any]]:
        """One account for many devices (``[host, port]``): the first alone, and the rest only when
        it was accepted there. Two refusals in a row among the rest end it, too.

        Gives {type: "probed", host, port, facts, channels} or {type: "refused", host, port, code,
        message} for each, and {type: "stopped", left, message} where it ended early.
        """
        if len(targets) > _TARGETS_LIMIT:
            raise ControlError("invalid", f"at most {_TARGETS_LIMIT} devices at a time")
        refused = accepted = 0
        for number, (host, port) in enumerate(targets):
            told = {"host": str(host), "port": int(port)}
            try:
                found = await self._describe(str(host), int(port), username, password)
            except DeviceRefused as error:
                yield {"type": "refused", **told, "code": error.code, "message": str(error)}
                if error.code == "refused":
                    refused += 1
                    if not accepted or refused >= 2:
                        yield {
                            "type": "stopped",
                            "left": len(targets) - number - 1,
                            "message": "the password was refused, and is tried at no further "
                            "device: check it first",
                        }
                        return
            else:
                accepted += 1
                refused = 0
                yield {"type": "probed", **told, **found}

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

    async def _describe(self, host: str, port: int, username: str, password: str) -> dict[str, Any]:
        shared = self._shared
        client = OnvifClient(
            shared.session,
            host,
            port,
            username,
            password,
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
