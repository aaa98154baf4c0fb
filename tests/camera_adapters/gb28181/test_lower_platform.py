"""What a platform above is answered, and what it is not."""

from __future__ import annotations

import pytest

from camera_adapters.gb28181 import (
    alarm,
    device_information,
    envelope,
    lower_platform,
    xml_bodies,
)
from camera_adapters.gb28181.catalog import CatalogItem, CatalogPage, CatalogQuery
from camera_adapters.gb28181.catalog_assembly import arrange
from camera_adapters.gb28181.device_control import (
    Control,
    DeviceControl,
    Guard,
    Restart,
    SendKeyframe,
    Steer,
)
from camera_adapters.gb28181.device_information import DeviceInformation, DeviceStatus
from camera_adapters.gb28181.lower_platform import (
    Carry,
    Decision,
    FindPresets,
    FindRecordings,
    Identity,
    Nothing,
    Permissions,
    Refuse,
    Send,
)
from camera_adapters.gb28181.record_information import RecordPage, RecordQuery
from camera_adapters.gb28181.shared_catalog import (
    SharedArea,
    SharedCamera,
    SharedCatalog,
    events_between,
)
from camera_adapters.gb28181.steering import Move, Preset
from camera_adapters.gb28181.xml_bodies import Element

OWN = "34020000002000000009"
GROUP = "34020000002157000001"
TOWN = "34020000002167000001"
VILLAGE = "34020000002167000002"
GATE = "34020000001327000001"
ROAD = "34020000001327000002"
STRANGER = "34020000001327000099"
NOW_US = 1_769_918_400_000_000
MOST = Permissions(may_playback=True, may_download=True, may_steer=True)


def shared(
    *extra: SharedCamera, gate_online: bool = True, gate_name: str = "东门"
) -> SharedCatalog:
    return SharedCatalog.of(
        OWN,
        GROUP,
        "南陵县",
        [SharedArea(TOWN, "许镇镇"), SharedArea(VILLAGE, "黄墓村", TOWN, "340223")],
        [
            SharedCamera(GATE, "cam_gate", gate_name, VILLAGE, gate_online, steerable=True),
            SharedCamera(ROAD, "cam_road", "路口"),
            *extra,
        ],
    )


def decide(root: Element, permissions: Permissions = MOST, items_per_page: int = 2) -> Decision:
    return lower_platform.respond(
        envelope.read(xml_bodies.to_bytes(root)),
        shared(),
        permissions,
        Identity(firmware="1"),
        now_us=NOW_US,
        items_per_page=items_per_page,
    )


def sent(decision: Decision) -> list[envelope.Envelope]:
    assert isinstance(decision, Send)
    return [envelope.read(xml_bodies.to_bytes(one)) for one in decision.documents]


def control(command: Control, permissions: Permissions = MOST, code: str = GATE) -> Decision:
    return decide(DeviceControl(7, code, command).to_element(), permissions)


@pytest.mark.parametrize("code", [OWN, GROUP, ""])
def test_whole_catalogue_is_a_tree_that_anybody_can_hang_up(code: str) -> None:
    found = [CatalogPage.read(one) for one in sent(decide(CatalogQuery(3, code).to_element()))]
    items = [item for one in found for item in one.items]
    assert {(one.total, one.serial_number) for one in found} == {(5, 3)}
    nodes, orphans, cycles = arrange(items, OWN)
    assert (orphans, cycles) == ((), ())
    above = {node.item.code: node.parent for node in nodes.values()}
    assert above == {GROUP: "", TOWN: GROUP, VILLAGE: TOWN, GATE: VILLAGE, ROAD: GROUP}
    assert nodes[GATE].item.steerable
    assert not nodes[ROAD].item.steerable


def test_part_of_the_catalogue() -> None:
    (page, *_) = [CatalogPage.read(one) for one in sent(decide(CatalogQuery(3, TOWN).to_element()))]
    assert page.total == 3
    one = sent(decide(CatalogQuery(3, GATE).to_element()))
    assert [item.code for item in CatalogPage.read(one[0]).items] == [GATE]


def test_catalogue_of_a_stranger_is_no_answer() -> None:
    decision = decide(CatalogQuery(3, STRANGER).to_element())
    assert isinstance(decision, Refuse)
    assert (decision.status, decision.code) == (404, "not_shared")


def test_tells_of_itself_and_of_its_cameras() -> None:
    query = device_information.query
    (own,) = sent(decide(query("DeviceInfo", 4, OWN)))
    told = DeviceInformation.read(own)
    assert (told.name, told.channels, told.firmware) == ("南陵县", 2, "1")
    (of_gate,) = sent(decide(query("DeviceInfo", 4, GATE)))
    assert DeviceInformation.read(of_gate).name == "东门"
    (status,) = sent(decide(query("DeviceStatus", 4, GATE)))
    assert DeviceStatus.read(status).device_time_us == NOW_US
    (basic,) = sent(decide(device_information.basic_configuration_query(4, OWN)))
    assert device_information.BasicConfiguration.read(basic).heartbeat_s == 60


