"""Sites of a township with browsers of their own, whose cameras and microphones are Chromium's.

``township`` is a meeting's area with two villages, each with an account that sits for it;
``sit(name)`` opens a signed-in page of one of them, ``enter(page, meeting)`` takes it through the
check before joining into the room.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.conftest import CHROMIUM_ARGUMENTS

_PASSWORD = "plain words for a village 3"
_DEVICES = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
JOINED_MS = 60_000


@dataclass(frozen=True)
class Township:
    """The area of a township; ``villages``: name → area; ``signed_in``: name → storage state."""

    area_id: str
    villages: dict[str, str]
    signed_in: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def chromium_with_devices(playwright_driver: Playwright) -> Iterator[Browser]:
    """Its camera shows a clock, its microphone beeps once a second."""
    browser = playwright_driver.chromium.launch(
        executable_path="/usr/bin/chromium", args=[*CHROMIUM_ARGUMENTS, *_DEVICES]
    )
    yield browser
    browser.close()


def _sign_in(url: str, name: str) -> dict[str, Any]:
    """The storage state of an account that has just been made, its password changed once."""
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def post(path: str, body: dict[str, str]) -> None:
        request = urllib.request.Request(
            url + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "X-Gridsight": "1"},
        )
        opener.open(request, timeout=20).close()

    changed = f"{_PASSWORD} x"
    post("/api/session", {"name": name, "password": _PASSWORD})
    post("/api/session/password", {"old_password": _PASSWORD, "new_password": changed})
    post("/api/session", {"name": name, "password": changed})
    cookies = [
        {
            "name": one.name,
            "value": one.value or "",
            "domain": "127.0.0.1",
            "path": one.path,
            "httpOnly": True,
            "sameSite": "Strict",
            "expires": -1,
            "secure": False,
        }
        for one in jar
    ]
    return {"cookies": cookies, "origins": []}


# One gateway serves several modules: what is there already is not made twice.
_MADE: dict[tuple[str, str], Township] = {}


def made_township(console: Any, town_name: str, account: str, *names: str) -> Township:
    """A township of these villages, with accounts ``ACCOUNT-1`` … that sit for them."""
    known = _MADE.get((console.url, town_name))
    if known is not None:
        return known
    county = console.call("GET", "/api/areas?axis=area")["items"][0]["id"]

    def area(name: str, parent_id: str) -> str:
        form = {"name": name, "axis": "area", "parent_id": parent_id}
        return str(console.call("POST", "/api/areas", form)["id"])

    town = area(town_name, county)
    villages, signed_in = {}, {}
    for number, name in enumerate(names, 1):
        villages[name] = area(name, town)
        user = f"{account}-{number}"
        grants = [{"role": "site", "area_id": villages[name]}]
        form = {"name": user, "display_name": name, "enabled": True, "password": _PASSWORD}
        console.call("POST", "/api/users", {**form, "area_id": villages[name], "grants": grants})
        signed_in[name] = _sign_in(console.url, user)
    made = _MADE[console.url, town_name] = Township(town, villages, signed_in)
    return made


@pytest.fixture(scope="module")
def township(console: Any) -> Township:
    """A township of its own, so that nobody else's villages ring."""
    return made_township(console, "冷水镇", "site", "双桥村", "团山村")


@pytest.fixture
def meeting(console: Any, township: Township) -> Iterator[str]:
    """A running meeting of the township, chaired by the administrator: its id."""
    form = {"title": "防汛调度会", "area_id": township.area_id}
    meeting_id = console.call("POST", "/api/meetings", form)["id"]
    invited = {"area_ids": list(township.villages.values())}
    console.call("POST", f"/api/meetings/{meeting_id}/invite", invited)
    console.call("POST", f"/api/meetings/{meeting_id}/start")
    yield meeting_id
    if console.call("GET", f"/api/meetings/{meeting_id}")["state"] == "running":
        console.call("POST", f"/api/meetings/{meeting_id}/end")


@pytest.fixture
def sit(
    console: Any, township: Township, chromium_with_devices: Browser, watch: Any
) -> Iterator[Callable[..., Page]]:
    """``sit("双桥村")``: a page of the village's own; without a name, of the chair, or of whose
    storage ``state`` it is given.
    """
    contexts: list[BrowserContext] = []

    def open_page(
        name: str | None = None, *, state: dict[str, Any] | None = None, **options: Any
    ) -> Page:
        if state is None:
            state = console.storage_state if name is None else township.signed_in[name]
        options.setdefault("viewport", {"width": 1366, "height": 768})
        context = chromium_with_devices.new_context(
            base_url=console.url, locale="zh-CN", storage_state=state, **options
        )
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        return page

    yield open_page
    for context in contexts:
        context.close()


def enter(page: Page, meeting_id: str, *, microphone: bool = True) -> None:
    """Through the check before joining into the room, with the camera on."""
    page.goto(f"/meetings/room/{meeting_id}")
    expect(page.locator("[data-part=camera]")).to_have_attribute(
        "data-result", "ok", timeout=JOINED_MS
    )
    expect(page.locator("[data-part=microphone]")).to_have_attribute(
        "data-result", "ok", timeout=JOINED_MS
    )
    if microphone:
        page.get_by_label("进入时打开话筒").check()
    page.locator("[data-act=join]").click()
    expect(page.locator(".room")).to_have_attribute("data-phase", "open", timeout=JOINED_MS)


def sees(page: Page, name: str) -> None:
    """The picture of the site of this name moves on the page."""
    tile = page.locator(".room-tile:not(.is-own)").filter(has_text=name)
    expect(tile).to_have_attribute("data-plays", "yes", timeout=JOINED_MS)
    video = tile.locator("video").element_handle()
    frames = page.evaluate("v => v.getVideoPlaybackQuality().totalVideoFrames", video)
    page.wait_for_function(
        "([v, before]) => v.getVideoPlaybackQuality().totalVideoFrames > before + 5",
        arg=[video, frames],
        timeout=JOINED_MS,
    )


# Of all sound that the page receives within 1.5 s: how many packets, how much energy.
_SOUND = """async () => {
  const read = async () => {
    const sum = { packets: 0, energy: 0 }
    for (const peer of window.__peers)
      for (const one of (await peer.getStats()).values())
        if (one.type === 'inbound-rtp' && one.kind === 'audio') {
          sum.packets += one.packetsReceived
          sum.energy += one.totalAudioEnergy
        }
    return sum
  }
  const before = await read()
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const after = await read()
  return [after.packets - before.packets, after.energy - before.energy]
}"""

# Every connection that a page makes, kept where a test finds it.
KEEP_PEERS = """
window.__peers = []
const Peer = window.RTCPeerConnection
window.RTCPeerConnection = class extends Peer {
  constructor(...arguments_) {
    super(...arguments_)
    window.__peers.push(this)
  }
}
"""


def hears(page: Page) -> bool:
    """Whether what comes within one and a half seconds is louder than the noise of a line."""
    _, energy = page.evaluate(_SOUND)
    return float(energy) > 0.001


def is_sent_sound(page: Page) -> bool:
    """Whether any packet of sound comes within one and a half seconds."""
    packets, _ = page.evaluate(_SOUND)
    return int(packets) > 0
