"""What is asked of a device when it registers, and again later: facts, clock, catalogue,
subscriptions (GB/T 28181-2016 §9.5, §9.11).

Five thousand devices may register in the same minute: only some are asked at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from camera_adapters.gb28181 import alarm, catalog, device_information, mobile_position
from camera_adapters.gb28181.alarm import AlarmSubscription
from camera_adapters.gb28181.catalog import CatalogPage, CatalogQuery
from camera_adapters.gb28181.catalog_assembly import CatalogAssembly
from camera_adapters.gb28181.device_information import DeviceInformation, DeviceStatus
from camera_adapters.gb28181.envelope import Envelope
from camera_adapters.gb28181.xml_bodies import Element
from camera_adapters.sip.endpoint import IncomingRequest, SipError, SipSession
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.platforms.gb28181_below.devices import Device
from gateway.platforms.gb28181_below.events import channels_of
from gateway.platforms.gb28181_below.queries import Queries
from gateway.platforms.gb28181_below.speaking import SUBSCRIPTION_S, Speaker
from gateway.platforms.operations import DeviceRefused
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

_AT_A_TIME = 128
# A device that registers over and over is not asked for everything each time.
_CATALOG_PAUSE_S = 60.0
_RENEW_S = SUBSCRIPTION_S * 0.8
_SUBSCRIBE_AGAIN_S = 600.0
_SUBSCRIBE_PAUSE_S = 30.0
# A page that was lost, a device that was just starting: tried again so many times, so long after.
_TRIES = 3
_TRY_AGAIN_S = 15.0
# For those that cannot be subscribed to, or whose notices were lost.
_CATALOG_AGAIN_S = 6 * 3600.0
_CATALOG_FAILED_S = 600.0
_CATALOG = "catalog"
_SUBSCRIPTION = "subscribe "
_SUBSCRIBED_S = 5.0

OnNotify = Callable[[Device, IncomingRequest], None]


class Fetching:
    """See the module. ``on_notify`` is given what subscriptions bring."""

    def __init__(self, speaker: Speaker, queries: Queries, on_notify: OnNotify) -> None:
        self._speaker = speaker
        self._queries = queries
        self._on_notify = on_notify
        self._turns = asyncio.Semaphore(_AT_A_TIME)
        self._fetched_s: dict[str, float] = {}

    def greet(self, device: Device) -> None:
        """Ask a device that has just registered for all that we want to know, behind the loop."""
        self._start(device, "greet", self._greet)

    def fetch_catalog_soon(self, device: Device) -> None:
        """Fetch the catalogue, because it changed; many changes are one fetch."""
        self._start(device, "changed catalog", self._fetch_later)

    def forget(self, device: Device) -> None:
        """It is gone: when it comes back everything is asked anew."""
        self._fetched_s.pop(device.id, None)

    async def refresh(self, device: Device) -> None:
        """Facts and catalogue now. Raises DeviceRefused."""
        await self._facts(device)
        await self.fetch_catalog(device)

    def _start(self, device: Device, name: str, work: Callable[[Device], Awaitable[None]]) -> None:
        running = device.tasks.get(name)
        if running is not None and not running.done():
            return
        device.tasks[name] = asyncio.create_task(self._guarded(device, work))

    async def _guarded(self, device: Device, work: Callable[[Device], Awaitable[None]]) -> None:
        try:
            await work(device)
        except (DeviceRefused, RowError, ControlError, ConnectionError, TimeoutError) as error:
            _log.info("a device could not be asked", platform=device.id, why=str(error))
        except Exception:
            _log.exception("asking a device failed", platform=device.id)

    async def _greet(self, device: Device) -> None:
        async with self._turns:
            with contextlib.suppress(DeviceRefused):
                await self._facts(device)
        await self._subscribe(device)
        loop = asyncio.get_running_loop()
        last = self._fetched_s.get(device.id)
        if last is None or loop.time() - last > _CATALOG_PAUSE_S:
            earlier = device.tasks.pop(_CATALOG, None)
            if earlier is not None:
                earlier.cancel()
            self._start(device, _CATALOG, self._fetch_whole)

    async def _subscribe(self, device: Device) -> None:
        """Begin to subscribe. Returns when changes of the catalogue are told from now on, or will
        not be: what changes while it is fetched must not be missed.
        """
        for name in [name for name in device.tasks if name.startswith(_SUBSCRIPTION)]:
            device.tasks.pop(name).cancel()
        decided = asyncio.Event()
        for name, event, document in self._wanted(device):
            told = decided if name == "catalog" else asyncio.Event()
            device.tasks[_SUBSCRIPTION + name] = asyncio.create_task(
                self._subscribed(device, name, event, document, told)
            )
        if device.options.subscribe_catalog:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SUBSCRIBED_S):
                    await decided.wait()

    async def _fetch_whole(self, device: Device) -> None:
        """Fetch until it was complete once, and again from time to time."""
        while True:
            for _ in range(_TRIES):
                async with self._turns:
                    await self._guarded(device, self.fetch_catalog)
                if device.catalog["state"] == "complete":
                    break
                await asyncio.sleep(_TRY_AGAIN_S)
            # Until it is fetched its channels are off.
            failed = device.catalog["state"] == "failed"
            await asyncio.sleep(_CATALOG_FAILED_S if failed else _CATALOG_AGAIN_S)

    async def _fetch_later(self, device: Device) -> None:
        last = self._fetched_s.get(device.id, 0.0)
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(3.0, last + _CATALOG_PAUSE_S - now))
        await self.fetch_catalog(device)

    # ---------------------------------------------------------------- facts

    async def _facts(self, device: Device) -> None:
        try:
            await self._information(device)
        finally:
            with contextlib.suppress(DeviceRefused):
                await self.clock_offset_us(device)

    async def _information(self, device: Device) -> None:
        command = device_information.INFORMATION
        envelope = await self.ask(
            device, command, lambda number: device_information.query(command, number, device.code)
        )
        told = DeviceInformation.read(envelope)
        found = {
            "manufacturer": told.manufacturer,
            "model": told.model,
            "firmware": told.firmware,
            "name": told.name,
            "channels": told.channels,
        }
        device.facts |= {name: value for name, value in found.items() if value}
        device.tell()

    async def clock_offset_us(self, device: Device) -> int | None:
        """How far its clock is ahead of ours; None when it does not say. Raises DeviceRefused."""
        command = device_information.STATUS
        asked_us = now_us()
        envelope = await self.ask(
            device, command, lambda number: device_information.query(command, number, device.code)
        )
        told = DeviceStatus.read(envelope)
        if told.device_time_us is None:
            return None
        # Its clock is told to the second: the middle of that, against the middle of the question.
        offset_us = told.device_time_us + 500_000 - (asked_us + now_us()) // 2
        device.facts["clock_offset_us"] = offset_us
        device.tell()
        return offset_us

    async def ask(
        self, device: Device, command: str, document: Callable[[int], Element]
    ) -> Envelope:
        """Ask by a document, and await the one that answers. Raises DeviceRefused."""
        peer = device.reach()

        async def send(number: int) -> None:
            await self._speaker.tell(device.code, peer, document(number))

        return await self._queries.ask(device.id, command, send)

    # ------------------------------------------------------------ catalogue

    async def fetch_catalog(self, device: Device) -> None:
        """Fetch all pages, and write them as channels. Raises DeviceRefused, RowError."""
        loop = asyncio.get_running_loop()
        peer = device.reach()
        number = self._queries.next_number()
        assembly = CatalogAssembly(device.code, number, loop.time())
        device.catalog = {**device.catalog, "state": "fetching", "received": 0}
        device.tell()

        def take(envelope: Envelope) -> None:
            assembly.add(CatalogPage.read(envelope), loop.time())
            device.catalog["received"] = assembly.received
            device.catalog["expected"] = assembly.expected

        async def send(number: int) -> None:
            query = CatalogQuery(number, device.code).to_element()
            await self._speaker.tell(device.code, peer, query)

        self._fetched_s[device.id] = loop.time()
        try:
            await self._queries.collect(device.id, catalog.COMMAND, number, assembly, take, send)
            result = await asyncio.to_thread(assembly.result)
            channels = await asyncio.to_thread(
                channels_of, result, device.code, device.platform.name
            )
            await device.sink.channels(device.id, channels, complete=result.complete)
        except BaseException:
            device.catalog = {**device.catalog, "state": "failed", "at_us": now_us()}
            device.tell()
            raise
        self._fetched_s[device.id] = loop.time()
        device.catalog = {
            "state": "complete" if result.complete else "partial",
            "expected": result.expected,
            "received": result.received,
            "orphans": len(result.orphans),
            "duplicates": result.duplicates,
            "cycles": len(result.cycles),
            "unreadable": result.unreadable,
            "left_out": result.left_out,
            "at_us": now_us(),
        }
        device.tell()

    # -------------------------------------------------------- subscriptions

    def _wanted(self, device: Device) -> list[tuple[str, str, Element]]:
        options, number = device.options, self._queries.next_number()
        wanted: list[tuple[str, str, Element]] = []
        if options.subscribe_catalog:
            document = catalog.subscription(number, device.code)
            wanted.append(("catalog", catalog.EVENT_PACKAGE, document))
        if options.subscribe_alarm:
            document = AlarmSubscription(number, device.code).to_element()
            wanted.append(("alarm", alarm.EVENT_PACKAGE, document))
        if options.subscribe_position:
            interval_s = options.position_interval_s
            document = mobile_position.subscription(number, device.code, interval_s)
            wanted.append(("position", mobile_position.EVENT_PACKAGE, document))
        return wanted

    async def _subscribed(
        self, device: Device, name: str, event: str, document: Element, decided: asyncio.Event
    ) -> None:
        """Keep a subscription while the device is online; one that it does not know is tried
        again only when it registers anew. ``decided`` is set after the first answer.
        """
        while True:
            try:
                async with self._turns:
                    session = await self._speaker.subscribe(
                        device.code, device.reach(), event, document
                    )
            except DeviceRefused as error:
                decided.set()
                _log.info("a subscription was refused", platform=device.id, to=name, why=str(error))
                if error.code in ("unsupported", "device_error", "not_found", "refused"):
                    return
                await asyncio.sleep(_SUBSCRIBE_AGAIN_S)
                continue
            device.subscriptions[name] = session
            decided.set()
            session.on_request = lambda incoming: self._on_notify(device, incoming)
            try:
                await self._renewed(session, event)
            finally:
                device.subscriptions.pop(name, None)
            # One that ends it each time is not asked without pause.
            await asyncio.sleep(_SUBSCRIBE_PAUSE_S)

    async def _renewed(self, session: SipSession, event: str) -> None:
        """Renew it until it ends."""
        ended = asyncio.Event()
        session.on_end = lambda _: ended.set()
        try:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_RENEW_S):
                        await ended.wait()
                        return
                response = await session.request(
                    "SUBSCRIBE",
                    headers=[("Event", event), ("Expires", str(SUBSCRIPTION_S))],
                )
                if response.status >= 300:
                    return
        except SipError:
            return
        finally:
            session.finish("lost")
