"""The pages that work without a gateway and without a network, opened from the disk."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.evidence.keys import PackageSigner
from gateway.evidence.order import OrderedCamera
from gateway.evidence.pages import player_page, verifier_page
from gateway.evidence.sm2 import Sm2PrivateKey, sm3
from gateway.footage.playback_index import Range
from tests.gateway.evidence.conftest import ORDER, SECOND, START_US
from tests.gateway.evidence.packages import CONTENTS, make_folder, zipped

pytestmark = pytest.mark.browser

SIGNER = PackageSigner(b"k" * 32, Sm2PrivateKey(12345))
ED25519, SM2 = SIGNER.public_keys()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(locale="en-GB", offline=True)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    assert errors == []
    assert all(url.startswith(("file:", "blob:", "data:")) for url in asked)
    context.close()


@pytest.fixture
def verifier(page: Page, tmp_path: Path) -> Page:
    path = tmp_path / "verifier.html"
    path.write_bytes(verifier_page())
    page.goto(path.as_uri())
    return page


def judge(page: Page, archive: Path, key: str) -> str:
    page.set_input_files("#file", str(archive))
    page.fill("#key", key)
    page.click("#go")
    verdict = page.locator("#verdict.good, #verdict.bad")
    expect(verdict).to_be_visible(timeout=60_000)
    return verdict.inner_text()


def test_its_hashes_are_those_of_the_standards(verifier: Page) -> None:
    for length in (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 5000):
        data = os.urandom(length)
        found = verifier.evaluate(
            """text => {
                const g = window.gridsight, bytes = g.unhex(text), cut = bytes.length >> 1;
                const [head, tail] = [bytes.subarray(0, cut), bytes.subarray(cut)];
                const halves = (hash) => g.hex(hash.update(head).update(tail).digest());
                return [halves(g.sha256()), halves(g.sm3()), g.hex(g.sha512(bytes))];
            }""",
            data.hex(),
        )  # fmt: skip
        assert found == [
            hashlib.sha256(data).hexdigest(), sm3(data).hex(), hashlib.sha512(data).hexdigest()
        ]  # fmt: skip


def test_it_tells_a_sound_package_from_one_that_was_touched(verifier: Page, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "package", SIGNER, CONTENTS)
    archive = tmp_path / "package.zip"
    data = bytearray(zipped(folder, archive))
    for key in (ED25519.public_key, ED25519.fingerprint, SM2.public_key, SM2.fingerprint):
        assert judge(verifier, archive, key).startswith("Sound")
    facts = verifier.locator("#facts").inner_text()
    assert "王警官 (wang)" in facts and "白色面包车" in facts
    other = PackageSigner(b"x" * 32).public_keys()[0].public_key
    assert "none of the keys" in judge(verifier, archive, other)
    assert "hexadecimal" in judge(verifier, archive, "abc")
    # One bit of it: in a video, in the archive's own bytes, in the manifest, in the signature.
    video = next(name for name in CONTENTS if name.startswith("original"))
    places = {
        data.index(CONTENTS[video]) + 1500: video,
        30: "archive",
        len(data) - 5: "archive",
        data.index(b'"requested_by"') + 3: "manifest.json",
        data.index(b'"signature":"') + 20: "manifest.sig",
    }
    for place, name in places.items():
        data[place] ^= 1
        archive.write_bytes(data)
        verdict = judge(verifier, archive, ED25519.public_key)
        assert verdict.startswith("Not to be trusted") and name in verdict, (place, verdict)
        data[place] ^= 1
    archive.write_bytes(data + b"!")
    assert "archive" in judge(verifier, archive, ED25519.public_key)


def _document(path: str, camera_id: str, start_us: int, seconds: int) -> dict[str, Any]:
    stretch = {"file_us": 0, "start_us": start_us, "duration_us": seconds * SECOND}
    return {
        "path": path, "kind": "original", "camera_id": camera_id, "start_us": start_us,
        "end_us": start_us + seconds * SECOND, "sha256": "00", "stretches": [stretch],
    }  # fmt: skip


def test_the_page_plays_all_cameras_on_one_clock(
    page: Page, tmp_path: Path, pedestrians_h264: Path, wait_until: Callable[..., Any]
) -> None:
    """Two cameras: the second one's footage begins five seconds later. Names are only names."""
    (tmp_path / "original").mkdir()
    for name in ("a", "b"):
        command = f"ffmpeg -v error -i {pedestrians_h264} -t 20 -c copy -movflags +faststart"
        subprocess.run([*command.split(), str(tmp_path / f"original/{name}.mp4")], check=True)
    evil = "</script><script>window.broken = 1</script>"
    cameras = (OrderedCamera("a", "村口", ("县",)), OrderedCamera("b", evil, ()))
    files = [
        _document("original/a.mp4", "a", START_US, 20),
        _document("original/b.mp4", "b", START_US + 5 * SECOND, 15),
    ]
    gap = {"start_us": START_US, "end_us": START_US + 5 * SECOND, "cause": "camera_offline"}
    told = [
        {"id": "a", "name": "村口", "area": ["县"], "gaps": [], "clock_offsets": []},
        {"id": "b", "name": evil, "area": [], "gaps": [gap], "clock_offsets": []},
    ]
    wanted = Range(START_US, START_US + 20 * SECOND)
    order = replace(ORDER, cameras=cameras)
    (tmp_path / "index.html").write_bytes(player_page(order, wanted, told, files))
    page.goto((tmp_path / "index.html").as_uri())
    expect(page.locator("#clock")).to_have_text("2026-11-01 08:00:00.000 UTC+08:00")
    assert page.evaluate("window.broken") is None
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(2)
    expect(tiles.nth(1).locator(".name")).to_have_text(evil)
    expect(tiles.nth(1).locator(".none")).to_have_text("No footage at this time")
    assert "camera offline" in page.locator("#cameras").inner_text()

    page.evaluate(f"window.gridsight.seek({START_US + 6 * SECOND})")
    page.click("#play")
    times = "() => [...document.querySelectorAll('video')].map(v => v.currentTime)"
    wait_until(
        "both pictures move", lambda: all(now > 2 for now in page.evaluate(times)), 60
    )  # fmt: skip
    page.click("#play")
    expect(tiles.nth(1).locator(".none")).to_be_hidden()
    page.evaluate("window.gridsight.seek(window.gridsight.clock())")
    clock = page.evaluate("window.gridsight.clock()")
    first, second = page.evaluate(times)
    assert first == pytest.approx((clock - START_US) / 1e6, abs=0.1)
    assert second == pytest.approx((clock - START_US) / 1e6 - 5, abs=0.1)
