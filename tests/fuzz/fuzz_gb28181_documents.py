"""Bodies of MESSAGE and NOTIFY, read as every document there is; a catalogue out of them."""

from __future__ import annotations

import contextlib

from camera_adapters.gb28181 import envelope, lower_platform, xml_bodies
from camera_adapters.gb28181.alarm import Alarm, AlarmSubscription
from camera_adapters.gb28181.broadcast import Broadcast
from camera_adapters.gb28181.catalog import CatalogItem, CatalogNotification, CatalogPage, pages
from camera_adapters.gb28181.catalog_assembly import CatalogAssembly
from camera_adapters.gb28181.device_control import DeviceControl, DeviceControlError, Steer
from camera_adapters.gb28181.device_information import (
    BasicConfiguration,
    DeviceInformation,
    DeviceStatus,
    Presets,
)
from camera_adapters.gb28181.envelope import Outcome
from camera_adapters.gb28181.keepalive import Keepalive
from camera_adapters.gb28181.lower_platform import Identity, Permissions
from camera_adapters.gb28181.media_status import MediaStatus
from camera_adapters.gb28181.mobile_position import MobilePosition
from camera_adapters.gb28181.record_information import RecordAssembly, RecordPage, RecordQuery
from camera_adapters.gb28181.shared_catalog import SharedArea, SharedCamera, SharedCatalog
from camera_adapters.gb28181.steering import Move
from camera_adapters.gb28181.xml_bodies import XmlBodyError

OWN = "34020000002000000001"
GROUP = "34020000002157000001"
CAMERA = "34020000001327000001"
SHARED = SharedCatalog.of(
    OWN,
    GROUP,
    "县",
    [SharedArea("34020000002167000001", "镇")],
    [SharedCamera(CAMERA, "cam_1", "东门", "34020000002167000001", steerable=True)],
)
_MOST = Permissions(may_playback=True, may_download=True, may_steer=True)
_CATALOG = next(pages(1, OWN, [CatalogItem(CAMERA, "东门", (OWN,), online=False)], 5))
SEEDS = [
    xml_bodies.to_bytes(_CATALOG.to_element()),
    xml_bodies.to_bytes(DeviceControl(2, CAMERA, Steer(Move(pan=1.0), 3)).to_element()),
    xml_bodies.to_bytes(RecordQuery(3, CAMERA, 0, 10**15).to_element(), xml_bodies.UTF8),
    xml_bodies.to_bytes(Alarm(4, CAMERA, 1, 5, 10**15, "入侵", 6, "1", 118.3, 30.9).to_element()),
    b'<?xml version="1.0" encoding="GB2312"?>\r\n<Query><CmdType>DeviceInfo</CmdType><SN>17</SN>'
    b"<DeviceID>34020000002000000001</DeviceID></Query>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><Query><CmdType>&b;</CmdType></Query>",
    b"<Notify><CmdType>MobilePosition</CmdType><SN>1</SN><Longitude>1e999</Longitude></Notify>",
]
_READERS = (
    Alarm,
    AlarmSubscription,
    BasicConfiguration,
    Broadcast,
    CatalogNotification,
    CatalogPage,
    DeviceInformation,
    DeviceStatus,
    Keepalive,
    MediaStatus,
    MobilePosition,
    Outcome,
    Presets,
    RecordPage,
    RecordQuery,
)


def target(data: bytes) -> None:
    try:
        document = envelope.read(data)
    except XmlBodyError:
        return
    for reader in _READERS:
        found = reader.read(document)
        if found is not None:
            xml_bodies.parse(xml_bodies.to_bytes(found.to_element()))
    with contextlib.suppress(DeviceControlError):
        DeviceControl.read(document)
    assembly = CatalogAssembly(OWN, document.serial_number, 0.0)
    assembly.add(CatalogPage.read(document), 0.0)
    assembly.result()
    records = RecordAssembly(document.serial_number, 0.0)
    records.add(RecordPage.read(document), 0.0)
    records.items()
    for permissions in (Permissions(), _MOST):
        lower_platform.respond(document, SHARED, permissions, Identity(), now_us=10**15)
