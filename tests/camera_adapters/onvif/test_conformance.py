"""What we send, read by the schema: each request against the WSDL that another library brings.

And that library as a client of our own device to order: what it serves is not made to fit us.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from camera_adapters.onvif import device, events, media, ptz, recordings
from camera_adapters.onvif.events import Subscription
from camera_adapters.onvif.media import Encoder, Profile
from camera_adapters.onvif.soap import Request, Service, envelope
from camera_adapters.onvif.xml_tree import parse
from tests.peers.onvif_device import Habits, OnvifDevice

onvif = pytest.importorskip("onvif")
etree = pytest.importorskip("lxml.etree")
zeep = pytest.importorskip("zeep")

WSDL = Path(onvif.__file__).parent / "wsdl"
_FILES = {
    Service.DEVICE: "devicemgmt.wsdl",
    Service.MEDIA: "media.wsdl",
    Service.PTZ: "ptz.wsdl",
    Service.IMAGING: "imaging.wsdl",
    Service.EVENTS: "events.wsdl",
    Service.NOTIFICATION: "events.wsdl",
    Service.SEARCH: "search.wsdl",
    Service.REPLAY: "replay.wsdl",
}
_ENCODER = Encoder("enc", "h264")
_PROFILE = Profile("prof", "p", Service.MEDIA, "vs", "vsc", _ENCODER)
_SUBSCRIPTION = Subscription("http://10.0.0.1/s", "", None, None)

REQUESTS: list[Request] = [
    device.get_system_date_and_time(),
    device.set_system_date_and_time(1_790_000_000_000_000, "CST-8"),
    device.get_device_information(),
    device.get_services(),
    device.get_capabilities(),
    device.get_scopes(),
    device.system_reboot(),
    media.get_profiles(Service.MEDIA),
    media.get_overlays(Service.MEDIA),
    media.get_stream_uri(_PROFILE),
    media.get_snapshot_uri(_PROFILE),
    media.set_synchronization_point(_PROFILE),
    media.get_encoder(_PROFILE),
    media.get_encoder_choices(_PROFILE),
    ptz.continuous_move("p", 0.5, -0.5, 0.1, 10),
    ptz.continuous_move("p", 0, 0, 1, 0.5),
    ptz.absolute_move("p", 0.1, 0.2, 0.3, 0.5),
    ptz.relative_move("p", 0.1, 0.2, 0.3, 0.5),
    ptz.stop("p"),
    ptz.get_status("p"),
    ptz.get_presets("p"),
    ptz.set_preset("p", "7", "大门 <&>"),
    ptz.set_preset("p", None, "x"),
    ptz.remove_preset("p", "7"),
    ptz.goto_preset("p", "7"),
    ptz.goto_home("p"),
    ptz.set_home("p"),
    ptz.auxiliary("p", "tt:Wiper|On"),
    ptz.get_node("n"),
    ptz.get_preset_tours("p"),
    ptz.create_preset_tour("p"),
    ptz.modify_preset_tour("p", "t", "夜间", [ptz.TourStop("1", 10), ptz.TourStop("2", 5)]),
    ptz.operate_preset_tour("p", "t", "Start"),
    ptz.remove_preset_tour("p", "t"),
    ptz.focus_move("vs", 0.5),
    ptz.focus_stop("vs"),
    events.create_pull_point(600),
    events.pull_messages(_SUBSCRIPTION, 60, 100),
    events.subscribe("http://10.0.0.9:8091/onvif/events/x", 600),
    events.renew(_SUBSCRIPTION, 600),
    events.unsubscribe(_SUBSCRIPTION),
    events.set_synchronization_point(_SUBSCRIPTION),
    recordings.find_recordings(),
    recordings.get_recording_results("s", 5),
    recordings.find_track_states(1_790_000_000_000_000, 1_790_000_060_000_000, "rec"),
    recordings.get_event_results("s", 5),
    recordings.end_search("s"),
    recordings.get_replay_uri("rec"),
]


@functools.cache
def schema(file: str) -> Any:
    settings = zeep.Settings(strict=True, forbid_external=True)
    return zeep.Client(str(WSDL / file), settings=settings)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda one: one.operation)
def test_each_request_is_as_the_schema_wants_it(request_: Request) -> None:
    file = _FILES[request_.service]
    root = etree.fromstring(envelope(request_, to="http://10.0.0.1/x", message_id="urn:uuid:1"))
    body = root.find("{http://www.w3.org/2003/05/soap-envelope}Body")[0]
    client = schema(file)
    element = client.get_element(body.tag)
    # Strict: an element that is missing, out of its order, or in another namespace, raises.
    element.parse(body, client.wsdl.types)


def test_an_encoder_goes_back_as_the_schema_wants_it() -> None:
    told = OnvifDevice(Habits())._encoder_1("trt:Configuration", "enc_1_main")
    text = (
        '<a xmlns:tt="http://www.onvif.org/ver10/schema" '
        'xmlns:trt="http://www.onvif.org/ver10/media/wsdl">' + told + "</a>"
    )
    answer = parse(text.encode())
    profile = Profile("p", "p", Service.MEDIA, "v", "c", Encoder("enc_1_main", "h264"))
    found = media.parse_encoder(answer, profile)
    assert found is not None
    wanted = media.changed_encoder(found[1], {"width": 1280, "height": 720})
    request = media.set_encoder(answer, found[0], profile, wanted)
    root = etree.fromstring(envelope(request))
    configuration = root.find(".//{http://www.onvif.org/ver10/media/wsdl}Configuration")
    tt = "{http://www.onvif.org/ver10/schema}"
    assert configuration.findtext(f"{tt}Resolution/{tt}Width") == "1280"
    assert configuration.findtext("{urn:maker}Smart") == "true"
    assert configuration.get("token") == "enc_1_main"
    order = [one.tag for one in configuration]
    assert order.index(f"{tt}Encoding") < order.index(f"{tt}RateControl")


@pytest.mark.parametrize(
    "ask",
    [
        lambda one: one.create_devicemgmt_service(),
        lambda one: one.create_media_service(),
        lambda one: one.create_ptz_service(),
    ],
    ids=["device", "media", "ptz"],
)
async def test_the_device_to_order_serves_another_client(ask: Callable[..., Any]) -> None:
    async with OnvifDevice() as peer:
        other = onvif.ONVIFCamera(
            peer.host, peer.port, peer.habits.username, peer.habits.password, str(WSDL)
        )
        try:
            await other.update_xaddrs()
            service = await ask(other)
            if "devicemgmt" in str(service.url) or "tds" in str(service.url):
                assert (await service.GetDeviceInformation()).Manufacturer == "海康"
            elif "ptz" in str(service.url):
                presets = await service.GetPresets({"ProfileToken": "prof_1_main"})
                assert [one.Name for one in presets] == ["大门", "后院"]
            else:
                assert [one.token for one in await service.GetProfiles()] == [
                    "prof_1_sub",
                    "prof_1_main",
                ]
        finally:
            await other.close()
