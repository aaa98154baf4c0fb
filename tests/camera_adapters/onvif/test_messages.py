"""What devices answer and tell, read: clocks, zones, topics, streams chosen, ranges of footage."""

from __future__ import annotations

import base64
import hashlib
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.device_events import DeviceEventKind as Kind
from camera_adapters.device_events import DeviceEventState as State
from camera_adapters.onvif import device, discovery, events, media, recordings, topics
from camera_adapters.onvif.addresses import (
    addresses_in,
    count_addresses,
    reached_service,
    reached_stream,
)
from camera_adapters.onvif.event_source import ChannelNames, StateChanges
from camera_adapters.onvif.media import Encoder, Profile
from camera_adapters.onvif.password_tries import WAIT_S, PasswordTries
from camera_adapters.onvif.recordings import Recording, TrackState
from camera_adapters.onvif.soap import Request, Service, Token, envelope
from camera_adapters.onvif.xml_tree import parse


def test_a_signature_is_as_the_username_token_profile_says() -> None:
    token = Token("admin", "密码", bytes(range(16)), 1_790_000_000_000_000)
    data = envelope(Request(Service.DEVICE, "GetScopes"), token=token)
    root = ElementTree.fromstring(data)
    texts = {one.tag.partition("}")[2]: one.text or "" for one in root.iter()}
    assert texts["Created"] == "2026-09-21T14:13:20.000Z"
    digest = hashlib.sha1(bytes(range(16)) + texts["Created"].encode() + "密码".encode()).digest()
    assert texts["Password"] == base64.b64encode(digest).decode()
    assert base64.b64decode(texts["Nonce"]) == bytes(range(16))
    assert "密码" not in data.decode() and "密码" not in repr(token)


@pytest.mark.parametrize(
    ("zone", "ahead_h"),
    [
        ("CST-8", 8),
        ("CST-8:00:00", 8),
        ("<+08>-8", 8),
        ("GMT+08:00", 8),
        ("UTC+8", 8),
        ("UTC0", 0),
        ("EST5EDT,M3.2.0,M11.1.0", -5),
        ("IST-5:30", 5.5),
        ("NZST-12NZDT,M9.5.0,M4.1.0/3", 12),
    ],
)
def test_how_far_a_zone_is_ahead(zone: str, ahead_h: float) -> None:
    assert device.seconds_ahead_of_utc(zone) == ahead_h * 3600


@pytest.mark.parametrize("zone", ["", "8", "C-8", "CST-99", "<"])
def test_what_is_no_zone_is_none(zone: str) -> None:
    assert device.seconds_ahead_of_utc(zone) is None


@given(st.integers(-14 * 4, 14 * 4).map(lambda quarters: quarters * 900))
def test_a_zone_is_written_as_it_is_read(seconds: int) -> None:
    assert device.seconds_ahead_of_utc(device.zone_of(seconds)) == seconds


def test_the_clock_is_set_in_utc_whatever_the_zone() -> None:
    request = device.set_system_date_and_time(1_790_000_000_000_000, "CST-8")
    assert "<tt:Hour>14</tt:Hour><tt:Minute>13</tt:Minute>" in request.body
    assert "<tt:TZ>CST-8</tt:TZ>" in request.body


