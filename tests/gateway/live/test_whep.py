"""WHEP: what the HTTP face answers (draft-ietf-wish-whep, RFC 9725), and Chromium as a viewer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.async_api import Browser, Page, async_playwright
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from camera_adapters.stream import (
    AccessUnit,
    Codec,
    GapCause,
    Interruption,
    Stream,
    Track,
    Variant,
)
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.live.whep import SessionRefused, WhepEndpoint
from gateway.settings import IceServer
from tests.camera_adapters.webrtc.offers import CHROMIUM
from tests.peers.clip_stream import ClipPlayer, read_clip

H264 = Track("video", Codec.H264, 90000, (b"\x67\x42\xe0\x1f", b"\x68\xce"))
SDP = {"Content-Type": "application/sdp"}
TURN = IceServer(
    urls=["turn:192.0.2.9:3478?transport=udp", "turns:192.0.2.9:5349"],
    username="county",
    credential=SecretStr('se"cret'),
)


@dataclass
class Session:
    session_id: str
    reasons: list[str] = field(default_factory=list)

    def ended(self, reason: str, *, watched: bool = False) -> None:
        self.reasons.append(reason)


class Door:
    """Opens a session for the ticket ``good``."""

    def __init__(self) -> None:
        self.stream = Stream("cam_test", Variant.MAIN)
        self.sessions: list[Session] = []

    async def open(self, ticket: str) -> tuple[Stream, Session]:
        if ticket == "busy":
            raise SessionRefused(503, "unavailable", "come back later", retry_after_s=7)
        if ticket != "good":
            raise SessionRefused(401, "ticket_invalid", "ask for a new ticket")
        session = Session(f"session-{len(self.sessions)}")
        self.sessions.append(session)
        return self.stream, session


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def output() -> AsyncIterator[WebRtcOutput]:
    opened = WebRtcOutput.open()
    yield opened
    opened.close()


@pytest.fixture
async def endpoint(door: Door, output: WebRtcOutput) -> WhepEndpoint:
    return WhepEndpoint(output, door.open, ice_servers=[TURN], run_wait_s=0.2)


@pytest.fixture
async def client(endpoint: WhepEndpoint) -> AsyncIterator[httpx.AsyncClient]:
    application = Starlette(routes=[Mount("/s/shard-1", routes=endpoint.routes())])
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as opened:
        yield opened


async def post(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    request: dict[str, Any] = {"params": {"ticket": "good"}, "headers": SDP, "content": CHROMIUM}
    return await client.post("/s/shard-1/whep", **request | changes)


async def test_an_offer_is_answered_and_deleted(door: Door, client: httpx.AsyncClient) -> None:
    door.stream.start_run((H264,))
    answer = await post(client)
    assert answer.status_code == 201
    assert answer.headers["content-type"].startswith("application/sdp")
    assert answer.text.startswith("v=0\r\n")
    assert answer.headers["etag"].strip('"') in answer.text
    location = answer.url.join(answer.headers["location"])
    assert location.path.startswith("/s/shard-1/whep/")
    assert door.sessions[0].reasons == []
    gone = await client.delete(location)
    assert gone.status_code == 200
    assert door.sessions[0].reasons == ["ended_by_viewer"]
    assert (await client.delete(location)).status_code == 404


async def test_ice_servers_come_in_link_headers(door: Door, client: httpx.AsyncClient) -> None:
    """RFC 9725 §4.6."""
    door.stream.start_run((H264,))
    links = (await post(client)).headers.get_list("link")
    assert links == [
        f'<{url}>; rel="ice-server"; username="county"; credential="se\\"cret"; '
        'credential-type="password"'
        for url in TURN.urls
    ]


async def test_a_ticket_may_come_as_bearer(door: Door, client: httpx.AsyncClient) -> None:
    door.stream.start_run((H264,))
    headers = SDP | {"Authorization": "Bearer good"}
    assert (await post(client, params={}, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"params": {}}, 401, "ticket_required"),
        ({"params": {"ticket": "forged"}}, 401, "ticket_invalid"),
        ({"params": {"ticket": "busy"}}, 503, "unavailable"),
        ({"headers": {"Content-Type": "application/json"}}, 415, "unsupported_media_type"),
        ({"content": "hello"}, 400, "offer_malformed"),
        ({"content": b"\xff\xfe"}, 400, "offer_malformed"),
        ({"content": "v=0\r\n" + "a=x\r\n" * 20000}, 413, "offer_too_large"),
        ({"content": CHROMIUM.replace("H264", "VP9")}, 422, "not_playable"),
    ],
)
async def test_what_is_refused_and_why(
    door: Door, client: httpx.AsyncClient, changes: dict[str, Any], status: int, code: str
) -> None:
    door.stream.start_run((H264,))
    answer = await post(client, **changes)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["message"]
    # Whatever was opened is closed again.
    assert all(len(session.reasons) == 1 for session in door.sessions)


async def test_b_frames_are_refused_with_a_way_out(door: Door, client: httpx.AsyncClient) -> None:
    door.stream.start_run((Track("video", Codec.H264, 90000, reorder_depth=1),))
    answer = await post(client)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "has_b_frames"
    assert "sub-stream" in answer.json()["error"]["message"]
    assert door.sessions[0].reasons == ["has_b_frames"]


async def test_a_camera_that_is_away_is_a_conflict_to_be_retried(
    door: Door, client: httpx.AsyncClient
) -> None:
    door.stream.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "no route to host"))
    answer = await post(client)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "no_media"
    assert "no route to host" in answer.json()["error"]["message"]
    assert int(answer.headers["retry-after"]) > 0
    assert door.sessions[0].reasons == ["no_media"]
    assert door.stream.sinks == ()


async def test_a_source_that_comes_up_while_asked_for_is_waited_for(
    door: Door, client: httpx.AsyncClient
) -> None:
    door.stream.on_sinks_changed = lambda stream: (
        None if stream.running or not stream.sinks else stream.start_run((H264,))
    )
    assert (await post(client)).status_code == 201


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
async def test_the_endpoint_takes_posts_only(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/s/shard-1/whep")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH"])
async def test_a_resource_takes_delete_only(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/s/shard-1/whep/any")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, OPTIONS"


async def test_options_tell_what_to_post(client: httpx.AsyncClient) -> None:
    answer = await client.options("/s/shard-1/whep")
    assert answer.status_code == 204
    assert answer.headers["accept-post"] == "application/sdp"


async def test_a_revoked_session_ends_its_viewer(
    door: Door, client: httpx.AsyncClient, endpoint: WhepEndpoint
) -> None:
    door.stream.start_run((H264,))
    await post(client)
    await post(client)
    assert endpoint.revoke("session-0")
    assert not endpoint.revoke("session-0")
    assert [session.reasons for session in door.sessions] == [["revoked"], []]
    assert [session_id for session_id, _ in endpoint.viewers] == ["session-1"]


async def test_two_tries_with_one_ticket_both_open(output: WebRtcOutput) -> None:
    stream = Stream("cam_test", Variant.MAIN)
    sessions: list[Session] = []

    async def open_session(_: str) -> tuple[Stream, Session]:
        sessions.append(Session("session-of-the-ticket"))
        return stream, sessions[-1]

    endpoint = WhepEndpoint(output, open_session, run_wait_s=20)
    application = Starlette(routes=[Mount("/s/shard-1", routes=endpoint.routes())])
    stream.on_sinks_changed = lambda _: (
        stream.start_run((H264,)) if len(stream.sinks) == 2 and not stream.running else None
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application), base_url="http://gateway"
    ) as client:
        answers = await asyncio.gather(post(client), post(client))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert endpoint.revoke("session-of-the-ticket")
    assert [session.reasons for session in sessions] == [["revoked"], ["revoked"]]


async def test_a_session_revoked_while_waiting_never_opens(
    door: Door, client: httpx.AsyncClient, endpoint: WhepEndpoint
) -> None:
    door.stream.on_sinks_changed = lambda stream: (
        endpoint.revoke("session-0") and stream.start_run((H264,)) if stream.sinks else None
    )
    answer = await post(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "session_revoked")
    assert door.sessions[0].reasons == ["revoked"]
    assert list(endpoint.viewers) == []


# --- Chromium -------------------------------------------------------------------------------------

PAGE = """<video autoplay muted playsinline></video><script>
const video = document.querySelector("video");
async function play(port) {
  const connection = window.connection = new RTCPeerConnection();
  for (const kind of ["video", "audio"]) connection.addTransceiver(kind, {direction: "recvonly"});
  connection.ontrack = event => {
    if (event.track.kind === "video") video.srcObject = event.streams[0];
  };
  await connection.setLocalDescription(await connection.createOffer());
  const answer = await fetch("whep?ticket=good", {
    method: "POST", headers: {"Content-Type": "application/sdp"},
    body: connection.localDescription.sdp,
  });
  window.resource = new URL(answer.headers.get("Location"), answer.url).href;
  let sdp = await answer.text();
  if (port) sdp = sdp.replace(/ \\d+ typ host/, ` ${port} typ host`);
  await connection.setRemoteDescription({type: "answer", sdp});
}
async function received() {
  for (const one of (await connection.getStats()).values())
    if (one.type === "inbound-rtp" && one.kind === "video")
      return {decoded: one.framesDecoded, lost: one.packetsLost, dropped: one.framesDropped,
              width: one.frameWidth, height: one.frameHeight, keyframes: one.keyFramesDecoded,
              repaired: one.retransmittedPacketsReceived, nacks: one.nackCount,
              plis: one.pliCount, freezes: one.freezeCount,
              frozen_s: one.totalFreezesDuration};
  return {decoded: 0};
}
const transport = () => connection.getReceivers()[0].transport;
</script>"""


@contextlib.asynccontextmanager
async def served(endpoint: WhepEndpoint) -> AsyncIterator[str]:
    routes = [Route("/", lambda request: HTMLResponse(PAGE)), *endpoint.routes()]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-features=WebRtcHideLocalIpsWithMdns",
            ],
        )
        yield launched
        await launched.close()


async def decoded(page: Page, count: int) -> dict[str, Any]:
    """The page's counts when it has decoded that many pictures."""
    async with asyncio.timeout(20):
        while True:
            found: dict[str, Any] = await page.evaluate("received()")
            if found["decoded"] >= count:
                return found
            await asyncio.sleep(0.05)