def test_steering_is_carried_when_granted() -> None:
    decision = control(Steer(Move(pan=1.0), priority=5))
    assert isinstance(decision, Carry)
    assert (decision.camera.camera_id, decision.priority, decision.answer) == ("cam_gate", 5, None)
    assert lower_platform.is_carried(decision.control)


@pytest.mark.parametrize(
    ("command", "permissions", "code", "status", "why"),
    [
        (Restart(), MOST, GATE, 403, "not_granted"),
        (Restart(), MOST, OWN, 403, "not_granted"),
        (Steer(Move(pan=1.0)), Permissions(), GATE, 403, "not_granted"),
        (Steer(Move(pan=1.0)), MOST, STRANGER, 404, "not_shared"),
        (SendKeyframe(), MOST, STRANGER, 404, "not_shared"),
    ],
)
def test_what_is_not_granted_is_refused(
    command: Control, permissions: Permissions, code: str, status: int, why: str
) -> None:
    decision = control(command, permissions, code)
    assert isinstance(decision, Refuse)
    assert (decision.status, decision.code) == (status, why)


def test_command_that_is_owed_an_answer_gets_one() -> None:
    decision = control(Guard(on=True))
    assert isinstance(decision, Refuse)
    assert decision.status == 200
    assert decision.answer is not None
    assert decision.answer.value("Result") == "ERROR"


def test_setting_a_preset_is_not_carried() -> None:
    assert not lower_platform.is_carried(Steer(Preset("set", 1)))
    assert lower_platform.is_carried(Steer(Preset("call", 1)))


def test_keyframe_needs_no_grant() -> None:
    assert isinstance(control(SendKeyframe(), Permissions()), Carry)


def test_recordings_are_looked_for_when_granted() -> None:
    query = RecordQuery(9, GATE, NOW_US, NOW_US + 60_000_000)
    decision = decide(query.to_element())
    assert isinstance(decision, FindRecordings)
    assert decision.query == query
    made = lower_platform.recordings_answer(query, decision.camera, [(NOW_US, NOW_US + 5_000_000)])
    assert made[0].items[0].start_us == NOW_US


def test_recordings_that_are_not_granted_are_none_at_all() -> None:
    query = RecordQuery(9, GATE, NOW_US, NOW_US + 60_000_000)
    decision = decide(query.to_element(), Permissions(may_steer=True))
    assert isinstance(decision, Refuse)
    assert decision.answer is not None
    page = RecordPage.read(envelope.read(xml_bodies.to_bytes(decision.answer)))
    assert (page.total, page.items) == (0, ())


def test_presets_are_told_to_who_may_steer() -> None:
    root = device_information.query(device_information.PRESETS, 5, GATE)
    assert isinstance(decide(root), FindPresets)
    (answer,) = sent(decide(root, Permissions()))
    assert device_information.Presets.read(answer).names == {}


@pytest.mark.parametrize(
    "root",
    [
        envelope.document("Query", "SomethingNew", 1, OWN),
        envelope.document("Control", "DeviceConfig", 1, GATE),
        envelope.document("Notify", "Broadcast", 1, GATE),
    ],
)
def test_what_is_not_understood_is_refused(root: Element) -> None:
    decision = decide(root)
    assert isinstance(decision, Refuse)
    assert decision.code == "unsupported"


def test_answers_are_taken_note_of() -> None:
    accepted = alarm.Alarm(1, GATE, 1, 2, NOW_US).accepted()
    assert decide(accepted) == Nothing()


def test_changes_are_told_with_children_before_their_parents() -> None:
    bigger = shared(SharedCamera(STRANGER, "cam_new", "新", VILLAGE), gate_online=False)
    kinds = [(one.kind, one.item.code) for one in events_between(shared(), bigger)]
    assert kinds == [("OFF", GATE), ("ADD", STRANGER)]
    renamed = events_between(shared(), shared(gate_name="西门"))
    assert [(one.kind, one.item.name) for one in renamed] == [("UPDATE", "西门")]
    empty = SharedCatalog(OWN, GROUP, "南陵县")
    gone = [one.item.code for one in events_between(shared(), empty)]
    assert gone.index(GATE) < gone.index(VILLAGE) < gone.index(TOWN) < gone.index(GROUP)
    assert events_between(shared(), shared()) == []


def test_nothing_shared_is_an_empty_catalogue() -> None:
    assert SharedCatalog.of(OWN, GROUP, "县", [], []).items == ()
    assert CatalogItem(OWN) not in shared().items