def test_local_time_alone_is_read_by_its_zone() -> None:
    moment = "<Date><Year>2026</Year><Month>1</Month><Day>2</Day></Date>"
    moment += "<Time><Hour>8</Hour><Minute>0</Minute><Second>0</Second></Time>"
    zone = "<TimeZone><TZ>CST-8</TZ></TimeZone>"
    told = device.parse_system_date_and_time(
        parse(f"<R><S>x</S>{zone}<LocalDateTime>{moment}</LocalDateTime></R>".encode())
    )
    assert told.utc_us == 1_767_312_000_000_000


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("tns1:RuleEngine/CellMotionDetector/Motion//.", Kind.MOTION),
        ("tns1:VideoSource/MotionAlarm", Kind.MOTION),
        ("tns1:VideoAnalytics/tnssamsung:MotionDetection", Kind.MOTION),
        ("tns1:RuleEngine/tnsaxis:VMD4/Camera1ProfileANY", Kind.MOTION),
        ("tns1:RuleEngine/MyRuleDetector/PeopleDetect", Kind.MOTION),
        ("tns1:VideoSource/GlobalSceneChange/AnalyticsService", Kind.TAMPER),
        ("tns1:VideoSource/ImageTooDark/ImagingService", Kind.TAMPER),
        ("tns1:RuleEngine/TamperDetector/Tamper", Kind.TAMPER),
        ("tns1:VideoSource/tnsdahua:VideoBlind", Kind.TAMPER),
        ("tns1:RuleEngine/LineDetector/Crossed", Kind.LINE_CROSSING),
        ("tns1:RuleEngine/tnsdahua:CrossLineDetection", Kind.LINE_CROSSING),
        ("tns1:RuleEngine/TripwireDetector/Tripwire", Kind.LINE_CROSSING),
        ("tns1:RuleEngine/FieldDetector/ObjectsInside", Kind.INTRUSION),
        ("tns1:RuleEngine/CellMotionDetector/Intrusion", Kind.INTRUSION),
        ("tns1:RuleEngine/tnsdahua:CrossRegionDetection", Kind.INTRUSION),
        ("tns1:Device/Trigger/DigitalInput", Kind.DIGITAL_INPUT),
        ("tns1:Device/Trigger/tnshik:AlarmIn", Kind.DIGITAL_INPUT),
        ("tns1:Device/tnsaxis:IO/VirtualInput", Kind.DIGITAL_INPUT),
        ("tns1:Device/Trigger/Relay", Kind.RELAY_OUTPUT),
        ("tns1:AudioAnalytics/Audio/DetectedSound", Kind.SOUND),
        ("tns1:VideoSource/SignalLoss", Kind.VIDEO_LOSS),
        ("tns1:Device/HardwareFailure/StorageFailure", Kind.STORAGE_FAULT),
        ("tns1:Device/HardwareFailure/FanFailure", Kind.DEVICE_FAULT),
        ("tns1:Monitoring/ProcessorUsage", Kind.OTHER),
        ("tns1:RecordingConfig/JobState", Kind.OTHER),
        ("", Kind.OTHER),
    ],
)
def test_topics_mean_what_they_say(topic: str, kind: Kind) -> None:
    assert topics.kind_of(topics.words_of(topic)) is kind


def notification(operation: str, **data: str) -> events.Notification:
    topic = "tns1:RuleEngine/CellMotionDetector/Motion"
    return events.Notification(topic, operation, 1_000_000_000, {"Rule": "r"}, {}, data)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (notification("Changed", IsMotion="true"), State.BEGIN),
        (notification("Changed", State="0"), State.END),
        (notification("Initialized", IsMotion="1"), State.BEGIN),
        (notification("Deleted", IsMotion="true"), State.END),
        (notification("", ObjectId="7"), State.PULSE),
        (events.Notification("tns1:VideoSource/MotionAlarm", "", None, {}, {}, {}), State.END),
    ],
)
def test_states(told: events.Notification, state: State) -> None:
    event = events.device_event(told, channel="c", arrival_us=10**15, offset_us=None)
    assert event is not None and event.state is state


def test_a_property_that_is_no_state_is_no_event() -> None:
    told = events.Notification(
        "tns1:Monitoring/ProcessorUsage", "Changed", None, {}, {}, {"V": "3"}
    )
    assert events.device_event(told, channel="", arrival_us=0, offset_us=0) is None


@pytest.mark.parametrize(
    ("offset_us", "at_us"),
    [(0, 1_000_000_000), (None, 1_010_000_000), (8 * 3600 * 10**6, 1_010_000_000)],
)
def test_a_time_stamp_is_believed_when_the_clock_is_known(
    offset_us: int | None, at_us: int
) -> None:
    told = notification("Changed", IsMotion="true")
    event = events.device_event(told, channel="", arrival_us=1_010_000_000, offset_us=offset_us)
    assert event is not None and event.at_us == at_us


