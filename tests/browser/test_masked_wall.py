"""A masked camera on the wall of somebody who must not see beneath its masks, by WebRTC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.peers.masked_pictures import LEFT_HALF

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PASSWORD = "what an operator knows 7"
# How much brightness differs on the left and on the right of the picture that is shown.
SPREAD = """video => {
  const [width, height] = [video.videoWidth, video.videoHeight]
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d')
  context.drawImage(video, 0, 0)
  const spread = (left, right) => {
    const { data } = context.getImageData(left, 0, right - left, Math.floor(height * 0.75))
    let [least, most] = [255, 0]
    for (let at = 0; at < data.length; at += 4) {
      least = Math.min(least, data[at + 1])
      most = Math.max(most, data[at + 1])
    }
    return most - least
  }
  return [spread(0, Math.floor(width / 2)), spread(Math.ceil(width * 0.56), width)]
}"""


def test_a_mask_is_in_the_picture_that_the_browser_gets(
    console: Any, cameras: list[dict[str, Any]], new_page: Callable[..., Page], watch: Any
) -> None:
    watch.expected_errors += ["status of 401", "WebRTC", "status of 409"]
    camera = cameras[0]["id"]
    grants = [{"role": "operator", "area_id": "*"}]
    user = console.call(
        "POST",
        "/api/users",
        {"name": "masked", "display_name": "张三", "password": PASSWORD, "grants": grants},
    )
    path = f"/api/cameras/{camera}/masks"
    version = console.call("GET", path)["version"]
    console.call("PUT", path, {"version": version, "masks": [LEFT_HALF]})
    try:
        page = new_page(signed_in=False)
        page.goto("/sign-in")
        page.locator('input[name="name"]').fill("masked")
        page.locator('input[name="password"]').fill(PASSWORD)
        page.locator('input[name="password"]').press("Enter")
        new = PASSWORD + " more"
        page.locator('input[name="new-password"]').fill(new)
        page.locator('input[name="repeat-password"]').fill(new)
        page.locator('input[name="repeat-password"]').press("Enter")
        row = page.locator(".row.is-camera").filter(has_text=cameras[0]["name"])
        row.dblclick()
        tile = page.locator(f'.tile[data-camera="{camera}"]')
        expect(tile).to_have_attribute("data-phase", "playing", timeout=60_000)
        expect(tile).to_have_attribute("data-transport", "webrtc")
        video = tile.locator("video").first
        page.wait_for_function(
            "video => video.getVideoPlaybackQuality().totalVideoFrames > 5",
            arg=video.element_handle(),
            timeout=60_000,
        )
        left, right = video.evaluate(SPREAD)
        assert left < 24
        assert right > 60
        page.context.close()
    finally:
        version = console.call("GET", path)["version"]
        console.call("PUT", path, {"version": version, "masks": []})
        console.call("DELETE", f"/api/users/{user['id']}")
