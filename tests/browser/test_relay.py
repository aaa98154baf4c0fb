"""Browsers in a network that lets no UDP out: live video and meetings by TURN over TLS.

The network is a namespace of its own in which UDP is prohibited, the relay a real coturn whose
certificate is of an authority that the browser trusts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.conftest import Console, Watch, serve_demo
from tests.browser.far_chromium import launch_far_chromium
from tests.peers.coturn import TurnServer, running_turn_server
from tests.peers.far_network import FarNetwork, far_network

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

# So that a test can ask the page's own connection how it goes.
KEEP_PEERS = """
const Plain = RTCPeerConnection
window.peers = []
window.RTCPeerConnection = class extends Plain {
  constructor(configuration) {
    super(configuration)
    window.peers.push(this)
  }
}
"""

# Sound flows a little before the statistics know of a chosen pair.
WAY_IN_USE = """async () => {
  const all = [...(await window.peers.at(-1).getStats()).values()]
  const transport = all.find((one) => one.type === 'transport')
  const pair = all.find((one) => one.id === transport?.selectedCandidatePairId)
  const own = all.find((one) => one.id === pair?.localCandidateId)
  const other = all.find((one) => one.id === pair?.remoteCandidateId)
  return own && other && [own.candidateType, own.relayProtocol ?? null, other.address]
}"""

# A site that says one tone, and listens: one offer, one answer.
JOIN = """async ({ url, iceServers }) => {
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers })
  const sound = new AudioContext()
  const tone = sound.createOscillator()
  const microphone = sound.createMediaStreamDestination()
  tone.connect(microphone)
  tone.start()
  const sends = peer.addTransceiver(microphone.stream.getTracks()[0], { direction: 'sendonly' })
  peer.addTransceiver('audio', { direction: 'recvonly' })
  peer.ontrack = ({ track }) => {
    const loudspeaker = new Audio()
    loudspeaker.srcObject = new MediaStream([track])
    void loudspeaker.play()
  }
  await peer.setLocalDescription()
  const socket = new WebSocket(url.replace(/^\\//, `ws://${location.host}/`))
  const answer = new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data)
      if (message.type === 'room') {
        const offer = { type: 'offer', sdp: peer.localDescription.sdp }
        socket.send(JSON.stringify({ ...offer, sends: { [sends.mid]: 'microphone' } }))
        const device = { microphone: true, camera: false, screen: false }
        socket.send(JSON.stringify({ type: 'device', ...device }))
      } else if (message.type === 'answer') resolve(message.sdp)
      else if (message.type === 'end' || message.type === 'error') reject(new Error(data))
    }
  })
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer })
}"""

HEARS = """async () => {
  const all = [...(await window.peers.at(-1).getStats()).values()]
  const inbound = all.find((one) => one.type === 'inbound-rtp' && one.kind === 'audio')
  return inbound !== undefined && inbound.packetsReceived > 100 && inbound.totalAudioEnergy > 0.01
}"""


def way_in_use(page: Page) -> list[str | None]:
    """The kind of its own candidate, by which way to the relay, and the address it sends to."""
    found: list[str | None] = page.wait_for_function(WAY_IN_USE, timeout=60_000).json_value()
    return found


@pytest.fixture(scope="module")
def network() -> Iterator[FarNetwork]:
    with far_network() as made:
        made.close_udp()
        yield made


@pytest.fixture(scope="module")
def turn(network: FarNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    folder = tmp_path_factory.mktemp("turn")
    with running_turn_server(folder, network.ours, network.ours) as server:
        yield server


@pytest.fixture(scope="module")
def console(
    network: FarNetwork, turn: TurnServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Console]:
    """A gateway that tells that network and its own machine the way, and all others a wrong one."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    there = {"network": f"{network.ours}/32", "addresses": ["127.0.0.1"]}
    far = {"network": f"{network.theirs}/32", "addresses": [network.ours]}
    with serve_demo(
        folder,
        address=network.ours,
        GRIDSIGHT_TLS__CERTIFICATES="off",
        GRIDSIGHT_WEBRTC__ADVERTISE_ADDRESSES='["192.0.2.1"]',
        GRIDSIGHT_WEBRTC__NETWORKS=json.dumps([there, far]),
        GRIDSIGHT_WEBRTC__ICE_SERVERS=json.dumps([turn.settings()]),
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def far_chromium(
    console: Console,
    network: FarNetwork,
    turn: TurnServer,
    playwright_driver: Playwright,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Browser]:
    authority = x509.load_pem_x509_certificate(turn.authority.read_bytes())
    browser = launch_far_chromium(
        playwright_driver,
        network,
        tmp_path_factory.mktemp("chromium"),
        [authority.public_bytes(Encoding.DER)],
        # The gateway is on plain HTTP here; how it is on HTTPS is another test's.
        f"--unsafely-treat-insecure-origin-as-secure={console.url}",
    )
    yield browser
    browser.close()


def test_live_video_comes_by_the_relay(
    console: Console,
    network: FarNetwork,
    far_chromium: Browser,
    cameras: list[dict[str, Any]],
    new_page: Callable[..., Page],
    turn: TurnServer,
) -> None:
    camera = cameras[0]
    tiles = [{"camera_id": camera["id"], "quality": "auto"}]
    console.call("PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
    page = new_page(browser=far_chromium)
    page.add_init_script(KEEP_PEERS)
    page.goto("/wall")
    tile = page.locator(f'.tile[data-camera="{camera["id"]}"]')
    expect(tile).to_have_attribute("data-phase", "playing", timeout=60_000)
    expect(tile).to_have_attribute("data-transport", "webrtc")
    video = tile.locator("video").first.element_handle()
    page.wait_for_function(
        "video => video.getVideoPlaybackQuality().totalVideoFrames > 20", arg=video, timeout=30_000
    )
    assert way_in_use(page) == ["relay", "tls", network.ours]
    assert re.search(r"<\d+:ses_\w+>.*ALLOCATE processed, success", turn.log.read_text())


def test_a_site_joins_a_meeting_by_the_relay_hears_and_is_heard(
    console: Console,
    network: FarNetwork,
    far_chromium: Browser,
    new_page: Callable[..., Page],
    watch: Watch,
) -> None:
    # The chair comes by plain HTTP, and no flag of its browser says that this is as good.
    watch.expected_errors.append("Cross-Origin-Opener-Policy header has been ignored")
    area = console.call("GET", "/api/areas")["items"][0]["id"]
    meeting = console.call("POST", "/api/meetings", {"title": "防汛会商", "area_id": area})
    here = f"/api/meetings/{meeting['id']}"
    code = console.call("POST", f"{here}/link", {})["code"]
    console.call("POST", f"{here}/start", {})
    guest = console.call("POST", f"{here}/guests", {"code": code, "name": "村委会"})
    key = {"guest_token": guest["guest_token"]}
    ids = {"participant_ids": [guest["participant_id"]]}

    def join(seat: dict[str, Any], browser: Browser | None = None) -> Page:
        page = new_page() if browser is None else new_page(browser=browser)
        page.add_init_script(KEEP_PEERS)
        page.goto("/api/session")
        page.evaluate(JOIN, {"url": seat["url"], "iceServers": seat["ice_servers"]})
        return page

    chair = join(console.call("POST", f"{here}/join", {}))
    village = join(console.call("POST", f"{here}/guests/join", key), far_chromium)
    console.call("POST", f"{here}/admit", ids)
    for page in (chair, village):
        page.wait_for_function(HEARS, timeout=60_000)
    assert way_in_use(village) == ["relay", "tls", network.ours]
    # The chair's network has UDP: no relay is in its way, which is the one that it was told.
    kind, _, address = way_in_use(chair)
    assert kind in ("host", "prflx")
    assert address == "127.0.0.1"
    console.call("POST", f"{here}/end", {})


def test_the_check_before_joining_says_that_it_goes_by_the_relay(
    far_chromium: Browser, new_page: Callable[..., Page]
) -> None:
    page = new_page(browser=far_chromium)
    page.goto("/meetings/site")
    page.get_by_role("button", name="检测设备").click()
    network = page.locator("[data-part=network]")
    expect(network).to_have_attribute("data-result", "ok", timeout=60_000)
    expect(network).to_contain_text("这里的网络封了 UDP，声音和图像改走中继（TURN）")