def test_only_changes_of_a_state_are_news() -> None:
    changes = StateChanges()

    def news(operation: str, **data: str) -> str:
        event = events.device_event(
            notification(operation, **data), channel="", arrival_us=0, offset_us=0
        )
        assert event is not None
        told = changes.news(event)
        return "" if told is None else f"{told.state}{' initial' * told.initial}"

    # What a process before this one may have kept open is over.
    assert news("Changed", IsMotion="false") == "end initial"
    assert news("Initialized", IsMotion="false") == ""
    assert news("Changed", IsMotion="true") == "begin"
    assert news("Changed", IsMotion="true") == ""
    assert news("Initialized", IsMotion="false") == "end initial"
    assert news("Changed", IsMotion="true") == "begin"
    assert news("Changed", IsMotion="false") == "end"
    changes.forget()
    assert news("Initialized", IsMotion="true") == "begin initial"
    assert news("Changed", IsMotion="true") == ""


@pytest.mark.parametrize(
    ("token", "code"),
    [("vsc_2", "b"), ("VSC_2", "b"), ("1", "a"), ("000", "a"), ("9", ""), ("", "")],
)
def test_tokens_mean_channels(token: str, code: str) -> None:
    assert ChannelNames({"vsc_2": "b"}, ["a", "b"]).code_of(token) == code
    assert ChannelNames({}, ["only"]).code_of(token) == "only"


def profile(token: str, width: int, height: int, codec: str = "h264", source: str = "v") -> Profile:
    encoder = Encoder(f"e{token}", codec, width, height)
    return Profile(token, token, Service.MEDIA, source, encoder=encoder)


def test_main_is_the_largest_and_sub_a_tile_s_size_in_h264() -> None:
    some = [
        profile("jpeg", 4000, 3000, "jpeg"),
        profile("third", 352, 288),
        profile("main", 2560, 1440, "h265"),
        profile("sub265", 704, 576, "h265"),
        profile("sub", 640, 480),
    ]
    (chosen,) = media.choose_streams(some, {})
    assert chosen.sub is not None
    assert (chosen.main.token, chosen.sub.token) == ("main", "sub")


def test_what_was_chosen_before_stays_while_it_is_there() -> None:
    some = [profile("a", 2560, 1440), profile("b", 704, 576), profile("c", 352, 288)]
    (kept,) = media.choose_streams(some, {"v": ("b", "c")})
    assert kept.sub is not None
    assert (kept.main.token, kept.sub.token) == ("b", "c")
    (gone,) = media.choose_streams(some, {"v": ("x", "c")})
    assert gone.sub is not None
    assert (gone.main.token, gone.sub.token) == ("a", "b")


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5000), st.integers(0, 5000), st.sampled_from(["h264", "h265", "jpeg"])
        ),
        max_size=8,
    )
)
def test_sub_is_never_larger_than_main_and_never_the_same(
    sizes: list[tuple[int, int, str]],
) -> None:
    some = [profile(str(n), w, h, codec) for n, (w, h, codec) in enumerate(sizes)]
    for chosen in media.choose_streams(some, {}):
        assert chosen.main.encoder is not None
        if chosen.sub is not None:
            assert chosen.sub.encoder is not None
            assert chosen.sub is not chosen.main
            main, sub = chosen.main.encoder, chosen.sub.encoder
            assert sub.width * sub.height <= main.width * main.height


@pytest.mark.parametrize(
    ("told", "reached"),
    [
        ("http://192.168.1.64/onvif/media", "http://10.0.0.7:8000/onvif/media"),
        ("http://0.0.0.0:80/onvif/media", "http://10.0.0.7:8000/onvif/media"),
        ("http://10.0.0.7:8899/onvif/media?a=b", "http://10.0.0.7:8899/onvif/media?a=b"),
        ("https://cam.local/x", "http://10.0.0.7:8000/x"),
        ("nonsense", "http://10.0.0.7:8000/base"),
        ("http://[::1", "http://10.0.0.7:8000/base"),
        ("", "http://10.0.0.7:8000/base"),
    ],
)
def test_services_are_where_the_device_is_reached(told: str, reached: str) -> None:
    assert reached_service(told, "http://10.0.0.7:8000/base") == reached


