"""Talking: aiortc's microphone to GStreamer's loudspeaker, and who gives way to whom."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from pydantic import SecretStr
from starlette.applications import Starlette

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import Variant
from camera_adapters.webrtc.input import WebRtcInput
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.live.talk import Loudspeaker, LoudspeakerRefused, TalkEndpoint
from gateway.live.whep import SessionRefused
from gateway.settings import IceServer
from gateway.shard.desired import DesiredSource
from gateway.shard.loudspeakers import open_loudspeaker
from gateway.sources.registry import SourceContext

_PEERS = Path(__file__).resolve().parents[2] / "peers"


@dataclass
class Session:
    session_id: str
    user_id: str
    user_name: str
    priority: int
    camera_id: str = "cam_gate"
    endings: list[tuple[str, bool]] = field(default_factory=list)

    def ended(self, reason: str, *, watched: bool = False) -> None:
        self.endings.append((reason, watched))


@dataclass
class Speaker:
    """A loudspeaker that keeps what it was told."""

    ended: asyncio.Future[str]
    heard: bytes = b""

    def send(self, samples: bytes) -> None:
        self.heard += samples

    def close(self) -> None:
        if not self.ended.done():
            self.ended.set_result("closed")


TURN = IceServer(urls=["turns:turn.example:443?transport=tcp"], secret=SecretStr("word"))


class Place:
    """An endpoint; a ticket is ``NAME:PRIORITY``."""

    def __init__(self, output: WebRtcOutput) -> None:
        self.sessions: list[Session] = []
        self.speakers: list[Loudspeaker] = []
        self.input = WebRtcInput(output.mux, output.identity, SteadyClock().now_us)
        self.endpoint = TalkEndpoint(self.input, self._open, self.loudspeaker, ice_servers=[TURN])
        transport = httpx.ASGITransport(app=Starlette(routes=self.endpoint.routes()))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://shard")
        self.url = ""

    def _open(self, ticket: str) -> Session:
        name, _, priority = ticket.partition(":")
        if not priority:
            raise SessionRefused(401, "ticket_refused", "no ticket of ours")
        session = Session(f"ses_{len(self.sessions)}", name, name, int(priority))
        self.sessions.append(session)
        return session

    async def loudspeaker(self, camera_id: str) -> Loudspeaker:
        opened: Loudspeaker
        if self.url == "refuse":
            raise LoudspeakerRefused("unsupported", "the camera has no back channel for voice")
        if self.url:
            source = DesiredSource(
                "cam_gate/main", camera_id, Variant.MAIN, self.url, None, None, "auto", True, 1
            )
            opened = await open_loudspeaker(source, SourceContext())
        else:
            opened = Speaker(asyncio.get_running_loop().create_future())
        self.speakers.append(opened)
        return opened

    async def talk(self, ticket: str, offer: str) -> httpx.Response:
        headers = {"Content-Type": "application/sdp"}
        return await self.http.post(
            "/talk", params={"ticket": ticket}, content=offer, headers=headers
        )


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    output = WebRtcOutput.open()
    one = Place(output)
    yield one
    one.endpoint.close()
    await one.http.aclose()
    one.input.close()
    output.close()


@contextlib.asynccontextmanager
async def microphone(codec: str = "PCMA") -> AsyncIterator[RTCPeerConnection]:
    peer = RTCPeerConnection()
    tone = MediaPlayer("sine=frequency=440:sample_rate=8000", format="lavfi")
    sender = peer.addTransceiver(tone.audio, direction="sendonly")
    capabilities = RTCRtpSender.getCapabilities("audio").codecs
    sender.setCodecPreferences([one for one in capabilities if one.mimeType == f"audio/{codec}"])
    await peer.setLocalDescription(await peer.createOffer())
    try:
        yield peer
    finally:
        await peer.close()


def _tone_hz(a_law: bytes) -> float:
    """The loudest frequency in a stretch of A-law at 8 kHz."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "alaw", "-ar", "8000", "-ac", "1", "-i", "pipe:0",
         "-f", "s16le", "pipe:1"],
        input=a_law, capture_output=True, check=True,
    )  # fmt: skip
    samples = np.frombuffer(done.stdout, np.int16).astype(float)
    return float(np.abs(np.fft.rfft(samples)).argmax() * 8000 / len(samples))


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """GStreamer's camera with a loudspeaker: its address, and the file of what it hears."""
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


async def test_what_is_said_in_the_browser_is_heard_at_the_camera(
    place: Place, camera: tuple[str, Path]
) -> None:
    place.url, heard = camera
    async with microphone() as peer:
        response = await place.talk("wang:50", peer.localDescription.sdp)
        assert response.status_code == 201, response.text
        assert f'<{TURN.urls[0]}>; rel="ice-server"; username="' in response.headers["Link"]
        await peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        async with asyncio.timeout(30):
            while not heard.exists() or heard.stat().st_size < 16_000:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        location = response.headers["Location"]
        assert (await place.http.delete(f"/{location}")).status_code == 200
    assert abs(_tone_hz(heard.read_bytes()[-8000:]) - 440) < 5
    assert place.sessions[0].endings == [("ended_by_viewer", True)]


async def test_one_talks_and_a_higher_priority_takes_over(place: Place) -> None:
    async with microphone() as peer:
        offer = peer.localDescription.sdp
        assert (await place.talk("wang:50", offer)).status_code == 201
        refused = await place.talk("li:50", offer)
        assert refused.status_code == 409
        assert refused.json()["error"]["code"] == "talk_held"
        assert "wang" in refused.json()["error"]["message"]
        assert (await place.talk("chief:80", offer)).status_code == 201
    first, second, _ = place.sessions
    assert first.endings == [("taken_over", False)]
    assert second.endings == [("talk_held", False)]
    assert place.speakers[0].ended.done()
    assert len(place.endpoint) == 1
    assert place.endpoint.revoke(place.sessions[2].session_id)
    assert place.sessions[2].endings == [("revoked", False)]
    assert len(place.endpoint) == 0
    assert place.input.peers == set()


async def test_a_device_that_takes_no_voice_says_so(place: Place) -> None:
    place.url = "refuse"
    async with microphone() as peer:
        response = await place.talk("wang:50", peer.localDescription.sdp)
    assert response.status_code == 409
    assert "back channel" in response.json()["error"]["message"]
    assert place.sessions[0].endings == [("unsupported", False)]
    assert place.input.peers == set()


async def test_a_device_that_hangs_up_ends_the_talk(place: Place) -> None:
    async with microphone() as peer:
        assert (await place.talk("wang:50", peer.localDescription.sdp)).status_code == 201
    place.speakers[0].close()
    await asyncio.sleep(0)
    assert place.sessions[0].endings == [("ended_by_device", False)]


async def test_what_opens_nothing(place: Place) -> None:
    async with microphone("opus") as peer:
        response = await place.talk("wang:50", peer.localDescription.sdp)
    assert response.status_code == 422
    assert "PCMA" in response.json()["error"]["message"]
    assert (await place.talk("forged", "v=0")).status_code == 401
    assert (await place.talk("wang:50", "nonsense")).status_code == 400
    assert (await place.http.post("/talk", params={"ticket": "wang:50"})).status_code == 415
    assert len(place.endpoint) == 0
