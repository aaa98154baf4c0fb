"""What the chair brings into a meeting, and who does not come: cameras, turns, refused calls."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.meetings.conftest import JOINED_MS, KEEP_PEERS, Township, enter, sees
from tests.browser.meetings.wire import counted_datagrams

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Sit = Callable[..., Page]

# How often a page asks for a camera or a microphone.
COUNT_DEVICES = """
window.__opened = 0
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
navigator.mediaDevices.getUserMedia = (...wanted) => {
  window.__opened += 1
  return open(...wanted)
}
"""

# The port of the gateway to which a page's newest connection sends.
PORT_IN_USE = """async () => {
  const all = [...(await window.__peers.at(-1).getStats()).values()]
  const transport = all.find((one) => one.type === 'transport')
  const pair = all.find((one) => one.id === transport?.selectedCandidatePairId)
  return all.find((one) => one.id === pair?.remoteCandidateId)?.port ?? 0
}"""


# As a codec or OBS does it: RFC 9725, with the address and the key that were typed in.
SEND_BY_WHIP = """async ([address, key]) => {
  const peer = new RTCPeerConnection()
  const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true })
  for (const track of media.getTracks()) peer.addTransceiver(track, { direction: 'sendonly' })
  await peer.setLocalDescription()
  await new Promise((resolve) => {
    const look = () => peer.iceGatheringState === 'complete' && resolve()
    peer.addEventListener('icegatheringstatechange', look)
    look()
  })
  const headers = { 'Content-Type': 'application/sdp', Authorization: `Bearer ${key}` }
  const answer = await fetch(address, { method: 'POST', headers, body: peer.localDescription.sdp })
  if (answer.status !== 201) return answer.status
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() })
  window.__codec = peer
  return answer.headers.get('Location')
}"""


def bring(chair: Page, kind: str) -> Locator:
    """The dialog that brings things in, at this kind."""
    if chair.locator(".people").count() == 0:
        chair.locator("[data-act=people]").click()
    chair.locator(".people [data-act=bring]").click()
    dialog = chair.get_by_role("dialog")
    dialog.locator(f"[data-kind={kind}]").click()
    return dialog


def test_a_camera_is_brought_in_seen_by_a_village_and_taken_out(
    console: Any, meeting: str, sit: Sit, cameras: list[dict[str, Any]]
) -> None:
    chair, village = sit(), sit("双桥村")
    for page in (chair, village):
        enter(page, meeting, microphone=False)
    name = cameras[0]["name"]
    dialog = bring(chair, "cameras")
    dialog.get_by_role("searchbox").fill(name)
    row = dialog.locator(".row.is-camera").filter(has_text=name)
    row.click()
    dialog.locator("button[type=submit]").click()
    expect(dialog).to_have_count(0, timeout=JOINED_MS)
    # The village may look at no camera of its own accord; what is brought it sees.
    sees(village, name)
    sees(chair, name)

    dialog = bring(chair, "cameras")
    brought = dialog.locator(".brought li").filter(has_text=name)
    brought.locator("[data-act=withdraw]").click()
    chair.locator(".el-message-box").get_by_role("button", name="撤出").click()
    expect(brought).to_have_count(0, timeout=JOINED_MS)
    tile = village.locator(".room-tile:not(.is-own)").filter(has_text=name)
    expect(tile).to_have_count(0, timeout=JOINED_MS)
    actions = [one["action"] for one in console.call("GET", "/api/audit?action=meeting.")["items"]]
    assert {"meeting.camera", "meeting.remove"} <= set(actions)


def test_a_codec_sends_by_the_key_and_address_that_the_chair_was_shown_once(
    console: Any, meeting: str, sit: Sit, watch: Any
) -> None:
    # Without the key, and once it was taken out, it is refused; nobody is signed in there.
    watch.expected_errors += [r"status of 40[0-9]"]
    chair = sit()
    enter(chair, meeting, microphone=False)
    dialog = bring(chair, "codecs")
    dialog.locator("input[name=device]").fill("一号会议室")
    dialog.locator("button[type=submit]").click()
    key = dialog.locator("[data-part=key] output").inner_text()
    address = dialog.locator("[data-way=whip]").inner_text()
    assert address == f"{console.url}/m/{meeting}/whip"

    codec = sit(state={"cookies": [], "origins": []})
    codec.goto("/sign-in")
    assert codec.evaluate(SEND_BY_WHIP, [address, "guessed"]) == 403
    located = codec.evaluate(SEND_BY_WHIP, [address, key])
    assert re.match(r"^whip/[\w-]+$", str(located))
    dialog.get_by_role("button", name="取消", exact=True).click()
    sees(chair, "一号会议室")

    dialog = bring(chair, "codecs")
    brought = dialog.locator(".brought li").filter(has_text="一号会议室")
    brought.locator("[data-act=withdraw]").click()
    chair.locator(".el-message-box").get_by_role("button", name="撤出").click()
    expect(brought).to_have_count(0, timeout=JOINED_MS)
    tile = chair.locator(".room-tile:not(.is-own)").filter(has_text="一号会议室")
    expect(tile).to_have_count(0, timeout=JOINED_MS)
    assert codec.evaluate(SEND_BY_WHIP, [address, key]) == 403


def test_sites_are_shown_in_turn_and_everybody_sees_who_is_next(
    console: Any, meeting: str, sit: Sit
) -> None:
    chair, village, other = sit(), sit("双桥村"), sit("团山村")
    for page in (chair, village, other):
        enter(page, meeting, microphone=False)
    chair.locator("[data-act=lead]").click()
    chair.get_by_role("menuitem", name="轮巡会场").click()
    dialog = chair.get_by_role("dialog")
    dialog.locator("input[name=interval]").fill("2")
    dialog.locator("button[type=submit]").click()
    expect(dialog).to_contain_text("请填写 3–600 秒")
    dialog.locator("input[name=interval]").fill("3")
    dialog.locator("button[type=submit]").click()
    strip = village.locator(".polling")
    for now, after in (("双桥村", "团山村"), ("团山村", "双桥村"), ("双桥村", "团山村")):
        said = re.compile(f"轮巡：{now}\\s*下一个：{after}")
        expect(strip).to_contain_text(said, timeout=JOINED_MS)
    # A site decides nothing of it; the chair ends it.
    expect(strip.locator("[data-act=stop_polling]")).to_have_count(0)
    chair.locator("[data-act=stop_polling]").click()
    expect(strip).to_have_count(0, timeout=JOINED_MS)
    assert console.call("GET", f"/api/meetings/{meeting}")["polling"] is None


def test_nothing_leaves_a_page_that_refuses_the_call(
    console: Any, township: Township, sit: Sit, wait_until: Callable[..., Any]
) -> None:
    village = sit("双桥村")
    village.add_init_script(KEEP_PEERS)
    village.add_init_script(COUNT_DEVICES)
    asked: list[str] = []
    village.on("request", lambda request: asked.append(request.url))
    village.on("websocket", lambda opened: asked.append(opened.url))
    village.goto("/meetings/site")
    expect(village.locator("[data-phase=standing_by]")).to_contain_text("双桥村")
    form = {"title": "夜间查岗", "area_id": township.area_id}
    meeting_id = console.call("POST", "/api/meetings", form)["id"]
    path = f"/api/meetings/{meeting_id}"
    invited = {"only_area_ids": [township.villages["双桥村"]]}
    (site,) = console.call("POST", f"{path}/invite", invited)["participant_ids"]

    def joined() -> list[dict[str, Any]]:
        found = console.call("GET", "/api/audit?action=meeting.join&limit=200")["items"]
        return [one for one in found if one["detail"].get("participant") == site]

    def state_of_site() -> str:
        everybody = console.call("GET", path)["participants"]
        return next(str(one["state"]) for one in everybody if one["id"] == site)

    def of_the_room() -> list[str]:
        return [url for url in asked if re.search(r"/s/[^/]+/meeting|/join$", url)]

    try:
        with counted_datagrams() as datagrams:
            console.call("POST", f"{path}/start")
            expect(village.locator(".site.is-ringing")).to_contain_text(
                "夜间查岗", timeout=JOINED_MS
            )
            village.locator("[data-act=refuse]").click()
            expect(village.locator("[data-phase=standing_by]")).to_be_visible(timeout=JOINED_MS)
            wait_until("the refusal", lambda: state_of_site() == "refused")
            # Nothing was opened, nothing was offered, nobody was let in.
            assert village.evaluate("[window.__peers.length, window.__opened]") == [0, 0]
            assert (of_the_room(), joined()) == ([], [])
            refused = dict(datagrams.to_port)

            # The same page, the same counters: a call that is taken is seen by all of them.
            console.call("POST", f"{path}/participants/{site}/ring")
            village.locator("[data-act=take]").click(timeout=JOINED_MS)
            room = village.locator(".site-room")
            expect(room).to_have_attribute("data-phase", "open", timeout=JOINED_MS)
            port = village.evaluate(PORT_IN_USE)
            wait_until("datagrams to the gateway", lambda: datagrams.to_port[port] > 50)
        assert refused.get(port, 0) == 0
        assert village.evaluate("window.__peers.length") > 0
        assert of_the_room() != []
        assert len(joined()) == 1
        assert console.call("GET", "/api/audit?action=meeting.refuse")["items"]
    finally:
        console.call("POST", f"{path}/end")
