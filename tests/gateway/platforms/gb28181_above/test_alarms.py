"""Which rows of device events are told to platforms above, and in which words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from camera_adapters.device_events import DeviceEvent, DeviceEventKind, DeviceEventState
from camera_adapters.gb28181 import alarm, envelope, xml_bodies
from camera_adapters.gb28181.alarm import Alarm, AlarmSubscription
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.event_storing import EventStoring
from gateway.platforms.gb28181_above.alarms import AlarmFeed
from tests.gateway.platforms.gb28181_above.lower import Lower, lower_gateway
from tests.peers.upper_platform import UpperPlatform, row_of

BELOW = "plf_nvr"


class Told:
    """A device below, and what it tells, stored as signalling stores it."""

    def __init__(self, lower: Lower) -> None:
        self.lower = lower
        self._storing = EventStoring(lower.rows, lower.reader, default_days=30)

    async def event(
        self,
        kind: DeviceEventKind = DeviceEventKind.MOTION,
        channel: str = "1",
        *,
        at_us: int | None = None,
        source: str = "",
        state: DeviceEventState = DeviceEventState.PULSE,
    ) -> int:
        at_us = now_us() if at_us is None else at_us
        self._storing.take(BELOW, DeviceEvent(kind, channel, at_us, state, source))
        await self._storing.flush()
        return at_us


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    async with lower_gateway(tmp_path) as lower:
        await lower.rows.write(
            "platforms.create",
            columns={
                "id": BELOW,
                "kind": "onvif",
                "direction": "below",
                "name": "录像机",
                "code": None,
                "host": "127.0.0.1",
                "area_id": lower.areas["county"],
                "options": {},
                "enabled": True,
            },
        )
        await lower.rows.write(
            "cameras.change",
            camera_id=lower.cameras["gate"],
            columns={"platform_id": BELOW, "channel": "1"},
        )
        yield Told(lower)


async def test_each_event_is_told_once_and_what_was_before_is_history(told: Told) -> None:
    await told.event(source="before")
    feed = AlarmFeed(told.lower.reader)
    assert await feed.read() == []
    at_us = await told.event(DeviceEventKind.TAMPER, source="lens")
    (found,) = await feed.read()
    assert (found.camera_id, found.beneath_mask) == (told.lower.cameras["gate"], False)
    one = found.alarm
    assert (one.meaning(), one.at_us, one.description) == ("tamper", at_us, "tamper lens")
    assert await feed.read() == []


async def test_what_happened_in_a_zone_beneath_a_mask_says_so(told: Told) -> None:
    gate = told.lower.cameras["gate"]
    left_half = [{"points": [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]}]
    of_masks = {"version": 0, "masks": left_half, "user_id": told.lower.user_id}
    await told.lower.rows.write("masks.put", camera_id=gate, user_name="wang", **of_masks)
    feed = AlarmFeed(told.lower.reader)
    await feed.read()
    at_us = now_us()
    rows = [
        {
            "id": f"zev_{number}",
            "platform_id": "",
            "camera_id": gate,
            "channel": "",
            "kind": "intrusion",
            "source": "zone:zon_1",
            "state": "pulse",
            "begin_us": at_us + number,
            "end_us": None,
            "detail": {"zone_name": "院子", "box": box},
            "count": 1,
        }
        for number, box in enumerate(([0.1, 0.2, 0.3, 0.9], [0.6, 0.2, 0.8, 0.9]))
    ]
    await told.lower.rows.write("device_events.store", new=rows, changed=[])
    assert [one.beneath_mask for one in await feed.read()] == [True, False]


async def test_end_of_an_event_is_no_second_alarm(told: Told) -> None:
    feed = AlarmFeed(told.lower.reader)
    await told.event(state=DeviceEventState.BEGIN)
    assert len(await feed.read()) == 1
    await told.event(state=DeviceEventState.END)
    assert await feed.read() == []


async def test_event_of_a_device_whose_clock_is_late_is_told_too(told: Told) -> None:
    feed = AlarmFeed(told.lower.reader)
    assert await feed.read() == []
    await told.event(at_us=now_us() - 240 * US_PER_S)
    found = [one for _ in range(10) for one in await feed.read()]
    assert len(found) == 1


async def test_events_of_no_camera_of_ours_and_positions_are_no_alarms(told: Told) -> None:
    feed = AlarmFeed(told.lower.reader)
    await told.event(channel="2")
    await told.event(DeviceEventKind.POSITION)
    assert await feed.read() == []


@pytest.mark.parametrize(
    ("kind", "meaning", "method"),
    [
        (DeviceEventKind.MOTION, "moving_object", alarm.BY_VIDEO),
        (DeviceEventKind.LINE_CROSSING, "line_crossing", alarm.BY_VIDEO),
        (DeviceEventKind.INTRUSION, "intrusion", alarm.BY_VIDEO),
        (DeviceEventKind.VIDEO_LOSS, "video_lost", alarm.BY_DEVICE),
        (DeviceEventKind.STORAGE_FAULT, "storage_fault", alarm.BY_DEVICE_FAULT),
        (DeviceEventKind.EMERGENCY, "alarm", alarm.BY_OTHER),
    ],
)
async def test_kinds_keep_their_meaning_on_the_way_up(
    told: Told, kind: DeviceEventKind, meaning: str, method: int
) -> None:
    feed = AlarmFeed(told.lower.reader)
    await told.event(kind)
    (found,) = await feed.read()
    one = found.alarm
    again = Alarm.read(envelope.read(xml_bodies.to_bytes(one.to_element())))
    assert (again.method, again.meaning()) == (method, meaning)


async def test_every_kind_has_words_but_positions_and_outputs(told: Told) -> None:
    feed = AlarmFeed(told.lower.reader)
    for kind in DeviceEventKind:
        await told.event(kind)
    words = {one.alarm.description for one in await feed.read()}
    assert words == set(DeviceEventKind) - {"position", "relay_output"}


async def test_stored_event_reaches_the_subscriber_above(told: Told) -> None:
    lower = told.lower
    upper = UpperPlatform("34020000002000000001", "from above")
    await upper.open()
    try:
        platform_id = await lower.add_platform(row_of(upper, "udp"), "from above")
        await lower.share(platform_id, areas=("village",))
        await upper.registered.wait()
        document = AlarmSubscription(4, upper.lower_code).to_element()
        await upper.subscribe(alarm.EVENT_PACKAGE, document)
        at_us = await told.event(DeviceEventKind.LINE_CROSSING)
        came = Alarm.read(await upper.notified.get())
        shared = lower.kind._held[platform_id].catalog
        assert shared is not None
        assert shared.cameras[came.device_id].camera_id == lower.cameras["gate"]
        assert came.meaning() == "line_crossing"
        # A local time to the second is all that the notice can say.
        assert came.at_us is not None
        assert abs(came.at_us - at_us) <= US_PER_S
    finally:
        await upper.close()
