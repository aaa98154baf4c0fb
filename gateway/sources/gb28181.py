"""``gb28181://PLATFORM_ID/CHANNEL_CODE``: media received here, by a dialog that signalling holds.

A restart of signalling ends no media: the dialog is asked for again by its name, and only when it
turns out to be over is the session.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.gb28181.dialogs import (
    ControlAction,
    DialogEvent,
    FileEnd,
    OpenDialog,
    SessionEnded,
    SessionRefused,
)
from camera_adapters.gb28181.media_ports import PortPool
from camera_adapters.gb28181.media_terms import MediaAnswer, MediaOffer, MediaTransport
from camera_adapters.gb28181.source import MediaPlace
from gateway.cluster.interface import number_of
from gateway.control.channel import ControlClient, ControlError, ControlStream
from gateway.database.platform_tables import platforms
from gateway.settings import Settings

_log = structlog.get_logger(__name__)

# Signalling keeps a dialog for 30 s behind its own restart.
_RESUME_FOR_S = 28.0
_RESUME_EVERY_S = 0.5
_FIRST_ITEM_S = 40.0
_AWAY_RETRY_S = 2.0
_CODES = {
    "offline": "platform_offline",
    "refused": "declined",
    "not_found": "channel_not_found",
    "timed_out": "no_answer",
    "unknown_call": "signalling_away",
    "failed": "signalling_away",
    "cancelled": "signalling_away",
}
_LOST = frozenset({"cancelled", "unavailable", "unknown_call", "busy"})


@dataclass(frozen=True, slots=True)
class GbAddress:
    """What an address names. ``stream`` is ``main`` or ``sub``."""

    platform_id: str
    channel: str
    stream: str = "main"


def parse_address(url: str) -> GbAddress:
    """Read ``gb28181://PLATFORM_ID/CHANNEL_CODE[?stream=sub]``. Raises ValueError."""
    scheme, _, rest = url.partition("://")
    path, _, query = rest.partition("?")
    platform_id, _, channel = path.partition("/")
    if scheme.lower() != "gb28181" or not platform_id or not channel:
        raise ValueError("write gb28181://PLATFORM_ID/CHANNEL_CODE")
    return GbAddress(platform_id, channel, "sub" if query == "stream=sub" else "main")


def media_place(settings: Settings, process: str) -> MediaPlace:
    """Where ``process`` (``shard-2``, ``footage-1``) receives media: its part of the range."""
    chosen = settings.gb28181
    address = chosen.media_address or chosen.address
    advertised = chosen.media_advertise_address or chosen.advertise_address or ""
    if not advertised and address not in ("0.0.0.0", "::"):
        advertised = address
    if not chosen.media_ports:
        return MediaPlace(PortPool(), address, advertised)
    first, last = (int(one) for one in chosen.media_ports.split("-"))
    shards, servers = settings.shards.count, settings.footage.count
    index = number_of(process) - 1 + (shards if process.startswith("footage") else 0)
    each = (last - first + 1) // (shards + servers) & ~1
    start = first + (first & 1) + index * each
    return MediaPlace(PortPool(start, min(start + each - 1, last)), address, advertised)


async def platform_transport(reader: AsyncEngine, platform_id: str) -> MediaTransport:
    """How the platform's media come, as its options say. Raises SessionRefused when it is gone."""
    async with reader.connect() as connection:
        row = await connection.execute(
            sa.select(platforms.c.options).where(platforms.c.id == platform_id)
        )
        options: Mapping[str, Any] | None = row.scalar_one_or_none()
    if options is None:
        raise SessionRefused("platform_offline", "the platform of this camera has been removed")
    match options.get("media_transport"):
        case "udp":
            return "udp"
        case "tcp_active":
            return "tcp_active"
    return "tcp_passive"


def dialogs(
    signalling: ControlClient, address: GbAddress, purpose: str, **more: int | float | None
) -> OpenDialog:
    """Opens ``media.session`` for each offer; ``more`` are its further arguments."""

    @contextlib.asynccontextmanager
    async def opened(offer: MediaOffer) -> AsyncIterator[SignallingDialog]:
        arguments: dict[str, Any] = {
            "platform_id": address.platform_id,
            "channel": address.channel,
            "purpose": purpose,
            "address": offer.address,
            "port": offer.port,
            "transport": offer.transport,
            "stream": address.stream,
            **more,
        }
        dialog = SignallingDialog(signalling, arguments)
        try:
            await dialog.open()
            yield dialog
        finally:
            await dialog.close()

    return opened


