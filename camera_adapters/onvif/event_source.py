"""A device's events for as long as they are wanted: subscribed, pulled or posted, renewed.

What devices repeat every second is told once: only changes of a state go on, and instants.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from camera_adapters.device_events import DeviceEvent, DeviceEventListener, DeviceEventState
from camera_adapters.onvif import events
from camera_adapters.onvif.allowance import Allowance
from camera_adapters.onvif.client import OnvifClient
from camera_adapters.onvif.events import Notification, Subscription
from camera_adapters.onvif.exchange import OnvifError, OnvifFault
from camera_adapters.onvif.soap import Request, answer_of
from camera_adapters.onvif.xml_tree import Node

_log = structlog.get_logger(__name__)

LIFETIME_S = 600.0
PULL_S = 60.0
_MESSAGES_AT_ONCE = 100
# Renewed when so much of the lifetime is left, or more where a pull may take as long.
_RENEW_SHARE = 0.5
_ANSWER_S = 15.0
# Devices that do not wait are not asked without end.
_LEAST_PULL_S = 1.0
_SHORT_PULL_S = 4.0
# Of one pull: a hundred messages are a tenth of it.
ANSWER_BYTES_LIMIT = 512 * 1024
# A device that has always something to tell is pulled once in so long.
_FLOODING_S = 1.0
_STATES_LIMIT = 512


class ChannelNames:
    """Which channel the tokens in a device's messages mean."""

    def __init__(self, tokens: Mapping[str, str], codes: Sequence[str]) -> None:
        self._tokens = {token.lower(): code for token, code in tokens.items()}
        self._codes = codes

    def code_of(self, token: str) -> str:
        """The channel's code; of a device with one channel always that one, else empty where
        nothing fits. Recorders also count their channels, from 1 or ``000``.
        """
        if len(self._codes) == 1:
            return self._codes[0]
        code = self._tokens.get(token.lower())
        if code is None and token.isdecimal() and len(token) <= 4:
            number = int(token) if token.startswith("0") else int(token) - 1
            code = self._codes[number] if 0 <= number < len(self._codes) else None
        return code or ""


class StateChanges:
    """Lets through what is news: a state that is another than before, and what happened at an
    instant. What is told first is news too, marked ``initial`` where it is ``end``: whoever kept a
    beginning from before learns that it is over.
    """

    def __init__(self) -> None:
        # Whether it lasts.
        self._states: OrderedDict[tuple[str, str, str, str], bool] = OrderedDict()

    def forget(self) -> None:
        """Much may have happened since: everything is news once."""
        self._states.clear()

    def news(self, event: DeviceEvent) -> DeviceEvent | None:
        """What is to be told of it; None: nothing."""
        if event.state is DeviceEventState.PULSE:
            return None if event.initial else event
        # The topic too: two rules of different topics may bear one name.
        key = (str(event.kind), event.channel, event.source, event.detail.get("topic", ""))
        lasts = event.state is DeviceEventState.BEGIN
        before = self._states.get(key)
        if before is lasts:
            return None
        self._states[key] = lasts
        if len(self._states) > _STATES_LIMIT:
            self._states.popitem(last=False)
        return replace(event, initial=True) if before is None and not lasts else event


