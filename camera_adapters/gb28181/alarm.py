"""Alarms: notice, answer, subscription (GB/T 28181-2016 §9.4, §9.11, Annexes A.2.4.5, A.2.5 b)."""

from __future__ import annotations

from dataclasses import dataclass

from camera_adapters.gb28181 import local_time
from camera_adapters.gb28181.envelope import Envelope, Outcome, document
from camera_adapters.gb28181.xml_bodies import Element, texts

COMMAND = "Alarm"
# The Event header of a subscription (§9.11.1).
EVENT_PACKAGE = "presence"
_TEXT_LIMIT = 255

# AlarmMethod (A.2.5 b).
BY_TELEPHONE = 1
BY_DEVICE = 2
BY_MESSAGE = 3
BY_POSITION = 4
BY_VIDEO = 5
BY_DEVICE_FAULT = 6
BY_OTHER = 7

# AlarmType for alarms of a device (method 2), of video (5) and of device faults (6).
DEVICE_ALARMS = {1: "video_lost", 2: "tamper", 3: "storage_full", 4: "overheated", 5: "cold"}
VIDEO_ALARMS = {
    1: "manual",
    2: "moving_object",
    3: "left_object",
    4: "removed_object",
    5: "line_crossing",
    6: "intrusion",
    7: "wrong_direction",
    8: "loitering",
    9: "traffic_count",
    10: "density",
    11: "video_abnormal",
    12: "fast_movement",
    13: "picture_covered",
}
FAULT_ALARMS = {1: "storage_fault", 2: "fan_fault"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """A notice. ``priority`` 1 (gravest) to 4; ``method`` and ``kind`` are the numbers of A.2.5 b.

    ``at_us`` is UTC, None when the device gave no readable time; ``device_id`` is what alarms.
    """

    serial_number: int
    device_id: str
    priority: int
    method: int
    at_us: int | None
    description: str = ""
    kind: int | None = None
    event_kind: str = ""
    longitude: float | None = None
    latitude: float | None = None

    def to_element(self) -> Element:
        """The Notify."""
        at_us = self.at_us
        info = texts((("AlarmType", self.kind),))
        if self.event_kind:
            parameter = Element("EventType", self.event_kind)
            info.append(Element("AlarmTypeParam", children=[parameter]))
        return document(
            "Notify",
            COMMAND,
            self.serial_number,
            self.device_id,
            *texts(
                (
                    ("AlarmPriority", self.priority),
                    ("AlarmMethod", self.method),
                    ("AlarmTime", None if at_us is None else local_time.format_us(at_us)),
                    ("AlarmDescription", self.description),
                    ("Longitude", self.longitude),
                    ("Latitude", self.latitude),
                )
            ),
            Element("Info", children=info) if info else None,
        )

    @classmethod
    def read(cls, envelope: Envelope) -> Alarm:
        """A Notify; numbers out of range become 4 (priority) and 7 (method: other)."""
        root = envelope.element
        priority, method = root.number("AlarmPriority", 4), root.number("AlarmMethod", BY_OTHER)
        # 2011 has the type beside the method, later editions beneath Info.
        info = root.find("Info") or root
        parameter = info.find("AlarmTypeParam") or info
        kind = info.number("AlarmType", -1)
        return cls(
            envelope.serial_number,
            envelope.device_id,
            priority if 1 <= priority <= 4 else 4,
            method if 1 <= method <= BY_OTHER else BY_OTHER,
            local_time.parse_us(root.value("AlarmTime")),
            root.value("AlarmDescription")[:_TEXT_LIMIT],
            kind if 0 <= kind < 1000 else None,
            parameter.value("EventType")[:20],
            root.decimal("Longitude"),
            root.decimal("Latitude"),
        )

    def accepted(self) -> Element:
        """The Response that says that the notice arrived (§9.4.1)."""
        return Outcome(COMMAND, self.serial_number, self.device_id, True).to_element()

    def meaning(self) -> str:
        """A stable word for what happened: ``tamper``, ``line_crossing``…, else ``alarm``."""
        named = {BY_DEVICE: DEVICE_ALARMS, BY_VIDEO: VIDEO_ALARMS, BY_DEVICE_FAULT: FAULT_ALARMS}
        return named.get(self.method, {}).get(self.kind or 0, "alarm")


@dataclass(frozen=True, slots=True)
class AlarmSubscription:
    """The body of a SUBSCRIBE. ``method`` is the text of A.2.4.5: ``0`` all, ``1/2`` several."""

    serial_number: int
    device_id: str
    gravest_priority: int = 1
    least_priority: int = 4
    method: str = "0"

    def to_element(self) -> Element:
        """The Query."""
        return document(
            "Query",
            COMMAND,
            self.serial_number,
            self.device_id,
            Element("StartAlarmPriority", str(self.gravest_priority)),
            Element("EndAlarmPriority", str(self.least_priority)),
            Element("AlarmMethod", self.method),
        )

    @classmethod
    def read(cls, envelope: Envelope) -> AlarmSubscription:
        """A Query; priority 0 is every one."""
        root = envelope.element
        return cls(
            envelope.serial_number,
            envelope.device_id,
            root.number("StartAlarmPriority") or 1,
            root.number("EndAlarmPriority") or 4,
            root.value("AlarmMethod", "0")[:40],
        )

    def wants(self, alarm: Alarm) -> bool:
        """Whether this alarm is subscribed for."""
        methods = self.method.replace(",", "/").split("/")
        matches = "0" in methods or not self.method or str(alarm.method) in methods
        return matches and self.gravest_priority <= alarm.priority <= self.least_priority
