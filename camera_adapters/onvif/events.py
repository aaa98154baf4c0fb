"""Events (ONVIF Core Specification §9; WS-BaseNotification 1.3): subscribe, pull, be told.

A PullPoint is asked for messages (real-time pull-point, §9.1); with a base subscription (§9.3) the
device posts them to our address. Both bring the same notifications, which :func:`device_event`
translates.
"""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.device_events import (
    DeviceEvent,
    DeviceEventKind,
    DeviceEventState,
    bounded_detail,
)
from camera_adapters.onvif import topics
from camera_adapters.onvif.soap import Request, Service, duration, parse_date_time, text
from camera_adapters.onvif.xml_tree import Node, namespaces_around, serialise

NOTIFICATIONS_LIMIT = 256
_ITEMS_LIMIT = 24
_EVENTS = "http://www.onvif.org/ver10/events/wsdl"
_WSN = "http://docs.oasis-open.org/wsn/bw-2"
_CLOCK_STEP_LIMIT_US = 300_000_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a subscription is spoken to. ``headers`` is what its address wants repeated in each
    header (WS-Addressing 1.0 §2.1: reference parameters). Times are by the device's clock.
    """

    address: str
    headers: str
    current_us: int | None
    termination_us: int | None

    @property
    def lifetime_s(self) -> float | None:
        """For how long the device keeps it, by its own clock; None where it does not tell."""
        if self.current_us is None or self.termination_us is None:
            return None
        return max((self.termination_us - self.current_us) / 1_000_000, 0.0)


@dataclass(frozen=True, slots=True)
class Notification:
    """One message (§9.5). ``operation`` is ``Initialized``, ``Changed``, ``Deleted`` or empty:
    the first three are about a *property*, which lasts; the last happened at an instant.
    """

    topic: str
    operation: str
    at_us: int | None
    source: dict[str, str]
    key: dict[str, str]
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class Pulled:
    """One answer to PullMessages."""

    notifications: list[Notification]
    current_us: int | None
    termination_us: int | None


def create_pull_point(lifetime_s: float) -> Request:
    """§9.2.1. Without a filter: many devices answer one with a fault, or with nothing for ever."""
    return Request(
        Service.EVENTS,
        "CreatePullPointSubscription",
        f"<m:InitialTerminationTime>{duration(lifetime_s)}</m:InitialTerminationTime>",
        action=f"{_EVENTS}/EventPortType/CreatePullPointSubscriptionRequest",
        addressed=True,
    )


def subscribe(consumer_url: str, lifetime_s: float) -> Request:
    """A base subscription: the device posts to ``consumer_url`` (WS-BaseNotification §4.1)."""
    return Request(
        Service.NOTIFICATION,
        "Subscribe",
        f"<m:ConsumerReference><wsa:Address>{text(consumer_url)}</wsa:Address>"
        "</m:ConsumerReference>"
        f"<m:InitialTerminationTime>{duration(lifetime_s)}</m:InitialTerminationTime>",
        action=f"{_WSN}/NotificationProducer/SubscribeRequest",
        addressed=True,
    )


def parse_subscription(answer: Node) -> Subscription:
    """Of either; ``address`` is empty where the device tells none."""
    reference = answer.child("SubscriptionReference")
    address, headers = "", ""
    if reference is not None:
        address = reference.value("Address")[:500]
        parameters = reference.child("ReferenceParameters")
        if parameters is not None:
            headers = "".join(
                serialise(one, namespaces_around(answer, one)) for one in parameters.children
            )[:4000]
    return Subscription(
        address,
        headers,
        parse_date_time(answer.value("CurrentTime")),
        parse_date_time(answer.value("TerminationTime")),
    )


def pull_messages(subscription: Subscription, timeout_s: float, limit: int) -> Request:
    """Wait at most ``timeout_s`` for messages (§9.2.2)."""
    return Request(
        Service.EVENTS,
        "PullMessages",
        f"<m:Timeout>{duration(timeout_s)}</m:Timeout><m:MessageLimit>{limit}</m:MessageLimit>",
        action=f"{_EVENTS}/PullPointSubscription/PullMessagesRequest",
        addressed=True,
        headers=subscription.headers,
    )


def parse_pulled(answer: Node) -> Pulled:
    """See :class:`Pulled`."""
    return Pulled(
        parse_notifications(answer),
        parse_date_time(answer.value("CurrentTime")),
        parse_date_time(answer.value("TerminationTime")),
    )


def renew(subscription: Subscription, lifetime_s: float) -> Request:
    """WS-BaseNotification §5.1.1."""
    return Request(
        Service.NOTIFICATION,
        "Renew",
        f"<m:TerminationTime>{duration(lifetime_s)}</m:TerminationTime>",
        action=f"{_WSN}/SubscriptionManager/RenewRequest",
        addressed=True,
        headers=subscription.headers,
    )


def unsubscribe(subscription: Subscription) -> Request:
    """WS-BaseNotification §5.1.2."""
    return Request(
        Service.NOTIFICATION,
        "Unsubscribe",
        action=f"{_WSN}/SubscriptionManager/UnsubscribeRequest",
        addressed=True,
        headers=subscription.headers,
    )


def set_synchronization_point(subscription: Subscription) -> Request:
    """Have every property told again (§9.4)."""
    return Request(
        Service.EVENTS,
        "SetSynchronizationPoint",
        action=f"{_EVENTS}/PullPointSubscription/SetSynchronizationPointRequest",
        addressed=True,
        headers=subscription.headers,
    )


def parse_notifications(answer: Node) -> list[Notification]:
    """The messages in an answer to PullMessages, or in a Notify that was posted to us."""
    found: list[Notification] = []
    for node in answer.each("NotificationMessage"):
        if len(found) == NOTIFICATIONS_LIMIT:
            break
        topic = node.value("Topic")[:500]
        outer = node.child("Message")
        message = outer.child("Message") if outer is not None else None
        if message is None:
            message = outer
        if not topic:
            continue
        if message is None:
            # "No motion any more" is an empty message with some.
            found.append(Notification(topic, "", None, {}, {}, {}))
            continue
        found.append(
            Notification(
                topic,
                message.get("PropertyOperation"),
                parse_date_time(message.get("UtcTime")),
                _items(message.child("Source")),
                _items(message.child("Key")),
                _items(message.child("Data")),
            )
        )
    return found


def device_event(
    notification: Notification, *, channel: str, arrival_us: int, offset_us: int | None
) -> DeviceEvent | None:
    """The event that a notification tells; None for what is no event (a clock, a statistic).

    ``offset_us`` is the device's clock less ours: taken out of its time stamp, which is believed
    while it is within five minutes of arrival then.
    """
    words = topics.words_of(notification.topic)
    kind = topics.kind_of(words)
    if not words:
        return None
    at_us = arrival_us
    if notification.at_us is not None and offset_us is not None:
        ours_us = notification.at_us - offset_us
        if -_CLOCK_STEP_LIMIT_US <= ours_us - arrival_us <= 1_000_000:
            at_us = min(ours_us, arrival_us)
    state = _state(notification, kind)
    if state is None:
        return None
    told = {**notification.source, **notification.key, **notification.data}
    return DeviceEvent(
        kind,
        channel,
        at_us,
        state,
        "/".join([words[-1], *(_names(notification))])[:200],
        notification.operation == "Initialized",
        bounded_detail({"topic": "/".join(words), **told}),
    )


def video_source_of(notification: Notification) -> str:
    """The token by which the message names its lens or channel: of a video source, or of a video
    source configuration; empty where it is about the device.
    """
    for name in _SOURCE_NAMES:
        value = notification.source.get(name)
        if value:
            return value
    return ""


_SOURCE_NAMES = (
    "VideoSourceConfigurationToken",
    "VideoSource",
    "Source",
    "VideoSourceToken",
    "VideoSourceConfiguration",
    "ChannelID",
    "Channel",
    "channel",
)


def _state(notification: Notification, kind: DeviceEventKind) -> DeviceEventState | None:
    if notification.operation == "Deleted":
        return DeviceEventState.END
    for name in topics.STATE_ITEMS:
        value = notification.data.get(name)
        if value is not None:
            holds = topics.truth(value)
            if holds is not None:
                return DeviceEventState.BEGIN if holds else DeviceEventState.END
    if kind is DeviceEventKind.MOTION and not notification.data and not notification.source:
        return DeviceEventState.END
    if kind is DeviceEventKind.OTHER and notification.operation:
        # A property that is no state we know: a temperature, a job's progress.
        return None
    return DeviceEventState.PULSE


def _names(notification: Notification) -> list[str]:
    """What tells two events of one topic apart: rule, input, window; not the lens."""
    return [
        value[:60]
        for name, value in (*notification.source.items(), *notification.key.items())
        if name not in _SOURCE_NAMES and name != "VideoAnalyticsConfigurationToken"
    ]


def _items(node: Node | None) -> dict[str, str]:
    if node is None:
        return {}
    items: dict[str, str] = {}
    for one in node.each("SimpleItem"):
        if len(items) == _ITEMS_LIMIT:
            break
        name = one.get("Name")[:100]
        if name:
            items[name] = one.get("Value")[:200]
    return items