class EventSource:
    """One device's events. ``on_event`` gets them; ``consumer_url`` is where it can post to us,
    empty where it cannot. ``on_alive`` is called with each answer to a pull. ``names`` may be
    replaced when the device's channels change.
    """

    def __init__(
        self,
        client: OnvifClient,
        names: ChannelNames,
        on_event: DeviceEventListener,
        *,
        consumer_url: str = "",
        now_us: Callable[[], int],
        on_alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.names = names
        self.how = ""
        self.received = 0
        self._client = client
        self._on_event = on_event
        self._consumer_url = consumer_url
        self._now_us = now_us
        self._on_alive = on_alive
        self._changes = StateChanges()
        self._subscription: Subscription | None = None
        self._was_subscribed = False
        self._pull_limit_s = PULL_S
        self._allowance = Allowance()

    async def run(self) -> None:
        """Subscribe and take events until the device is lost or its subscription is: raises
        :class:`OnvifError`; ``unsupported`` where the device has neither way.
        """
        again = self._was_subscribed
        try:
            pull_point = await self._subscribe(events.create_pull_point(LIFETIME_S))
        except OnvifError as error:
            if error.code not in (OnvifFault.UNSUPPORTED, OnvifFault.DEVICE_ERROR):
                raise
            if not self._consumer_url:
                raise OnvifError(
                    OnvifFault.UNSUPPORTED,
                    "the device has no pull points: set onvif.notification_url, so that it can "
                    "post its events",
                ) from None
            posted = await self._subscribe(events.subscribe(self._consumer_url, LIFETIME_S))
            self.how = "posted"
            await self._ask_for_states(posted)
            await self._keep_posted(posted)
        else:
            self.how = "pulled"
            if again:
                await self._ask_for_states(pull_point)
            await self._pull(pull_point)

    async def stop(self) -> None:
        """Unsubscribe, as devices have few subscriptions; what fails now ends by itself."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None and subscription.address:
            with contextlib.suppress(OnvifError):
                await self._client.call(
                    events.unsubscribe(subscription), address=subscription.address, timeout_s=3.0
                )

    def receive_posted(self, document: Node) -> None:
        """Take a message that the device has posted. Raises SoapFault where it is none."""
        self._take(events.parse_notifications(answer_of(document)))

    async def _subscribe(self, request: Request) -> Subscription:
        answer = await self._client.call(request)
        subscription = events.parse_subscription(answer)
        self._subscription = subscription
        self._was_subscribed = True
        self._changes.forget()
        return subscription

    async def _ask_for_states(self, subscription: Subscription) -> None:
        """What began before the subscription was lost may have ended meanwhile. Not every device
        can say so, and those that cannot have told all states already.
        """
        with contextlib.suppress(OnvifError):
            await self._client.call(
                events.set_synchronization_point(subscription), address=subscription.address
            )

    async def _pull(self, subscription: Subscription) -> None:
        lifetime_s = subscription.lifetime_s or LIFETIME_S
        ends = time.monotonic() + lifetime_s
        pull_s = max(min(self._pull_limit_s, lifetime_s * _RENEW_SHARE / 2), _LEAST_PULL_S)
        renews = True
        while True:
            began = time.monotonic()
            if ends - began < max(lifetime_s * _RENEW_SHARE, pull_s + _LEAST_PULL_S):
                renewed_s = await self._renew(subscription) if renews else None
                if renewed_s is not None:
                    ends = time.monotonic() + renewed_s
                else:
                    renews = False
                    if ends - began <= pull_s:
                        raise OnvifError(OnvifFault.LOST, "the subscription ends")
            try:
                answer = await self._client.call(
                    events.pull_messages(subscription, pull_s, _MESSAGES_AT_ONCE),
                    address=subscription.address,
                    timeout_s=pull_s + _ANSWER_S,
                    bytes_limit=ANSWER_BYTES_LIMIT,
                )
            except OnvifError as error:
                # Some devices do not wait so long, and say so by a fault, or not at all.
                if error.code in (OnvifFault.DEVICE_ERROR, OnvifFault.TIMED_OUT):
                    self._pull_limit_s = max(self._pull_limit_s / 4, min(_SHORT_PULL_S, PULL_S))
                raise
            pulled = events.parse_pulled(answer)
            if pulled.current_us is not None and pulled.termination_us is not None:
                # Some devices prolong with each pull, and say so.
                left_s = (pulled.termination_us - pulled.current_us) / 1_000_000
                ends = max(ends, time.monotonic() + left_s)
            self._on_alive()
            if pulled.notifications and not self._allowance.take(time.monotonic()):
                await asyncio.sleep(_FLOODING_S)
            self._take(pulled.notifications)
            if not pulled.notifications:
                waited = time.monotonic() - began
                if waited < min(_LEAST_PULL_S, pull_s):
                    await asyncio.sleep(_LEAST_PULL_S - waited)

    async def _keep_posted(self, subscription: Subscription) -> None:
        lifetime_s = subscription.lifetime_s or LIFETIME_S
        while True:
            await asyncio.sleep(max(lifetime_s * _RENEW_SHARE, _LEAST_PULL_S))
            renewed_s = await self._renew(subscription)
            if renewed_s is None:
                raise OnvifError(OnvifFault.LOST, "the subscription cannot be renewed")
            lifetime_s = renewed_s

    async def _renew(self, subscription: Subscription) -> float | None:
        """For how long it is renewed; None where the device does not."""
        try:
            answer = await self._client.call(
                events.renew(subscription, LIFETIME_S), address=subscription.address
            )
        except OnvifError as error:
            if error.is_about_the_way:
                raise
            return None
        renewed = events.parse_subscription(answer)
        return renewed.lifetime_s or LIFETIME_S

    def _take(self, notifications: list[Notification]) -> None:
        arrival_us = self._now_us()
        for one in notifications:
            self.received += 1
            event = events.device_event(
                one,
                channel=self.names.code_of(events.video_source_of(one)),
                arrival_us=arrival_us,
                offset_us=self._client.offset_us,
            )
            event = event and self._changes.news(event)
            if event is None:
                continue
            try:
                self._on_event(event)
            except Exception:
                _log.exception("a listener of device events failed", host=self._client.host)