def test_streams_are_where_the_device_is_reached_without_credentials() -> None:
    assert reached_stream("rtsp://a:b@192.168.1.2:554/x?y=z", "10.0.0.7") == (
        "rtsp://10.0.0.7:554/x?y=z"
    )
    assert reached_stream("rtsp://cam/x", "fd00::1") == "rtsp://[fd00::1]/x"
    for bad in ("", "ftp://x/y", "rtsp://x/a b"):
        with pytest.raises(ValueError, match="the device gives"):
            reached_stream(bad, "10.0.0.7")


def test_ranges_of_addresses() -> None:
    assert list(addresses_in(["10.0.0.0/30", "10.0.1.5-7", "10.0.2.1"])) == [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.1.5",
        "10.0.1.6",
        "10.0.1.7",
        "10.0.2.1",
    ]
    assert count_addresses(["10.0.0.0/16"]) == 65_534


def test_a_hello_is_read_like_an_answer() -> None:
    text = (
        "<e:E><e:Body><d:Hello><a:EndpointReference><a:Address>urn:uuid:1</a:Address>"
        "</a:EndpointReference><d:Scopes>onvif://www.onvif.org/name/x "
        "onvif://www.onvif.org/location/city/county</d:Scopes>"
        "<d:XAddrs>http://169.254.1.1/onvif http://10.0.0.7:8000/onvif</d:XAddrs></d:Hello>"
        "</e:Body></e:E>"
    )
    (match,) = discovery.parse_matches(text.encode())
    assert (match.endpoint, match.scopes.name, match.scopes.location) == (
        "urn:uuid:1",
        "x",
        "city/county",
    )
    assert match.service_near("10.0.0.7") == ("http", 8000, "/onvif")
    assert match.service_near("10.9.9.9") == ("http", 80, "/onvif")


def state(at_us: int, present: bool, start: bool = False, track: str = "v") -> TrackState:
    return TrackState("r", track, at_us, present, start)


@pytest.mark.parametrize(
    ("states", "ranges"),
    [
        ([], []),
        ([state(5, True, True)], [(10, 90)]),
        ([state(5, False, True), state(30, True)], [(30, 90)]),
        ([state(5, True, True), state(30, False), state(40, True)], [(10, 30), (40, 90)]),
        ([state(40, True), state(30, False), state(5, True, True)], [(10, 30), (40, 90)]),
        ([state(20, True), state(20, True), state(25, False)], [(20, 25)]),
        ([state(20, True, track="audio")], []),
    ],
)
def test_ranges_from_states_of_tracks(
    states: list[TrackState], ranges: list[tuple[int, int]]
) -> None:
    assert recordings.ranges_of(states, ["v"], 10, 90) == ranges


@given(st.lists(st.builds(state, st.integers(0, 200), st.booleans(), st.booleans()), max_size=20))
def test_ranges_are_in_order_and_within_what_was_asked(states: list[TrackState]) -> None:
    last = 10
    for start_us, end_us in recordings.ranges_of(states, ["v"], 10, 90):
        assert last <= start_us < end_us <= 90
        last = end_us


def test_which_recording_is_a_channel_s() -> None:
    some = [Recording(f"r{n}", f"vs_{n}", f"cam {n}", None, None, ("v",)) for n in (1, 2)]
    assert recordings.recording_of(some, ["VS_2"], 0, 2) is some[1]
    assert recordings.recording_of(some, ["cam 1"], 1, 2) is some[0]
    assert recordings.recording_of(some, ["x"], 1, 2) is some[1]
    assert recordings.recording_of(some, ["x"], 1, 3) is None


@given(
    st.lists(st.tuples(st.sampled_from(["refused", "accepted"]), st.integers(0, 4000)), max_size=40)
)
def test_no_device_is_tried_more_than_twice_in_half_an_hour(
    history: list[tuple[str, int]],
) -> None:
    tries, now, refused = PasswordTries(), 0.0, []
    for outcome, later in history:
        now += later
        if tries.wait_s("d", now) > 0:
            continue
        if outcome == "accepted":
            tries.note_accepted("d")
            refused.clear()
        else:
            tries.note_refused("d", now)
            refused.append(now)
        assert len([at for at in refused if now - at < WAIT_S]) <= 2
    assert tries.wait_s("other", now) == 0