class SignallingDialog:
    """A :class:`~camera_adapters.gb28181.dialogs.MediaDialog` over the control channel."""

    def __init__(self, signalling: ControlClient, arguments: dict[str, Any]) -> None:
        self.answer: MediaAnswer
        self._signalling = signalling
        self._arguments = arguments
        self._stream: ControlStream | None = None
        self._refusal: SessionRefused | None = None

    async def open(self) -> None:
        """Have the device invited. Raises SessionRefused."""
        try:
            async with asyncio.timeout(_FIRST_ITEM_S):
                first = await self._begin()
        except ControlError as error:
            raise SessionRefused(_CODES.get(error.code, error.code), str(error)) from None
        except TimeoutError:
            raise SessionRefused("no_answer", "the device does not answer the INVITE") from None
        except (ConnectionError, StopAsyncIteration):
            raise SessionRefused(
                "signalling_away", "signalling is just being restarted", _AWAY_RETRY_S
            ) from None
        self.answer = read_answer(first)

    async def next_event(self) -> DialogEvent:
        """See :class:`~camera_adapters.gb28181.dialogs.MediaDialog`."""
        while True:
            assert self._stream is not None
            try:
                item = await self._stream.__anext__()
            except (ConnectionError, StopAsyncIteration):
                ended = await self._resume()
            except ControlError as error:
                if error.code not in _LOST:
                    return SessionEnded(_CODES.get(error.code, error.code), str(error))
                ended = await self._resume()
            else:
                event = self._read(item)
                if event is not None:
                    return event
                continue
            if ended is not None:
                return ended

    async def control(self, action: ControlAction, **arguments: float | int) -> None:
        """See :class:`~camera_adapters.gb28181.dialogs.MediaDialog`."""
        if self._stream is None:
            raise SessionRefused("signalling_away", "there is no session")
        try:
            await self._stream.send({"action": action, **arguments})
        except (ConnectionError, ControlError) as error:
            raise SessionRefused("signalling_away", str(error)) from None

    async def close(self) -> None:
        """Lose interest: signalling says BYE."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    async def _begin(self, resume: str | None = None) -> Mapping[str, Any]:
        arguments = self._arguments if resume is None else {**self._arguments, "resume": resume}
        self._stream = self._signalling.stream("media.session", **arguments)
        first: Mapping[str, Any] = await self._stream.__anext__()
        return first

    async def _resume(self) -> SessionEnded | None:
        """Take the dialog up again; None when that worked."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + _RESUME_FOR_S
        while loop.time() < ends:
            try:
                async with asyncio.timeout(_FIRST_ITEM_S):
                    await self._begin(self.answer.dialog)
                _log.info("a media session was resumed", dialog=self.answer.dialog)
                return None
            except ControlError as error:
                if error.code not in _LOST:
                    return SessionEnded("session_lost", f"the session is over: {error}")
            except (ConnectionError, StopAsyncIteration, TimeoutError):
                pass
            await asyncio.sleep(_RESUME_EVERY_S)
        return SessionEnded("signalling_away", "signalling does not come back")

    def _read(self, item: Mapping[str, Any]) -> DialogEvent | None:
        match item:
            case {"type": "ended", "cause": str(cause), "detail": str(detail)}:
                return SessionEnded("device_ended" if cause == "bye" else "session_lost", detail)
            case {"type": "file_end"}:
                return FileEnd()
            case {"type": "control_failed", "detail": str(detail)}:
                _log.warning("a device does not follow", detail=detail)
        return None


def read_answer(item: Mapping[str, Any]) -> MediaAnswer:
    """The first item of ``media.session``."""
    formats = {
        int(number): str(name)
        for number, name in dict(item.get("formats") or {}).items()
        if str(number).isdigit()
    }
    return MediaAnswer(
        str(item["address"]),
        int(item["port"]),
        item.get("ssrc"),
        formats,
        bool(item.get("any_ssrc")),
        item.get("file_bytes"),
        str(item.get("dialog") or ""),
        str(item.get("registered_host") or ""),
    )
