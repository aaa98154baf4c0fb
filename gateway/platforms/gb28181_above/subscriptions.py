"""What a platform above has subscribed for: changes of the catalogue, alarms (GB/T 28181 §9.11)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from camera_adapters.gb28181 import alarm, catalog, envelope, xml_bodies
from camera_adapters.gb28181.alarm import Alarm, AlarmSubscription
from camera_adapters.gb28181.catalog import CatalogEvent, CatalogNotification
from camera_adapters.gb28181.xml_bodies import Element, XmlBodyError
from camera_adapters.sip.endpoint import IncomingRequest, SipError, SipSession

_log = structlog.get_logger(__name__)

Kind = Literal["catalog", "alarm"]
SUBSCRIPTIONS_LIMIT = 16
EXPIRES_LIMIT_S = 86_400
_EVENTS_PER_NOTIFY = 4
_QUEUE_LIMIT = 20_000


@dataclass(slots=True)
class _Subscription:
    kind: Kind
    session: SipSession
    event: str
    until_s: float
    alarms: AlarmSubscription | None = None


class Subscriptions:
    """Those of one platform. ``next_number`` gives serial numbers of documents."""

    def __init__(self, platform_code: str, next_number: Callable[[], int]) -> None:
        self._platform_code = platform_code
        self._next_number = next_number
        self._held: dict[str, _Subscription] = {}
        self._waiting: asyncio.Queue[tuple[_Subscription, Element]] = asyncio.Queue(_QUEUE_LIMIT)

    def __len__(self) -> int:
        return len(self._held)

    def take(self, incoming: IncomingRequest) -> None:
        """Answer a SUBSCRIBE that begins something."""
        request = incoming.request
        try:
            document = envelope.read(request.body)
        except XmlBodyError as error:
            incoming.respond(400, str(error)[:80])
            return
        kind = _KINDS.get(document.command.lower())
        if kind is None:
            incoming.respond(489)
            return
        self._expire()
        expires_s = _expires_s(incoming)
        if len(self._held) >= SUBSCRIPTIONS_LIMIT:
            incoming.respond(503)
            return
        session = incoming.accept(headers=[("Expires", str(expires_s))])
        if session is None:
            return
        event = request.headers.get("event") or catalog.EVENT_PACKAGE
        held = _Subscription(kind, session, event, _now_s() + expires_s)
        if kind == "alarm":
            held.alarms = AlarmSubscription.read(document)
        self._held[session.call_id] = held
        session.on_request = lambda within: self._within(held, within)
        session.on_end = lambda _: self._forget(held)
        if not expires_s:
            # Who asks for nothing but the present is told that it is over.
            self._held.pop(session.call_id, None)
            return

    def tell_catalog(self, events: Sequence[CatalogEvent]) -> None:
        """Queue what changed for those who want it, a few items a message."""
        for subscription in self._of("catalog"):
            for start in range(0, len(events), _EVENTS_PER_NOTIFY):
                part = tuple(events[start : start + _EVENTS_PER_NOTIFY])
                notice = CatalogNotification(self._next_number(), self._platform_code, part)
                self._put(subscription, notice.to_element())

    def tell_alarm(self, told: Alarm) -> bool:
        """Queue an alarm for those who want it; whether anybody did."""
        wanted = [
            one for one in self._of("alarm") if one.alarms is not None and one.alarms.wants(told)
        ]
        for subscription in wanted:
            self._put(subscription, told.to_element())
        return bool(wanted)

    async def run(self) -> None:
        """Send what is queued, in order, for ever."""
        while True:
            subscription, document = await self._waiting.get()
            if self._held.get(subscription.session.call_id) is not subscription:
                continue
            left_s = max(1, round(subscription.until_s - _now_s()))
            try:
                response = await subscription.session.request(
                    "NOTIFY",
                    headers=[
                        ("Event", subscription.event),
                        ("Subscription-State", f"active;expires={left_s}"),
                    ],
                    body=xml_bodies.to_bytes(document),
                    content_type=envelope.CONTENT_TYPE,
                )
            except SipError as error:
                _log.info("a notification did not arrive", why=str(error))
                continue
            if response.status >= 400:
                self._forget(subscription)

    def close(self) -> None:
        """Forget all of them."""
        self._held.clear()

    def _within(self, held: _Subscription, incoming: IncomingRequest) -> None:
        if incoming.request.method != "SUBSCRIBE":
            incoming.respond(200)
            return
        expires_s = _expires_s(incoming)
        incoming.respond(200, headers=[("Expires", str(expires_s))])
        held.until_s = _now_s() + expires_s
        if not expires_s:
            self._forget(held)

    def _of(self, kind: Kind) -> list[_Subscription]:
        self._expire()
        return [one for one in self._held.values() if one.kind == kind]

    def _put(self, subscription: _Subscription, document: Element) -> None:
        try:
            self._waiting.put_nowait((subscription, document))
        except asyncio.QueueFull:
            # It will fetch the catalogue anew: its subscription has ended.
            self._forget(subscription)

    def _expire(self) -> None:
        now_s = _now_s()
        for held in tuple(self._held.values()):
            if held.until_s <= now_s:
                self._forget(held)

    def _forget(self, held: _Subscription) -> None:
        if self._held.get(held.session.call_id) is held:
            del self._held[held.session.call_id]


_KINDS: dict[str, Kind] = {catalog.COMMAND.lower(): "catalog", alarm.COMMAND.lower(): "alarm"}


def _expires_s(incoming: IncomingRequest) -> int:
    wanted = xml_bodies.whole_number(incoming.request.headers.get("expires").strip(), 3600)
    return min(max(0, wanted), EXPIRES_LIMIT_S)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
