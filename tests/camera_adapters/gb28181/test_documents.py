"""The smaller documents: each is read as it was written, and from what devices make of it."""

from __future__ import annotations

import pytest

from camera_adapters.gb28181 import (
    alarm,
    device_information,
    envelope,
    mobile_position,
    xml_bodies,
)
from camera_adapters.gb28181.alarm import Alarm, AlarmSubscription
from camera_adapters.gb28181.broadcast import Broadcast
from camera_adapters.gb28181.device_control import (
    Control,
    DeviceControl,
    DeviceControlError,
    DragZoom,
    Guard,
    HomePosition,
    PrecisePosition,
    Record,
    ResetAlarm,
    Restart,
    SendKeyframe,
    Steer,
)
from camera_adapters.gb28181.device_information import (
    BasicConfiguration,
    DeviceInformation,
    DeviceStatus,
    Presets,
)
from camera_adapters.gb28181.envelope import Outcome
from camera_adapters.gb28181.keepalive import Keepalive
from camera_adapters.gb28181.media_status import MediaStatus
from camera_adapters.gb28181.mobile_position import MobilePosition
from camera_adapters.gb28181.record_information import (
    SETTLING_S,
    TIMEOUT_S,
    RecordAssembly,
    RecordItem,
    RecordPage,
    RecordQuery,
    pages,
)
from camera_adapters.gb28181.steering import Move, Preset
from camera_adapters.gb28181.xml_bodies import Element, XmlBodyError

DEVICE = "34020000001320000001"
NOON_US = 1_769_918_400_000_000


def through(root: Element) -> envelope.Envelope:
    return envelope.read(xml_bodies.to_bytes(root))


@pytest.mark.parametrize(
    "body",
    [b"<Query/>", b"<Hello><CmdType>Catalog</CmdType></Hello>", b"<Query><SN>1</SN></Query>"],
)
def test_what_is_no_document_is_refused(body: bytes) -> None:
    with pytest.raises(XmlBodyError):
        envelope.read(body)


@pytest.mark.parametrize(
    "written",
    [
        Keepalive(1, DEVICE),
        Keepalive(2, DEVICE, ok=False, faulty=("34020000001320000002", "34020000001320000003")),
        Outcome("DeviceControl", 3, DEVICE, ok=True),
        Outcome("DeviceControl", 3, DEVICE, ok=False, reason="不允许"),
        DeviceInformation(4, DEVICE, True, "东门", "海康", "DS-2", "V5.1", 16),
        DeviceStatus(5, DEVICE, True, False, False, "断网", True, False, NOON_US),
        DeviceStatus(5, DEVICE),
        BasicConfiguration(6, DEVICE, "东门", 3600, 60, 3),
        Presets(7, DEVICE, {1: "门", 9: ""}),
        MediaStatus(8, DEVICE),
        Broadcast(9, "34020000002000000001", DEVICE),
        Alarm(10, DEVICE, 1, alarm.BY_VIDEO, NOON_US, "入侵", 6, "1", 118.3, 30.9),
        Alarm(10, DEVICE, 4, alarm.BY_DEVICE, None),
        AlarmSubscription(11, DEVICE, 1, 3, "2/5"),
        MobilePosition(12, DEVICE, NOON_US, 118.3, 30.9, 40.0, 90.0, 12.5),
        RecordQuery(13, DEVICE, NOON_US, NOON_US + 60_000_000, "alarm"),
        RecordPage(14, DEVICE, "东门", 2, (RecordItem(DEVICE, NOON_US, NOON_US + 1_000_000),)),
    ],
    ids=lambda one: type(one).__name__,
)
def test_is_read_as_it_was_written(written: object) -> None:
    found = type(written).read(through(written.to_element()))  # type: ignore[attr-defined]
    assert found == written