@pytest.mark.browser
async def test_chromium_decodes_every_picture(
    door: Door, endpoint: WhepEndpoint, browser: Browser, pedestrians_h264: Path
) -> None:
    clip = read_clip(pedestrians_h264).stretched(25)
    async with ClipPlayer(door.stream, clip), served(endpoint) as address:
        page = await browser.new_page()
        await page.goto(address)
        await page.evaluate("play()")
        counts = await decoded(page, 100)
        assert (counts["width"], counts["height"]) == (768, 576)
        assert counts["keyframes"] >= 4
        assert counts["lost"] == 0
        cipher = """async () => { for (const one of (await connection.getStats()).values())
            if (one.type === "transport") return one.srtpCipher }"""
        assert await page.evaluate(cipher) == "SRTP_AEAD_AES_128_GCM"
        (viewer,) = (viewer for _, viewer in endpoint.viewers)
        assert viewer.statistics.packets_sent > 100
        assert viewer.statistics.pictures_skipped == 0

        # A camera that comes back after a gap goes on in the same connection.
        door.stream.interrupt(Interruption(GapCause.CAMERA_OFFLINE, "rebooting"))
        door.stream.start_run(clip.tracks)
        await decoded(page, counts["decoded"] + 30)
        assert door.sessions[0].reasons == []

        # Closed by us, the browser learns it at once.
        assert endpoint.revoke("session-0")
        await page.wait_for_function("() => transport().state === 'closed'")
        assert door.sessions[0].reasons == ["revoked"]


