"""Bodies, documents and pictures of GA/T 1400."""

from __future__ import annotations

import contextlib
import json

from camera_adapters.gat1400.answers import read_statuses
from camera_adapters.gat1400.body import BodyError, listed, read_body
from camera_adapters.gat1400.fields import DocumentError
from camera_adapters.gat1400.objects import INTERFACES, read_sighting
from camera_adapters.gat1400.pictures import PictureError, jpeg_size
from camera_adapters.gat1400.subscriptions import (
    read_devices,
    read_notification,
    read_subscription,
)

_VEHICLE = {"MotorVehicleID": "1" * 48, "DeviceID": "2" * 20, "PassTime": "20261122150405",
            "PlateNo": "鄂H12345", "Speed": 54.5, "LaneNo": "2", "HasPlate": "1",
            "SubImageList": {"SubImageInfoObject": [{"Data": "/9j/2Q=="}]}}  # fmt: skip
SEEDS = [
    json.dumps({"MotorVehicleListObject": {"MotorVehicleObject": [_VEHICLE, _VEHICLE]}}).encode(),
    json.dumps(
        {"SubscribeNotificationListObject": {"SubscribeNotificationObject": [
            {"NotificationID": "1", "SubscribeID": "2",
             "MotorVehicleObjectList": {"MotorVehicleObject": [_VEHICLE]},
             "DeviceList": {"APEObject": [{"ApeID": "3", "Longitude": "112.5"}]}}]}}
    ).encode(),
    json.dumps({"SubscribeListObject": {"SubscribeObject": [
        {"SubscribeID": "1", "SubscribeDetail": "11,13", "ReceiveAddr": "http://10.0.0.1:80/x",
         "EndTime": "20261122150405", "ReportInterval": "3"}]}}).encode(),
    json.dumps({"ResponseStatusListObject": {"ResponseStatusObject": [
        {"RequestURL": "/x", "StatusCode": 0, "StatusString": "OK", "Id": "1"}]}}).encode(),
    bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b080030004001011100ffda0008"),
]  # fmt: skip


def target(data: bytes) -> None:
    with contextlib.suppress(PictureError):
        jpeg_size(data)
    try:
        document = read_body(data)
    except BodyError:
        return
    read_statuses(document)
    for interface in INTERFACES:
        try:
            for one in listed(document, interface.outer, interface.inner, 50):
                read_sighting(interface, one, "x", utc_offset_minutes=480)
        except (BodyError, DocumentError):
            continue
    for outer, inner in (
        ("SubscribeListObject", "SubscribeObject"),
        ("SubscribeNotificationListObject", "SubscribeNotificationObject"),
    ):
        try:
            for one in listed(document, outer, inner, 50):
                read_devices([one], "ApeID", "camera")
                if inner == "SubscribeObject":
                    found = read_subscription(one, "x", utc_offset_minutes=480)
                    assert len(found.codes) + len(found.kinds) + len(found.details) < 1000
                else:
                    read_notification(one, "x", 50)
        except (BodyError, DocumentError):
            continue