@pytest.mark.parametrize(
    "control",
    [
        Steer(Move(pan=1.0), 5),
        Steer(Preset("call", 3)),
        PrecisePosition(123.4, -5.0, 2.0),
        PrecisePosition(pan_degrees=1.0),
        Restart(),
        Record(on=True),
        Record(on=False),
        Guard(on=False),
        ResetAlarm(),
        ResetAlarm("2", "1"),
        SendKeyframe(),
        DragZoom("in", 1920, 1080, 960, 540, 100, 50),
        DragZoom("out", 1920, 1080, 0, 0, 1, 1),
        HomePosition(enabled=True, reset_s=30, preset=2),
        HomePosition(enabled=False),
    ],
    ids=lambda one: type(one).__name__,
)
def test_command_is_read_as_it_was_written(control: Control) -> None:
    written = DeviceControl(15, DEVICE, control)
    assert DeviceControl.read(through(written.to_element())) == written


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<PTZCmd>A50F</PTZCmd>",
        "<GuardCmd>Perhaps</GuardCmd>",
        "<DragZoomIn><Length>9</Length></DragZoomIn>",
        "<FormatSDCard>1</FormatSDCard>",
    ],
)
def test_unknown_or_damaged_command_is_refused(inside: str) -> None:
    body = f"<Control><CmdType>DeviceControl</CmdType><SN>1</SN>{inside}</Control>"
    with pytest.raises(DeviceControlError):
        DeviceControl.read(envelope.read(body.encode()))


@pytest.mark.parametrize("name", ["IFameCmd", "IFrameCmd"])
def test_keyframe_is_understood_in_both_spellings(name: str) -> None:
    body = f"<Control><CmdType>DeviceControl</CmdType><SN>1</SN><{name}>Send</{name}></Control>"
    assert DeviceControl.read(envelope.read(body.encode())).control == SendKeyframe()


def test_alarm_of_a_device_in_words_and_with_the_type_where_2011_has_it() -> None:
    body = (
        "<Notify><CmdType>Alarm</CmdType><SN>1</SN><AlarmPriority>9</AlarmPriority>"
        "<AlarmMethod>2</AlarmMethod><AlarmTime>soon</AlarmTime><AlarmType>2</AlarmType></Notify>"
    )
    found = Alarm.read(envelope.read(body.encode()))
    assert (found.priority, found.at_us, found.meaning()) == (4, None, "tamper")
    accepted = Outcome.read(through(found.accepted()))
    assert (accepted.command, accepted.ok) == ("Alarm", True)


@pytest.mark.parametrize(
    ("subscription", "wanted"),
    [
        (AlarmSubscription(1, DEVICE), True),
        (AlarmSubscription(1, DEVICE, method="2"), False),
        (AlarmSubscription(1, DEVICE, method="2/5"), True),
        (AlarmSubscription(1, DEVICE, 1, 2), False),
    ],
)
def test_alarms_that_were_subscribed_for(subscription: AlarmSubscription, wanted: bool) -> None:
    assert subscription.wants(Alarm(1, DEVICE, 3, alarm.BY_VIDEO, NOON_US)) is wanted


def test_position_off_the_globe_is_none() -> None:
    assert (
        MobilePosition.read(through(MobilePosition(1, DEVICE, None, 200.0, 0).to_element())) is None
    )
    document = through(mobile_position.subscription(1, DEVICE, 30))
    assert document.element.number("Interval") == 30


def test_queries_about_a_device() -> None:
    document = through(device_information.query(device_information.PRESETS, 3, DEVICE))
    assert (document.category, document.command) == ("Query", "PresetQuery")
    document = through(device_information.basic_configuration_query(3, DEVICE))
    assert document.element.value("ConfigType") == "BasicParam"


def test_recordings_are_gathered_in_order_each_once() -> None:
    items = [
        RecordItem(DEVICE, NOON_US + n * 60_000_000, NOON_US + (n + 1) * 60_000_000)
        for n in range(5)
    ]
    made = list(pages(1, DEVICE, "东门", items, 2))
    assert [len(one.items) for one in made] == [2, 2, 1]
    assembly = RecordAssembly(1, 0.0)
    for one in (made[2], made[0], made[0]):
        assembly.add(one, 1.0)
    assert not assembly.complete
    assert assembly.deadline_s() == 1.0 + TIMEOUT_S
    assembly.add(made[1], 2.0)
    assert assembly.is_over(2.0 + SETTLING_S)
    assert assembly.items() == items


def test_query_for_recordings_without_times_is_none() -> None:
    body = b"<Query><CmdType>RecordInfo</CmdType><SN>1</SN><StartTime>x</StartTime></Query>"
    assert RecordQuery.read(envelope.read(body)) is None