class LossyPath(asyncio.DatagramProtocol):
    """A hop between a browser and the shard that loses datagrams on their way to the browser."""

    def __init__(self, shard: tuple[str, int], loss: float) -> None:
        self._shard = shard
        self._loss = loss
        self._random = random.Random(7)
        self._browser: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport
        self.lost = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if addr != self._shard:
            self._browser = (addr[0], addr[1])
            self._transport.sendto(data, self._shard)
        elif self._random.random() < self._loss:
            self.lost += 1
        elif self._browser is not None:
            self._transport.sendto(data, self._browser)


@pytest.mark.browser
async def test_chromium_gets_again_what_the_network_lost(
    door: Door,
    output: WebRtcOutput,
    endpoint: WhepEndpoint,
    browser: Browser,
    pedestrians_h264: Path,
) -> None:
    clip = read_clip(pedestrians_h264).stretched(25)
    loop = asyncio.get_running_loop()
    transport, path = await loop.create_datagram_endpoint(
        lambda: LossyPath(("127.0.0.1", output.udp_port), 0.02),
        local_addr=("127.0.0.1", 0),
    )
    try:
        async with ClipPlayer(door.stream, clip), served(endpoint) as address:
            page = await browser.new_page()
            await page.goto(address)
            await page.evaluate(f"play({transport.get_extra_info('sockname')[1]})")
            counts = await decoded(page, 200)
            (viewer,) = (viewer for _, viewer in endpoint.viewers)
            figures = f"{counts}, {path.lost} lost on the way, {viewer.statistics}"
            assert path.lost > 10, figures
            # Most come back in time; what is lost twice may cost a picture, never the connection.
            assert viewer.statistics.retransmitted >= path.lost / 2, figures
            assert counts["repaired"] >= path.lost / 2, figures
            assert counts["plis"] <= 2, figures
            assert counts["dropped"] <= 15, figures
    finally:
        transport.close()


