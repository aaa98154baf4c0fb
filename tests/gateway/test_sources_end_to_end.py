"""Every kind of source into one running gateway: pushed, pulled, from a file; and spoken to."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer

from tests.peers.ffmpeg_sender import AAC, H264, PICTURES, TONE, ffmpeg, free_port
from tests.peers.media_file import make_media
from tests.peers.running_gateway import Gateway, running_gateway

KEY = "k3y-of-the-gate"
_PEERS = Path(__file__).resolve().parents[1] / "peers"
SDP = {"Content-Type": "application/sdp"}


@dataclass(frozen=True)
class Place:
    """A gateway, where it takes RTMP, and where its files lie."""

    gateway: Gateway
    rtmp: str
    clips: Path


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    clips = tmp_path / "clips"
    clips.mkdir()
    make_media(clips / "a.mp4", *PICTURES, *TONE, "-t", "3", *H264, *AAC)
    port = free_port()
    settings = {
        "PUSH__ENABLED": "true",
        "PUSH__PORT": str(port),
        "FILES__DIRECTORY": str(clips),
    }
    async with running_gateway(tmp_path / "data", **settings) as made:
        yield Place(made, f"rtmp://127.0.0.1:{port}/push", clips)


@pytest.fixture
def camera_with_voice(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    heard = tmp_path / "heard"
    command = ["/usr/bin/python3", str(_PEERS / "gstreamer_backchannel.py"), str(heard), "PCMA"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), heard
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def add(gateway: Gateway, url: str, **more: Any) -> str:
    areas = (await gateway.get("/api/areas"))["items"]
    form = {"name": url[:40], "area_id": areas[0]["id"], "main_url": url, **more}
    return str((await gateway.post("/api/cameras", form))["id"])


async def state(gateway: Gateway, camera_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.get(f"/api/cameras/{camera_id}"))["states"]["main"]
    return found


async def recorded(gateway: Gateway, camera_id: str) -> None:
    async def holds() -> bool:
        now = await state(gateway, camera_id)
        return now["state"] == "live" and bool(now["recording"])

    await gateway.until(holds)


async def offering(codec: str = "H264") -> RTCPeerConnection:
    """Who has offered a picture."""
    publisher = RTCPeerConnection()
    video = MediaPlayer("testsrc2=size=320x240:rate=25", format="lavfi")
    sender = publisher.addTransceiver(video.video, direction="sendonly")
    known = RTCRtpSender.getCapabilities("video").codecs
    sender.setCodecPreferences([one for one in known if one.mimeType == f"video/{codec}"])
    await publisher.setLocalDescription(await publisher.createOffer())
    return publisher


@pytest.mark.timeout(300)
async def test_every_source_is_recorded(place: Place) -> None:
    gateway, clips = place.gateway, place.clips
    pushed = f"{place.rtmp}/gate?key={KEY}"
    flv, played = (f"{kind}://127.0.0.1:{free_port()}/live/x" for kind in ("http", "rtmp"))
    made = (*PICTURES, *TONE, *H264, *AAC, "-f", "flv")
    async with contextlib.AsyncExitStack() as peers:
        file_id = await add(gateway, f"file://{clips}/a.mp4")
        push_id = await add(gateway, "push://gate", password=KEY)
        for arguments in (
            ("-listen", "1", flv),
            ("-listen", "1", played),
            (pushed,),
        ):
            await peers.enter_async_context(ffmpeg(*made, *arguments))
        flv_id, played_id = await add(gateway, flv), await add(gateway, played)
        for camera_id in (file_id, push_id, flv_id, played_id):
            await recorded(gateway, camera_id)
    elsewhere = {"name": "x", "area_id": "x", "main_url": "file:///etc/passwd"}
    async with gateway.client.post(gateway.url + "/api/cameras", json=elsewhere) as response:
        assert response.status in (404, 422)
    assert (await gateway.post("/api/cameras/test", {"main_url": f"file://{clips}/a.mp4"}))["ok"]
    refused = await gateway.post("/api/cameras/test", {"main_url": "file:///etc/passwd"})
    assert (refused["ok"], refused["code"]) == (False, "bad_address")


@pytest.mark.timeout(300)
async def test_whip_and_talking_go_through_the_public_origin(
    place: Place, camera_with_voice: tuple[str, Path]
) -> None:
    gateway = place.gateway
    url, heard = camera_with_voice
    push_id = await add(gateway, "push://browser", password=KEY)
    voice_id = await add(gateway, url)
    await recorded(gateway, voice_id)
    publisher = await offering()
    whip = gateway.url + "/s/shard-1/whip/browser"
    headers = {**SDP, "Authorization": f"Bearer {KEY}"}
    offer = publisher.localDescription.sdp
    # An encoder has no sign-in, and none of the console's headers.
    async with (
        aiohttp.ClientSession() as encoder,
        encoder.post(whip, data=offer, headers=headers) as response,
    ):
        assert response.status == 201, await response.text()
        answer = await response.text()
    await publisher.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await recorded(gateway, push_id)
    await publisher.close()

    opened = await gateway.post(f"/api/cameras/{voice_id}/talk", {})
    microphone = RTCPeerConnection()
    tone = MediaPlayer("sine=frequency=440:sample_rate=8000", format="lavfi")
    microphone.addTransceiver(tone.audio, direction="sendonly")
    await microphone.setLocalDescription(await microphone.createOffer())
    talk = gateway.url + opened["url"]
    sdp = microphone.localDescription.sdp
    async with gateway.client.post(talk, data=sdp, headers=SDP) as response:
        assert response.status == 201, await response.text()
        answer = await response.text()
    await microphone.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def spoken() -> bool:
        return heard.exists() and heard.stat().st_size > 8000

    await gateway.until(spoken)
    await microphone.close()

    async def on_record() -> bool:
        items = (await gateway.get("/api/audit", camera_id=voice_id))["items"]
        return {"talk.open", "talk.watched"} <= {one["action"] for one in items}

    await gateway.until(on_record)


@pytest.mark.timeout(300)
async def test_live_from_the_scene_is_a_recorded_camera_until_it_ends(place: Place) -> None:
    gateway = place.gateway
    own = gateway.url + "/api/field/live"
    wrong = await offering("VP8")
    form = {"sdp": wrong.localDescription.sdp}
    async with gateway.client.post(own, json=form) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (422, "not_playable")
    await wrong.close()
    assert (await gateway.get("/api/field/live"))["since_us"] is None

    # The second time is a telephone that comes back from a dead spot.
    since, known = set(), set()
    for _ in range(2):
        publisher = await offering()
        begun = await gateway.post("/api/field/live", {"sdp": publisher.localDescription.sdp})
        since.add(begun["since_us"])
        known.add(begun["camera_id"])
        await publisher.setRemoteDescription(RTCSessionDescription(begun["sdp"], "answer"))
        await recorded(gateway, begun["camera_id"])
        await publisher.close()
    assert (len(since), len(known)) == (1, 1)
    async with gateway.client.delete(own) as response:
        assert response.status == 204

    async def is_off() -> bool:
        camera = await gateway.get(f"/api/cameras/{begun['camera_id']}")
        return not camera["enabled"] and not camera["states"].get("main", {}).get("recording")

    await gateway.until(is_off)
