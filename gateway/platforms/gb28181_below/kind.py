"""Everything that registers here by GB/T 28181, within the signalling process."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
import structlog

from camera_adapters.gb28181.invitation import SsrcPool, Wanted
from camera_adapters.gb28181.registrar import (
    Account,
    Applied,
    Came,
    Gone,
    Moved,
    Refused,
    Registrar,
    RegistrarEvent,
    RegistrarLimits,
)
from camera_adapters.sip.endpoint import IncomingRequest, SipEndpoint
from camera_adapters.sip.peer import Peer
from gateway.cluster.child import ConfigurationError
from gateway.control.channel import ControlError
from gateway.database.gb28181_tables import gb28181_dialogs
from gateway.database.platform_tables import platform_states
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.context import SignallingContext
from gateway.platforms.gb28181_below.channels_off import put_channels_off
from gateway.platforms.gb28181_below.devices import NOT_REGISTERED, Device
from gateway.platforms.gb28181_below.fetching import Fetching
from gateway.platforms.gb28181_below.hearing import Hearing
from gateway.platforms.gb28181_below.media import MediaSession, MediaSessions
from gateway.platforms.gb28181_below.operations import GbOperations
from gateway.platforms.gb28181_below.queries import Queries
from gateway.platforms.gb28181_below.speaking import Speaker
from gateway.platforms.operations import DesiredPlatform, DeviceRefused, Direction
from gateway.platforms.options import Gb28181BelowOptions

_log = structlog.get_logger(__name__)

_POLL_S = 1.0
_LOADED_WITHIN_S = 15.0
_ROWS_AT_ONCE = 500

_GONE = {
    "unregistered": ("unregistered", "it signed off"),
    "expired": ("expired", "its registration ran out and was not renewed"),
    "silent": ("silent", "it missed its keepalives"),
    "removed": (NOT_REGISTERED, "its account was changed: it has to register again"),
}


class Gb28181Below:
    """A :class:`gateway.platforms.operations.PlatformKind`."""

    kind = "gb28181"
    direction: Direction = "below"

    def __init__(self, context: SignallingContext) -> None:
        settings = context.settings.gb28181
        self._context = context
        self._settings = settings
        self._zone = zone_of(settings.zone)
        self._devices: dict[str, Device] = {}
        self._by_code: dict[str, Device] = {}
        self._loaded = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.endpoint = SipEndpoint(
            self._on_request,
            user_agent="gridsight",
            advertise=settings.advertise_address or "",
            on_malformed=self._on_malformed,
        )
        self._registrar = Registrar(
            settings.effective_domain,
            # Of this process: an answer that was overheard before a restart is worth nothing.
            secrets.token_bytes(32),
            self._account,
            limits=RegistrarLimits(
                settings.expires_s_minimum,
                settings.expires_s_limit,
                settings.keepalive_s,
                settings.keepalives_missed,
            ),
            newcomers_password=(
                settings.password.get_secret_value() if settings.password else None
            ),
            algorithms=tuple(settings.digest_algorithms),
        )
        speaker = Speaker(self.endpoint, settings.code, settings.effective_domain)
        self._speaker = speaker
        self._queries = Queries()
        self._media = MediaSessions(speaker, self._queries, context.rows, SsrcPool(settings.code))
        self._hearing = Hearing(
            self._registrar,
            self._queries,
            self._media,
            speaker,
            self._by_code,
            context.rows,
            context.on_event,
        )
        self._fetching = Fetching(speaker, self._queries, self._hearing.notified)
        self._hearing.fetching = self._fetching
        self._media.on_document = self._hearing.notified

    async def start(self) -> None:
        """Listen. Raises ConfigurationError when the address or port cannot be had."""
        address, port = self._settings.address, self._settings.port
        try:
            await self.endpoint.open(address, port)
        except OSError as error:
            raise ConfigurationError(
                f"gb28181.address {address} and gb28181.port {port} cannot be listened on: {error}"
            ) from None
        self._polling = asyncio.create_task(self._poll())
        _log.info(
            "GB/T 28181 devices can register",
            address=address,
            port=self.endpoint.port,
        )

    async def close(self) -> None:
        """Stop without a word: registrations and media go on after a restart."""
        if self._polling is not None:
            self._polling.cancel()
        for device in self._devices.values():
            device.close()
        for task in self._tasks:
            task.cancel()
        await self._media.close()
        await self.endpoint.close()

    # ------------------------------------------------------------- reconcile

    async def reconcile(self, platforms: Mapping[str, DesiredPlatform]) -> None:
        """See PlatformKind."""
        for platform_id in self._devices.keys() - platforms.keys():
            self._drop(self._devices[platform_id])
        new = []
        for platform_id, platform in platforms.items():
            known = self._devices.get(platform_id)
            if known is not None and known.code != platform.code:
                self._drop(known)
                known = None
            if known is None:
                new.append(platform)
            elif known.platform.changed_us != platform.changed_us:
                self._change(known, platform)
        for start in range(0, len(new), _ROWS_AT_ONCE):
            await self._take(new[start : start + _ROWS_AT_ONCE])
        self._handle_events()
        self._loaded.set()

    async def _take(self, platforms: list[DesiredPlatform]) -> None:
        """Hold these, as they were when an earlier process let go of them."""
        ids = [platform.id for platform in platforms]
        async with self._context.reader.connect() as connection:
            states = {
                row.platform_id: row
                for row in await connection.execute(
                    sa.select(platform_states).where(platform_states.c.platform_id.in_(ids))
                )
            }
            dialogs = (
                (
                    await connection.execute(
                        sa.select(gb28181_dialogs).where(gb28181_dialogs.c.platform_id.in_(ids))
                    )
                )
                .mappings()
                .all()
            )
        now_s = asyncio.get_running_loop().time()
        for platform in platforms:
            device = Device(
                platform, platform.code or "", _options_of(platform), self._context.sink
            )
            self._devices[platform.id] = self._by_code[device.code] = device
            self._restore(device, states.get(platform.id), now_s)
            device.tell()
        # What an earlier process wrote of them may be older than their state.
        self._channels_off([one for one in platforms if self._devices[one.id].state != "online"])
        for row in dialogs:
            self._media.restore(self._devices[row["platform_id"]], dict(row))

    def _restore(self, device: Device, row: Any, now_s: float) -> None:
        if row is None:
            return
        device.facts, device.catalog = dict(row.facts), {"state": "none", **row.catalog}
        device.version = str(device.facts.pop("version", ""))
        if device.catalog["state"] == "fetching":
            device.catalog["state"] = "failed"
        left_us = (row.expires_us or 0) - now_us()
        known = row.host is not None and row.port is not None
        if known and left_us > 0 and row.state == "online":
            peer = Peer(row.host, row.port, "tcp" if row.transport == "tcp" else "udp")
            self._registrar.restore(device.code, peer, left_us / US_PER_S, now_s)
            self.endpoint.admission.know(peer)
            device.state, device.since_us = "online", row.since_us
            device.fault = device.detail = ""
            device.peer, device.expires_us, device.seen_us = peer, row.expires_us, row.seen_us
        elif row.state == "online":
            # It ran out while nobody looked.
            device.fault, device.detail = _GONE["expired"]
            device.seen_us = row.seen_us
            device.since_us = min(row.expires_us or row.since_us, device.since_us)
        elif row.state == "offline":
            device.since_us = row.since_us
            if row.fault:
                device.fault, device.detail = row.fault, row.detail

    def _change(self, device: Device, platform: DesiredPlatform) -> None:
        before, options = device.platform, device.options
        device.platform = platform
        device.options = _options_of(platform)
        if device.options != options and device.state == "online":
            self._fetching.greet(device)
        if (before.password, before.username) != (platform.password, platform.username):
            self._registrar.remove(device.code)

    def _drop(self, device: Device) -> None:
        self._registrar.remove(device.code)
        # What Gone would tell is nobody's any more.
        self._handle_events(forgotten=device.code)
        self._media.part_from(device)
        self._fetching.forget(device)
        device.close()
        if device.peer is not None:
            self.endpoint.admission.forget(device.peer)
        del self._devices[device.id]
        del self._by_code[device.code]

    # ----------------------------------------------------------- the platform

    async def refresh(self, platform_id: str) -> None:
        """See PlatformKind."""
        await self._fetching.refresh(self._held(platform_id))

    def operations(self, platform_id: str) -> GbOperations:
        """See PlatformKind."""
        return GbOperations(
            self._held(platform_id),
            self._speaker,
            self._queries,
            self._fetching,
            self._settings.zone,
        )

    def calls(self) -> Mapping[str, Callable[..., Any]]:
        """``media.session``."""
        return {"media.session": self.media_session}

    def figures(self) -> Mapping[str, float]:
        """For /metrics."""
        present = sum(device.state == "online" for device in self._devices.values())
        return {
            "gb28181_devices": float(len(self._devices)),
            "gb28181_devices_online": float(present),
            "gb28181_media_sessions": float(len(self._media)),
            **{f"gb28181_sip_{name}": float(n) for name, n in self.endpoint.figures().items()},
        }

    async def media_session(
        self,
        platform_id: str,
        channel: str,
        purpose: str,
        address: str,
        port: int,
        transport: str,
        incoming: AsyncIterator[Mapping[str, Any]],
        start_us: int | None = None,
        end_us: int | None = None,
        speed: float | None = None,
        reference: str | None = None,
        resume: str | None = None,
        stream: str = "main",
    ) -> AsyncIterator[dict[str, Any]]:
        """See docs/architecture.md. Raises ControlError with the code of the refusal."""
        try:
            session = await self._session(
                platform_id,
                channel,
                purpose,
                address,
                port,
                transport,
                start_us,
                end_us,
                speed,
                resume,
                stream,
            )
        except DeviceRefused as error:
            raise ControlError(error.code, str(error)) from None
        async with contextlib.aclosing(self._media.stream(session, incoming)) as items:
            async for item in items:
                yield item

    async def _session(
        self,
        platform_id: str,
        channel: str,
        purpose: str,
        address: str,
        port: int,
        transport: str,
        start_us: int | None,
        end_us: int | None,
        speed: float | None,
        resume: str | None,
        stream: str,
    ) -> MediaSession:
        # The first seconds after a restart: who is registered is just being read.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOADED_WITHIN_S):
                await self._loaded.wait()
        if resume:
            return self._media.resume(resume)
        device = self._held(platform_id)
        if purpose not in ("play", "playback", "download", "talk"):
            raise DeviceRefused("unsupported", f"there is no session for {purpose!r}")
        if transport not in ("udp", "tcp_passive", "tcp_active"):
            raise DeviceRefused("unsupported", f"there is no media transport {transport!r}")
        history = purpose in ("playback", "download")
        if history and (start_us is None or end_us is None or end_us <= start_us):
            raise DeviceRefused("device_error", "a recording needs a start and a later end")
        wanted = Wanted(
            channel,
            purpose,  # type: ignore[arg-type]
            # A receiver on every address leaves it to us which one the device can reach.
            address or self.endpoint.contact_host(device.reach()),
            port,
            transport,  # type: ignore[arg-type]
            start_s=(start_us or 0) // US_PER_S,
            end_s=-(-(end_us or 0) // US_PER_S),
            speed=speed,
            stream="sub" if stream == "sub" and device.options.sub_streams else "",
        )
        return await self._media.open(device, wanted)

    def _held(self, platform_id: str) -> Device:
        device = self._devices.get(platform_id)
        if device is None:
            raise DeviceRefused("not_found", "this platform is not held here: is it switched on?")
        return device

    # ------------------------------------------------------------ what comes

    def _account(self, code: str) -> Account | None:
        device = self._by_code.get(code)
        if device is None:
            return None
        password = device.platform.password
        if password is None and self._settings.password is not None:
            # Somebody entered this device here without a password of its own.
            password = self._settings.password.get_secret_value()
        return Account(password, device.platform.username, device.options.redirect_to)

    def _on_request(self, incoming: IncomingRequest) -> None:
        if incoming.request.method == "REGISTER":
            now_s = asyncio.get_running_loop().time()
            answer = self._registrar.register(
                incoming.request, incoming.reply_peer, now_s, datetime.now(self._zone)
            )
            incoming.respond(answer.status, headers=answer.headers)
        else:
            self._hearing.heard(incoming)
        self._handle_events()

    def _on_malformed(self, peer: Peer, why: str) -> None:
        """What is no SIP is dropped; where it comes from a device, its page says so."""
        self._blemish_at(peer, "bad_message", f"it sends what is no SIP: {why}")

    def _blemish_at(self, peer: Peer, fault: str, detail: str) -> None:
        registration = self._registrar.at(peer)
        device = None if registration is None else self._by_code.get(registration.code)
        if device is not None and device.state == "online":
            until_s = asyncio.get_running_loop().time() + 3.0 * self._settings.keepalive_s
            device.blemish(fault, detail, until_s)

    def _handle_events(self, forgotten: str = "") -> None:
        for event in self._registrar.events():
            if not isinstance(event, Applied) and _code_of(event) == forgotten:
                continue
            self._handle(event)

    def _handle(self, event: RegistrarEvent) -> None:
        now_s = asyncio.get_running_loop().time()
        if isinstance(event, Applied):
            version = f"GB/T 28181 version {event.version}" if event.version else ""
            self._context.sink.applicant(
                self.kind,
                event.code,
                host=event.peer.host,
                port=event.peer.port,
                transport=event.peer.transport,
                knows_password=event.knows_password,
                detail=version,
            )
            return
        device = self._by_code.get(_code_of(event))
        if device is None:
            return
        match event:
            case Came(registration, again):
                self.endpoint.admission.know(registration.peer)
                device.came(registration, now_s)
                if not again:
                    self._fetching.greet(device)
            case Moved(registration, before):
                self.endpoint.admission.forget(before)
                self.endpoint.admission.know(registration.peer)
                device.heard(registration.peer, now_s)
                self._media.moved(device, registration.peer)
                for session in device.subscriptions.values():
                    session.peer = registration.peer
            case Gone(registration, cause):
                self.endpoint.admission.forget(registration.peer)
                device.gone(*_GONE[cause])
                device.close()
                self._fetching.forget(device)
                self._channels_off([device.platform])
            case Refused(fault=fault, detail=detail, registered=registered):
                until_s = now_s + 3.0 * self._settings.keepalive_s
                if registered:
                    device.blemish(fault, detail, until_s)
                else:
                    device.gone(fault, detail, state="refused")

    def _channels_off(self, platforms: list[DesiredPlatform]) -> None:
        if not platforms:
            return
        context, ids = self._context, [one.id for one in platforms]
        task = asyncio.create_task(
            put_channels_off(context.reader, context.sink, ids, self._is_online)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_online(self, platform_id: str) -> bool:
        device = self._devices.get(platform_id)
        return device is None or device.state == "online"

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            try:
                self._look(asyncio.get_running_loop().time())
            except Exception:
                # Without it nobody would ever be offline again.
                _log.exception("devices could not be looked after; trying again")

    def _look(self, now_s: float) -> None:
        """Who fell silent, who floods, whose fault is over."""
        self._registrar.poll(now_s)
        self._handle_events()
        for peer in self.endpoint.admission.flooding():
            self._blemish_at(
                peer, "flooding", "it sends far too much: some of it is not read any more"
            )
        for device in self._devices.values():
            if device.fault_until_s is not None and now_s >= device.fault_until_s:
                device.fault, device.detail, device.fault_until_s = "", "", None
                device.tell()


def build(context: SignallingContext) -> Gb28181Below | None:
    """None without a port: nobody can register."""
    return Gb28181Below(context) if context.settings.gb28181.port else None


def zone_of(name: str) -> tzinfo:
    """The zone of this name; China's needs no table, and a machine may have none."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return timezone(timedelta(hours=8), "CST")


def _options_of(platform: DesiredPlatform) -> Gb28181BelowOptions:
    try:
        return Gb28181BelowOptions.model_validate(dict(platform.options))
    except ValueError:
        _log.error("a platform's options cannot be read", platform=platform.id)
        return Gb28181BelowOptions()


def _code_of(event: Came | Moved | Gone | Refused) -> str:
    return event.code if isinstance(event, Refused) else event.registration.code