@pytest.mark.browser
async def test_chromium_hears_g711(
    door: Door, endpoint: WhepEndpoint, browser: Browser, pedestrians_h264: Path
) -> None:
    clip = read_clip(pedestrians_h264, seconds=2)
    stream = door.stream
    stream.start_run((*clip.tracks, Track("audio", Codec.PCMA, 8000, channels=1)))
    stream.publish(clip.units[0])
    async with served(endpoint) as address:
        page = await browser.new_page()
        await page.goto(address)
        await page.evaluate("play()")
        await decoded(page, 1)
        emitted = """async () => { for (const one of (await connection.getStats()).values())
            if (one.type === "inbound-rtp" && one.kind === "audio" && one.packetsLost === 0)
              return one.jitterBufferEmittedCount; return 0 }"""
        async with asyncio.timeout(20):
            pts = clip.units[0].pts_90k
            while await page.evaluate(emitted) < 4000:  # half a second of decoded samples
                pts += 1800
                # 20 ms of a square wave of 500 Hz, loud (ITU-T G.711, A-law).
                samples = (b"\xaa" * 8 + b"\x2a" * 8) * 10
                stream.publish(AccessUnit(1, samples, pts, pts, True, 0))
                await asyncio.sleep(0.02)


@pytest.mark.browser
async def test_chromium_leaving_ends_the_session(
    door: Door, endpoint: WhepEndpoint, browser: Browser, pedestrians_h264: Path
) -> None:
    clip = read_clip(pedestrians_h264).stretched(25)
    async with ClipPlayer(door.stream, clip), served(endpoint) as address:
        page = await browser.new_page()
        await page.goto(address)
        await page.evaluate("play()")
        await decoded(page, 10)
        leave = "fetch(resource, {method: 'DELETE'}).then(answer => answer.status)"
        assert await page.evaluate(leave) == 200
        assert door.sessions[0].reasons == ["ended_by_viewer"]
        assert door.stream.sinks == ()
