"""WHIP: aiortc publishes H.264 and Opus, the camera's Stream shows them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from pydantic import SecretStr
from starlette.applications import Starlette

from camera_adapters.pushed import PushedSource
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import Codec, Variant
from camera_adapters.webrtc.input import WebRtcInput
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.live.whip import WhipEndpoint
from gateway.settings import IceServer
from gateway.shard.desired import DesiredSource
from gateway.sources.push_door import PushDoor
from tests.peers.recorded_stream import RecordedStream

KEY = "k3y-of-the-gate"
GATE = DesiredSource(
    "cam_gate/main", "cam_gate", Variant.MAIN, "push://gate", None, KEY, "auto", True, 1
)


class Place:
    """A door with one camera, and WHIP in front of it."""

    def __init__(self, output: WebRtcOutput) -> None:
        self.refusals: list[str] = []
        self.door = PushDoor(lambda why, who: self.refusals.append(why))
        self.door.permit([GATE])
        self.input = WebRtcInput(output.mux, output.identity, SteadyClock().now_us)
        turn = IceServer(urls=["turns:turn.example:443"], secret=SecretStr("word"))
        self.endpoint = WhipEndpoint(self.input, self.door.admit, "push", ice_servers=[turn])
        self.sink = RecordedStream()
        self.source = PushedSource(self.door.slot(GATE), self.sink.stream)
        transport = httpx.ASGITransport(app=Starlette(routes=self.endpoint.routes()))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://shard")

    async def post(self, offer: str, key: str = KEY, name: str = "gate") -> httpx.Response:
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {key}"}
        return await self.http.post(f"/whip/{name}", content=offer, headers=headers)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    output = WebRtcOutput.open()
    one = Place(output)
    yield one
    await one.source.stop()
    await one.http.aclose()
    one.input.close()
    output.close()


@contextlib.asynccontextmanager
async def publisher(codec: str = "H264", sound: bool = True) -> AsyncIterator[RTCPeerConnection]:
    peer = RTCPeerConnection()
    player = MediaPlayer(
        "testsrc2=size=320x240:rate=25", format="lavfi", options={"framerate": "25"}
    )
    tone = MediaPlayer("sine=frequency=440:sample_rate=48000", format="lavfi")
    sender = peer.addTransceiver(player.video, direction="sendonly")
    wanted = [
        one
        for one in RTCRtpSender.getCapabilities("video").codecs
        if one.mimeType == f"video/{codec}"
    ]
    sender.setCodecPreferences(wanted)
    if sound:
        peer.addTransceiver(tone.audio, direction="sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    try:
        yield peer
    finally:
        await peer.close()


async def test_what_is_published_is_shown(place: Place) -> None:
    place.source.start()
    async with publisher() as peer:
        response = await place.post(peer.localDescription.sdp)
        assert response.status_code == 201, response.text
        assert "a=recvonly" in response.text
        assert ':push-gate"; credential="' in response.headers["Link"]
        await peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        await place.sink.until(
            lambda: len(place.sink.pictures) >= 60 and len(place.sink.sound) >= 60
        )
        assert [track.codec for track in place.sink.runs[-1]] == [Codec.H264, Codec.OPUS]
        assert (place.sink.runs[-1][0].width, place.sink.runs[-1][0].height) == (320, 240)
        # Asked for, since nobody sends any otherwise.
        assert sum(unit.keyframe for unit in place.sink.pictures) >= 1
        assert place.source.counters.lost == 0
        location = response.headers["Location"]
        assert (await place.http.delete(f"/whip/{location}")).status_code == 200
        assert place.door.slot(GATE).publication is None
        assert (await place.http.delete(f"/whip/{location}")).status_code == 404


async def test_lost_packets_are_asked_for_again(place: Place) -> None:
    place.source.start()
    async with publisher() as peer:
        response = await place.post(peer.localDescription.sdp)
        (incoming,) = place.input.peers
        count = 0
        incoming_class = type(incoming)

        class Lossy(incoming_class):  # type: ignore[misc, valid-type]
            def on_rtp(self, datagram: bytes) -> None:
                nonlocal count
                count += 1
                if count % 20:
                    super().on_rtp(datagram)

        incoming.__class__ = Lossy
        await peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        await place.sink.until(lambda: len(place.sink.pictures) >= 100)
        counters = place.source.counters
        assert counters.reordered > 0
        assert counters.damaged <= 2


async def test_other_video_is_refused_with_a_clear_answer(place: Place) -> None:
    async with publisher("VP8") as peer:
        response = await place.post(peer.localDescription.sdp)
    assert response.status_code == 422
    assert "VP8" in response.json()["error"]["message"]
    assert place.input.peers == set()


async def test_a_wrong_key_opens_nothing(place: Place) -> None:
    async with publisher() as peer:
        offer = peer.localDescription.sdp
    assert (await place.post(offer, key="guess")).status_code == 403
    assert (await place.post(offer, name="nowhere")).status_code == 403
    assert len(place.refusals) == 2
    assert (await place.post("nonsense")).status_code == 400
    response = await place.http.post("/whip/gate", content=offer)
    assert response.status_code == 415
    headers = {"Content-Type": "application/sdp"}
    response = await place.http.post("/whip/gate", content=offer, headers=headers)
    assert response.status_code == 401


async def test_a_publisher_that_is_back_is_a_gap(place: Place) -> None:
    place.source.start()
    for runs in (1, 2):
        async with publisher(sound=False) as peer:
            response = await place.post(peer.localDescription.sdp)
            await peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
            await place.sink.until(lambda: len(place.sink.runs) >= runs)  # noqa: B023
            count = len(place.sink.pictures)
            await place.sink.until(lambda: len(place.sink.pictures) >= count + 10)  # noqa: B023
            if runs == 1:
                interruptions = len(place.sink.interruptions)
    await asyncio.sleep(0)
    assert len(place.sink.interruptions) == interruptions
