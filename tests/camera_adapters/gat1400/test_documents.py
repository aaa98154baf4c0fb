"""Documents of GA/T 1400.3: what is read of them, what is left out, and both directions."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.gat1400.answers import (
    ResponseStatus,
    read_statuses,
    write_status,
    write_statuses,
)
from camera_adapters.gat1400.body import BodyError, listed, read_body
from camera_adapters.gat1400.codes import Status, color_code, vehicle_type
from camera_adapters.gat1400.fields import (
    DocumentError,
    read_moment,
    read_text,
    write_moment,
)
from camera_adapters.gat1400.objects import (
    BY_KIND,
    INTERFACES,
    MotorVehicle,
    clean_plate,
    read_sighting,
    write_sighting,
)
from camera_adapters.gat1400.pictures import PictureError, jpeg_size, read_picture
from camera_adapters.gat1400.subscriptions import (
    Subscription,
    read_notification,
    read_subscription,
    write_notification,
    write_subscription,
)
from tests.peers.gat1400_device import jpeg, motor_vehicle, sub_image

CHINA = 480
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = sorted(
    {
        one.metadata["gat1400"][0]
        for interface in INTERFACES
        for one in interface.document.__dataclass_fields__.values()
    }
    | {"SubImageList", "SubImageInfoObject", "Data", "Type", "ImageInfo", "VideoSliceInfo"}
)


def read(document: Any, kind: str = "vehicle") -> Any:
    return read_sighting(BY_KIND[kind], document, "x", utc_offset_minutes=CHINA)  # type: ignore[index]


def test_numbers_as_text_and_text_as_numbers() -> None:
    found = read(motor_vehicle(LaneNo="3", Speed="61.5", VehicleColor=2, Direction=3, HasPlate=1))
    one = found.described
    assert (one.lane, one.speed_kmh, found.color, one.direction, one.has_plate) == (
        3, 61.5, 2, "3", True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"LaneNo": "many"}, "lane"),
        ({"LaneNo": 2.5}, "lane"),
        ({"Speed": "1e999"}, "speed_kmh"),
        ({"Speed": True}, "speed_kmh"),
        ({"PassTime": "20261332250000"}, "passed_us"),
        ({"PassTime": []}, "passed_us"),
        ({"NameOfPassedRoad": "x" * 65}, "road"),
        ({"NameOfPassedRoad": "a\x00b"}, "road"),
        ({"NameOfPassedRoad": "\ud800"}, "road"),
        ({"DeviceID": {"a": 1}}, "device_id"),
    ],
)
def test_what_cannot_be_read_is_left_out(more: dict[str, Any], name: str) -> None:
    assert getattr(read(motor_vehicle(**more)).described, name) is None


def test_what_has_no_id_is_refused_by_its_path() -> None:
    with pytest.raises(DocumentError, match=r"x\.MotorVehicleID"):
        read({"PlateNo": "鄂H12345"})


def test_the_same_comes_back_from_the_other_direction() -> None:
    found = read(motor_vehicle())
    encoded = {n: base64.b64encode(one.data).decode() for n, one in enumerate(found.pictures)}
    document = write_sighting(BY_KIND["vehicle"], found, encoded, utc_offset_minutes=CHINA)
    assert read(document) == found
    assert "DriverName" not in document


@pytest.mark.parametrize("kind", ["image", "clip"])
def test_pictures_and_clips_have_their_facts_one_object_further_in(kind: str) -> None:
    if kind == "image":
        told = {"ImageInfo": {"ImageID": "I1", "DeviceID": "1" * 20, "ShotTime": "20261122150405"},
                "Data": base64.b64encode(jpeg()).decode()}  # fmt: skip
        found = read(told, "image")
        assert [one.data for one in found.pictures] == [jpeg()]
    else:
        told = {"VideoSliceInfo": {"VideoID": "V1", "DeviceID": "1" * 20, "StoragePath": "/a/b.mp4",
                                   "BeginTime": "20261122150405"}, "Data": "AAAA"}  # fmt: skip
        found = read(told, "clip")
        assert found.pictures == ()
        assert "references" in found.left_out[0]
        assert found.described.storage_path == "/a/b.mp4"
    assert found.at_us == 1_795_331_045_000_000


def test_an_image_without_a_picture_is_refused() -> None:
    with pytest.raises(DocumentError, match="faces"):
        read({"ImageInfo": {"ImageID": "I1", "Type": "11"}, "Data": "AAAA"}, "image")


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("鄂h·12345", "鄂H12345"), (" 鄂H 123 45 ", "鄂H12345"), ("无车牌", None), ("未识别", None),
        ("", None), ("--", None), ("鄂HD12345", "鄂HD12345"), ("WJ鄂12345", "WJ鄂12345"),
    ],
)  # fmt: skip
def test_plates(written: str, read_as: str | None) -> None:
    assert clean_plate(written) == read_as


def test_no_plate_where_there_is_none() -> None:
    assert read(motor_vehicle(HasPlate="0", PlateNo="鄂H00000")).plate is None


@pytest.mark.parametrize(
    ("code", "word"),
    [("K33", "car"), ("K31", "van"), ("K32", "suv"), ("K11", "bus"), ("H11", "truck"),
     ("k33", "car"), ("M21", "motorcycle"), ("X99", "other"), ("?", "other"), ("", None),
     (None, None)],
)  # fmt: skip
def test_vehicle_types(code: str | None, word: str | None) -> None:
    assert vehicle_type(code) == word


@pytest.mark.parametrize(
    ("text", "code"), [("2", 2), ("02", 2), ("99", 99), ("14", None), ("-1", None), ("²", None)]
)
def test_colors(text: str, code: int | None) -> None:
    assert color_code(text) == code


@given(st.datetimes(datetime(1975, 1, 1), datetime(2190, 1, 1)), st.integers(-720, 840))
def test_moments_come_back(moment: datetime, offset: int) -> None:
    at_us = round(moment.replace(microsecond=0, tzinfo=UTC).timestamp()) * 1_000_000
    assert read_moment(write_moment(at_us, offset), offset) == at_us


@pytest.mark.parametrize(
    ("text", "at_us"),
    [
        ("20261122150405", 1_795_331_045_000_000),
        ("20261122150405123", 1_795_331_045_123_000),
        ("2026-11-22T15:04:05+08:00", 1_795_331_045_000_000),
        ("2026-11-22 15:04:05", 1_795_331_045_000_000),
        ("2026-11-22T07:04:05Z", 1_795_331_045_000_000),
        ("20261122", 1_795_276_800_000_000), ("tomorrow", None), ("00010101000000", None),
        ("99991231235959", None),
    ],
)  # fmt: skip
def test_moments_as_devices_write_them(text: str, at_us: int | None) -> None:
    assert read_moment(text, CHINA) == at_us


@given(JSON)
def test_text_is_always_text_that_a_database_takes(value: Any) -> None:
    text = read_text(value, 20)
    if text is not None:
        assert len(text) <= 20
        assert "\0" not in text
        text.encode()


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=12), st.sampled_from(INTERFACES))
def test_no_document_breaks_the_reader(document: dict[str, Any], interface: Any) -> None:
    try:
        found = read_sighting(interface, document, "x", utc_offset_minutes=CHINA)
    except DocumentError:
        return
    assert found.id
    assert found.color in (None, *range(1, 14), 99)
    write_sighting(interface, found, {}, utc_offset_minutes=CHINA)


@given(JSON)
def test_no_notification_breaks_the_reader(value: Any) -> None:
    lists = ("DeviceList", "MotorVehicleObjectList", "FaceObjectList")
    named = {"NotificationID": "N", "SubscribeID": "S"}
    for document in (value, {**named, **dict.fromkeys(lists, value)}):
        try:
            read_notification(document, "x", 5)
        except DocumentError:
            continue


def test_subscriptions_come_back() -> None:
    one = Subscription(
        id="S1", title="x", detail="13, 11;12", resources="1,2, 3", ends_us=1_795_331_045_000_000,
        receive_address="http://10.0.0.1/VIID/SubscribeNotifications", interval_s=3, operation=0,
    )  # fmt: skip
    document = write_subscription(one, utc_offset_minutes=CHINA)
    assert read_subscription(document, "x", utc_offset_minutes=CHINA) == one
    assert one.kinds == {"vehicle", "person"}
    assert one.asks_for_faces
    assert one.codes == {"1", "2", "3"}


def test_notifications_come_back() -> None:
    objects = {"vehicle": [motor_vehicle(1), motor_vehicle(2)], "person": []}
    document = write_notification(
        "N1", Subscription(id="S1"), "20261122150405", objects, ["a", "b"]  # type: ignore[arg-type]
    )  # fmt: skip
    found = read_notification(document, "x", 10)
    assert (found.id, found.subscribe_id, len(found.objects)) == ("N1", "S1", 2)
    with pytest.raises(DocumentError, match="send fewer"):
        read_notification(document, "x", 1)


def test_faces_within_a_notification_are_counted_and_not_read() -> None:
    document = {"NotificationID": "N", "SubscribeID": "S",
                "FaceObjectList": {"FaceObject": [{"FaceID": "F"}]}}  # fmt: skip
    found = read_notification(document, "x", 10)
    assert (found.faces, found.objects) == (1, ())


def test_answers_come_back_in_every_shape() -> None:
    one = ResponseStatus("/VIID/Faces", Status.INVALID_OPERATION, "no", "F1")
    for document in (
        write_statuses([one], 1, CHINA),
        write_status(one, 1, CHINA),
        write_statuses([one], 1, CHINA)["ResponseStatusListObject"],
    ):
        assert read_statuses(document) == [one]
    assert read_statuses({"StatusCode": "0"})[0].ok
    assert read_statuses({}) == []


def test_bodies_that_are_lists_of_one() -> None:
    one = {"MotorVehicleID": "1"}
    for body in (
        {"MotorVehicleListObject": {"MotorVehicleObject": one}},
        {"MotorVehicleListObject": [one]},
        {"MotorVehicleObject": [one]},
    ):
        assert listed(body, "MotorVehicleListObject", "MotorVehicleObject", 5) == [one]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b'{"a": ' * 13 + b"1" + b"}" * 13, Status.INVALID_JSON_CONTENT),
        (b"[" * 50_000_0, Status.INVALID_JSON_CONTENT),
        (b'{"a": [' + b"1," * 300_000 + b"1]}", Status.INVALID_JSON_CONTENT),
        (b'{"a": "' + b'\\"' * 500_000, Status.INVALID_JSON_FORMAT),
        (b'{"' + b"\\" * 999_999, Status.INVALID_JSON_FORMAT),
        (b"\xef\xbb\xbf<x/>", Status.INVALID_XML_FORMAT),
        (b"", Status.INVALID_JSON_FORMAT),
        (b'{"a": 1' + b"0" * 5000 + b"}", None),
    ],
)
def test_bodies_meant_to_hurt(raw: bytes, status: Status | None) -> None:
    if status is None:
        with pytest.raises(BodyError):
            read_body(raw)
        return
    with pytest.raises(BodyError) as refused:
        read_body(raw)
    assert refused.value.status is status


def test_brackets_within_strings_are_no_depth() -> None:
    assert read_body(b'{"a": "[[[[[[[[[[[[[[[[{{{{{{{{{{{{\\\\"}') == {
        "a": "[" * 16 + "{" * 12 + "\\"
    }


def test_a_picture_is_known_by_its_markers() -> None:
    assert jpeg_size(jpeg(64, 48)) == (64, 48)
    with_breaks = base64.encodebytes(jpeg()).decode()
    assert read_picture("01", f"data:image/jpeg;base64,{with_breaks}").data == jpeg()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff\xd8", b"GIF89a", b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xda\x00\x02",
        b"\xff\xd8\xff\xc0\x00\x08\x08\x00\x00\x00\x10\x01\xff\xda\x00\x02",
        b"\xff\xd8\xff\xc0\x00\x08\x08\xff\xff\xff\xff\x01\xff\xda\x00\x02",
        b"\xff\xd8" + b"\xff" * 1000,
    ],
)  # fmt: skip
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(PictureError):
        jpeg_size(data)


def test_pictures_are_bounded() -> None:
    with pytest.raises(PictureError, match="larger"):
        read_picture("01", "A" * 100, limit=50)
    found = read(motor_vehicle(SubImageList={"SubImageInfoObject": [sub_image("01", jpeg())] * 20}))
    assert len(found.pictures) == 8


@given(st.binary(max_size=300))
def test_no_bytes_break_the_look_at_a_picture(data: bytes) -> None:
    for one in (data, b"\xff\xd8" + data, jpeg()[:40] + data):
        try:
            width, height = jpeg_size(one)
        except PictureError:
            continue
        assert width > 0
        assert height > 0


def test_a_document_says_what_it_is_made_of() -> None:
    names = {one.metadata["gat1400"][0] for one in MotorVehicle.__dataclass_fields__.values()}
    assert {"MotorVehicleID", "PlateNo", "PassTime"} <= names
