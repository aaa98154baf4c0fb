"""One device, held: described, watched, its events taken, its clock compared and set."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import aiohttp
import sqlalchemy as sa
import structlog

from camera_adapters.device_events import DeviceEvent, DeviceEventKind, DeviceEventState
from camera_adapters.event_wait import wait_for_event
from camera_adapters.onvif import device
from camera_adapters.onvif.addresses import DEVICE_SERVICE_PATH
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.description import DescribedChannel, DeviceDescription, describe
from camera_adapters.onvif.event_source import ChannelNames, EventSource
from camera_adapters.onvif.exchange import OnvifError, OnvifFault, is_secure_port
from camera_adapters.onvif.notifications import NotificationServer
from camera_adapters.onvif.password_tries import WAIT_S, PasswordTries
from gateway.audit import AuditRecord, append
from gateway.control.channel import ControlError
from gateway.database.platform_tables import platform_channels
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.platforms.context import SignallingContext
from gateway.platforms.onvif.facts import channel_rows, device_facts, refusal, token_names
from gateway.platforms.operations import DesiredPlatform, DeviceRefused, PlatformState
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

HEARTBEAT_S = 60.0
_DESCRIBE_AGAIN_S = 6 * 3600.0
_FIRST_WAIT_S = 5.0
_LONGEST_WAIT_S = 300.0
# How far a clock may be away before it is set, and how often that is tried.
CLOCK_LIMIT_US = 2_000_000
_SET_CLOCK_AGAIN_S = 3600.0
# Who the register names where nobody asked for it.
_OURSELVES = "(gateway)"
# A clock told in whole seconds seems to move by as much.
_CLOCK_NEWS_US = 1_000_000
_ROW_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError)


@dataclass(slots=True)
class Shared:
    """What all devices of the process share. ``describing`` bounds how many are asked at once."""

    context: SignallingContext
    session: aiohttp.ClientSession
    tries: PasswordTries
    describing: asyncio.Semaphore
    notifications: NotificationServer | None


class HeldDevice:
    """Keeps one device from :meth:`start` to :meth:`close`; nothing it does raises but those calls
    that ask something of the device, with DeviceRefused.
    """

    def __init__(self, platform: DesiredPlatform, shared: Shared) -> None:
        self.platform = platform
        self.client = OnvifClient(
            shared.session,
            platform.host or "",
            platform.port or 80,
            platform.username or "",
            platform.password or "",
            path=platform.options.get("service_path") or DEVICE_SERVICE_PATH,
            secure=is_secure_port(platform.port or 80),
            tries=shared.tries,
            now_us=now_us,
        )
        self.description: DeviceDescription | None = None
        self.state = PlatformState("connecting", now_us())
        self._shared = shared
        self._settings = shared.context.settings.onvif
        self._task: asyncio.Task[None] | None = None
        self._describing = asyncio.Lock()
        self._wake = asyncio.Event()
        self._clock_set_s = -_SET_CLOCK_AGAIN_S
        self._consumer_url = ""
        if shared.notifications is not None:
            self._consumer_url = shared.notifications.open(self._receive_posted)
        self._events = EventSource(
            self.client,
            ChannelNames({}, ()),
            self._on_event,
            consumer_url=self._consumer_url,
            now_us=now_us,
            on_alive=self._on_alive,
        )

    @property
    def wants_events(self) -> bool:
        """By its options, else by the settings."""
        wanted = self.platform.options.get("events")
        return self._settings.events if wanted is None else bool(wanted)

    @property
    def wants_time_sync(self) -> bool:
        """By its options, else by the settings."""
        wanted = self.platform.options.get("time_sync")
        return self._settings.time_sync if wanted is None else bool(wanted)

    @property
    def events_received(self) -> int:
        """Notifications so far."""
        return self._events.received

    def start(self, delay_s: float) -> None:
        """Begin after ``delay_s``: thousands do not begin at once."""
        self._set_state("connecting")
        self._task = asyncio.get_running_loop().create_task(self._run(delay_s))

    async def close(self) -> None:
        """End, and give the device's subscription back."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if self._shared.notifications is not None:
            self._shared.notifications.forget(self._consumer_url)
        await self._events.stop()

    def channel(self, code: str) -> DescribedChannel:
        """A channel by its code; the only one where ``code`` is empty. Raises DeviceRefused."""
        if self.description is None:
            raise DeviceRefused("offline", self.state.detail or "the device was not reached yet")
        channels = self.description.channels
        if not code and len(channels) == 1:
            return channels[0]
        for one in channels:
            if one.code == code:
                return one
        raise DeviceRefused("not_found", "the device has no such channel any more: refresh it")

    async def refresh(self) -> None:
        """Describe it now. Raises DeviceRefused."""
        was_online = self.state.state == "online"
        try:
            await self._describe()
        except OnvifError as error:
            if error.is_about_the_way or error.code in (OnvifFault.REFUSED, OnvifFault.WAITING):
                self._set_failed(error, 0.0)
            raise refusal(error) from None
        if not was_online:
            # It was waited for: its events need not wait, too.
            self._wake.set()

    async def compare_clock(self) -> None:
        """Read its clock, and set it where that is wanted and needed."""
        if self.state.state != "online":
            return
        try:
            await self.client.read_clock()
            offset_us = self.client.offset_us
            now_s = asyncio.get_running_loop().time()
            if (
                self.wants_time_sync
                and offset_us is not None
                and abs(offset_us) > CLOCK_LIMIT_US
                and now_s - self._clock_set_s >= _SET_CLOCK_AGAIN_S
            ):
                # Before anything is waited for: it may be asked by two at once.
                self._clock_set_s = now_s
                await self._put_on_record(offset_us)
                await self.set_clock()
        except OnvifError as error:
            _log.info("a device's clock stays as it is", platform=self.platform.id, why=str(error))
        except _ROW_FAULTS as error:
            # What cannot be on record is not done, but soon tried again.
            self._clock_set_s = -_SET_CLOCK_AGAIN_S
            _log.warning("a device's clock cannot be set now", why=str(error))
        self._tell_clock()

    async def set_clock(self) -> None:
        """Set its clock to ours; its zone to the county's, unless it is as far from UTC already,
        in whatever words. Raises OnvifError.
        """
        await self.client.read_clock()
        wanted = self._settings.time_zone
        told = self.client.time.zone if self.client.time is not None else ""
        ahead_s = device.seconds_ahead_of_utc(told)
        zone = told if ahead_s == device.seconds_ahead_of_utc(wanted) else wanted
        # Half a second on: the device takes whole seconds, and the way there takes a while.
        await self.client.call(device.set_system_date_and_time(now_us() + 500_000, zone))
        await self.client.read_clock()
        self._tell_clock()

    async def _put_on_record(self, offset_us: int) -> None:
        """That the gateway sets the clock by itself, before it does."""
        context = self._shared.context
        path = sa.select(areas.c.path).where(areas.c.id == self.platform.area_id)
        async with context.reader.connect() as connection:
            area_path = await connection.scalar(path)
        detail = {"id": self.platform.id, "name": self.platform.name, "offset_us": offset_us}
        said = AuditRecord(
            "platform.set_time", user_name=_OURSELVES, area_path=area_path, detail=detail
        )
        await append(context.rows, [said])

    async def _run(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await self._describe()
                wait_s = _FIRST_WAIT_S
                await self._watch()
                continue
            except OnvifError as error:
                refused = error.code in (OnvifFault.REFUSED, OnvifFault.WAITING)
                again_s = WAIT_S + 1 if refused else wait_s * random.uniform(0.7, 1.3)
                self._set_failed(error, again_s)
            except _ROW_FAULTS as error:
                again_s = _FIRST_WAIT_S
                _log.warning("a device's rows cannot be used now", why=str(error))
            except Exception:
                again_s = _LONGEST_WAIT_S
                _log.exception("a device cannot be held", platform=self.platform.id)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            self._wake.clear()
            await wait_for_event(self._wake, again_s)

    async def _describe(self) -> None:
        async with self._describing, self._shared.describing:
            kept = await self._kept_streams()
            description = await describe(self.client, kept)
            self.description = description
            self._events.names = ChannelNames(
                token_names(description.channels), [one.code for one in description.channels]
            )
            rows = channel_rows(description)
            await self._shared.context.sink.channels(self.platform.id, rows)
        self._set_state("online", facts=device_facts(description, self.client))
        await self.compare_clock()

    async def _kept_streams(self) -> dict[str, tuple[str, str | None]]:
        """Which profiles were main and sub before, by video source."""
        async with self._shared.context.reader.connect() as connection:
            rows = await connection.execute(
                sa.select(platform_channels.c.facts).where(
                    platform_channels.c.platform_id == self.platform.id
                )
            )
            facts = [row.facts for row in rows]
        return {
            one["video_source"]: (one["main_profile"], one.get("sub_profile"))
            for one in facts
            if one.get("main_profile") and "video_source" in one
        }

    async def _watch(self) -> None:
        """Take events, or see every minute whether it is there; returns when it is time to describe
        it again. Raises OnvifError when it is lost.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _DESCRIBE_AGAIN_S * random.uniform(0.8, 1.2)
        wait_s = _FIRST_WAIT_S
        takes_events = self.wants_events
        while (left_s := until - loop.time()) > 0:
            began = loop.time()
            if takes_events:
                try:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left_s):
                            await self._events.run()
                except OnvifError as error:
                    if error.code in (OnvifFault.REFUSED, OnvifFault.WAITING):
                        raise
                    if error.code in (OnvifFault.UNSUPPORTED, OnvifFault.FORBIDDEN):
                        takes_events = False
                    self._tell_events(str(error))
                if loop.time() - began > _LONGEST_WAIT_S:
                    wait_s = _FIRST_WAIT_S
                await asyncio.sleep(wait_s * random.uniform(0.7, 1.3))
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            else:
                await asyncio.sleep(min(HEARTBEAT_S * random.uniform(0.8, 1.2), left_s))
            await self.client.read_clock()
            self._on_alive()
        await self._events.stop()

    def _receive_posted(self, document: Any) -> None:
        self._events.receive_posted(document)
        self._on_alive()

    def _on_event(self, event: DeviceEvent) -> None:
        if event.kind is DeviceEventKind.VIDEO_LOSS and event.channel:
            lost = event.state is not DeviceEventState.END
            self._shared.context.sink.channel_status(
                self.platform.id, {event.channel: "off" if lost else "on"}
            )
        self._shared.context.on_event(self.platform.id, event)

    def _on_alive(self) -> None:
        if self.state.state == "online":
            how = self._events.how
            facts: Mapping[str, Any] = self.state.facts
            if facts.get("events") != how:
                facts = {**facts, "events": how, "events_fault": ""}
            self._report(replace(self.state, seen_us=now_us(), facts=facts))

    def _tell_events(self, why: str) -> None:
        if self.state.state == "online" and self.state.facts.get("events_fault") != why:
            facts = {**self.state.facts, "events": "", "events_fault": why}
            self._report(replace(self.state, facts=facts))
        self._events.how = ""

    def _tell_clock(self) -> None:
        offset_us = self.client.offset_us
        known = self.state.facts.get("clock_offset_us")
        zone = self.client.time.zone if self.client.time is not None else ""
        moved = offset_us is not None and (known is None or abs(offset_us - known) > _CLOCK_NEWS_US)
        if self.state.state == "online" and (moved or zone != self.state.facts.get("time_zone")):
            facts = {**self.state.facts, "clock_offset_us": offset_us, "time_zone": zone}
            self._report(replace(self.state, facts=facts))

    def _set_failed(self, error: OnvifError, again_s: float) -> None:
        refused = error.code in (OnvifFault.REFUSED, OnvifFault.WAITING)
        was_online = self.state.state == "online"
        detail = str(error)
        if refused and error.code is OnvifFault.REFUSED and again_s > 60:
            detail += f"; next try in {round(again_s / 60)} minutes, as devices lock out"
        self._set_state(
            "refused" if refused else "offline",
            fault=str(error.code),
            detail=detail,
            facts=self.state.facts,
        )
        if was_online and self.description is not None and not refused:
            self._shared.context.sink.channel_status(
                self.platform.id, {one.code: "off" for one in self.description.channels}
            )

    def _set_state(
        self,
        name: Literal["connecting", "online", "offline", "refused"],
        *,
        fault: str = "",
        detail: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        at_us = now_us()
        catalog: Mapping[str, Any] = self.state.catalog
        seen_us = self.state.seen_us
        if name == "online" and self.description is not None:
            count = len(self.description.channels)
            catalog = {"state": "complete", "expected": count, "received": count, "at_us": at_us}
            seen_us = at_us
        if name != self.state.state or fault != self.state.fault:
            _log.info("device is " + name, platform=self.platform.id, fault=fault or None)
        since_us = self.state.since_us if name == self.state.state else at_us
        self._report(
            PlatformState(
                name,
                since_us,
                fault,
                detail[:500],
                host=self.platform.host,
                port=self.client.port,
                transport="https" if self.client.secure else "http",
                seen_us=seen_us,
                facts=facts if facts is not None else self.state.facts,
                catalog=catalog,
            )
        )

    def _report(self, state: PlatformState) -> None:
        self.state = state
        self._shared.context.sink.state(self.platform.id, state)


DeviceOf = Callable[[str], HeldDevice]
