"""Live video where only a relay connects browser and gateway: TURN, with a real coturn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Console, serve_demo
from tests.peers.coturn import TurnServer, running_turn_server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# As in a network that lets nothing through but the relay: no other candidate is used.
RELAY_ONLY = """
const Plain = RTCPeerConnection
window.peers = []
window.RTCPeerConnection = class extends Plain {
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: 'relay' })
    window.peers.push(this)
  }
}
"""

CANDIDATE_IN_USE = """async () => {
  const statistics = await window.peers.at(-1).getStats()
  const all = [...statistics.values()]
  const transport = all.find((one) => one.type === 'transport')
  const pair = all.find((one) => one.id === transport.selectedCandidatePairId)
  return all.find((one) => one.id === pair.localCandidateId).candidateType
}"""


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    with running_turn_server(tmp_path_factory.mktemp("turn")) as server:
        yield server


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, turn: TurnServer) -> Iterator[Console]:
    """A gateway that names the relay to its browsers."""
    ice = [{"urls": [turn.url], "username": turn.username, "credential": turn.credential}]
    folder: Path = tmp_path_factory.mktemp("gateway")
    with serve_demo(folder, GRIDSIGHT_WEBRTC__ICE_SERVERS=json.dumps(ice)) as gateway:
        yield gateway


def test_a_browser_that_has_only_the_relay_plays_by_webrtc(
    console: Console,
    chromium: Browser,
    cameras: list[dict[str, Any]],
    new_page: Callable[..., Page],
    turn: TurnServer,
) -> None:
    camera = cameras[0]
    tiles = [{"camera_id": camera["id"], "quality": "auto"}]
    console.call("PUT", "/api/wall/1", {"document": {"grid": "1x1", "tiles": tiles}})
    page = new_page()
    page.add_init_script(RELAY_ONLY)
    page.goto("/wall")
    tile = page.locator(f'.tile[data-camera="{camera["id"]}"]')
    expect(tile).to_have_attribute("data-phase", "playing", timeout=30_000)
    expect(tile).to_have_attribute("data-transport", "webrtc")
    video = tile.locator("video").first.element_handle()
    page.wait_for_function(
        "video => video.getVideoPlaybackQuality().totalVideoFrames > 20", arg=video, timeout=20_000
    )
    assert page.evaluate(CANDIDATE_IN_USE) == "relay"
    assert re.search(rf"<{turn.username}>.*ALLOCATE processed, success", turn.log.read_text())
