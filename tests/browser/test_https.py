"""From another machine, by HTTPS: trusting the gateway, signing in, live pictures, camera and
microphone. Localhost would show none of it: there browsers allow everything unencrypted.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Error, Page, Playwright, expect

from tests.browser.far_chromium import launch_far_chromium
from tests.peers.far_network import FarNetwork, far_network

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PASSWORD = "a sentence from afar 7"


@dataclass(frozen=True)
class FarGateway:
    """A gateway on our end of the link, with an authority of its own."""

    network: FarNetwork
    https: str
    http: str
    fingerprint: str
    one_time_password: str


@pytest.fixture(scope="module")
def network() -> Iterator[FarNetwork]:
    with far_network() as made:
        yield made


@pytest.fixture(scope="module")
def gateway(
    network: FarNetwork, tmp_path_factory: pytest.TempPathFactory, wait_until: Callable[..., Any]
) -> Iterator[FarGateway]:
    folder = tmp_path_factory.mktemp("https")
    output, log = folder / "serve.out", folder / "serve.log"
    https_port, http_port = 8443, 8080
    with output.open("wb") as out, log.open("wb") as err:
        started = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "gridsight"),
                *("serve", "--demo", "--data", str(folder / "data")),
                *("--address", network.ours, "--port", str(https_port)),
            ],
            stdout=out,
            stderr=err,
            cwd=folder,
            env={**os.environ, "GRIDSIGHT_TLS__HTTP_PORT": str(http_port)},
        )
    try:
        said = wait_until(
            "the one-time password",
            lambda: text if "one-time" in (text := output.read_text("utf-8")) else None,
        )
        password = re.search(r"one-time password (\S+)", said)
        fingerprint = re.search(r"(?:[0-9A-F]{2}:){31}[0-9A-F]{2}", said)
        assert password is not None
        assert fingerprint is not None
        yield FarGateway(
            network,
            f"https://{network.ours}:{https_port}",
            f"http://{network.ours}:{http_port}",
            fingerprint.group(),
            password.group(1),
        )
    except AssertionError:
        sys.stderr.write(log.read_text("utf-8", "replace")[-4000:])
        raise
    finally:
        family = [psutil.Process(started.pid), *psutil.Process(started.pid).children(True)]
        started.terminate()
        _, alive = psutil.wait_procs(family, timeout=20)
        for one in alive:
            one.kill()
        started.wait()


@pytest.fixture(scope="module")
def chromium_there(
    network: FarNetwork, playwright_driver: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[bytes | None], Browser]]:
    """Chromium on the other machine; ``chromium_there(der)`` trusts that authority."""
    opened: list[Browser] = []

    def launch(authority: bytes | None) -> Browser:
        trusted = [] if authority is None else [authority]
        folder = tmp_path_factory.mktemp("chromium")
        opened.append(launch_far_chromium(playwright_driver, network, folder, trusted))
        return opened[-1]

    yield launch
    for browser in opened:
        browser.close()


def download_authority(page: Page) -> bytes:
    with page.expect_download() as download:
        page.locator("#download").click()
    return Path(download.value.path()).read_bytes()


def test_another_machine_comes_to_trust_the_gateway_and_may_do_everything(
    gateway: FarGateway, chromium_there: Callable[[bytes | None], Browser]
) -> None:
    # First visit: HTTPS is not trusted, and plain HTTP shows how it comes to be.
    untrusting = chromium_there(None).new_context()
    with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
        untrusting.new_page().goto(gateway.https)
    stranger = untrusting.new_page()
    stranger.goto(gateway.http)
    expect(stranger.locator("h1")).to_contain_text("信任视频网关")
    expect(stranger.locator("#fingerprint")).to_have_text(gateway.fingerprint)
    assert stranger.evaluate("isSecureContext") is False
    assert stranger.evaluate("navigator.mediaDevices") is None
    authority = download_authority(stranger)
    answer = stranger.request.get(f"{gateway.http}/api/session", max_redirects=0)
    assert answer.status == 307
    assert answer.headers["location"] == f"{gateway.https}/api/session"
    assert stranger.request.post(f"{gateway.http}/api/session", data={}).status == 403

    # Trusted: the page leads on by itself.
    context = chromium_there(authority).new_context(locale="zh-CN")
    context.grant_permissions(["camera", "microphone"], origin=gateway.https)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(gateway.http)
    expect(page).to_have_url(f"{gateway.https}/sign-in")
    page.locator('input[name="name"]').fill("admin")
    page.locator('input[name="password"]').fill(gateway.one_time_password)
    page.locator('input[name="password"]').press("Enter")
    page.locator('input[name="new-password"]').fill(PASSWORD)
    page.locator('input[name="repeat-password"]').fill(PASSWORD)
    page.locator('input[name="repeat-password"]').press("Enter")
    expect(page).to_have_url(f"{gateway.https}/wall")
    [cookie] = [one for one in context.cookies() if one["name"] == "gridsight_session"]
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")

    # Live, by WebRTC over the link.
    page.locator(".row.is-camera").first.dblclick()
    tile = page.locator('.tile[data-phase="playing"]').first
    expect(tile).to_have_attribute("data-transport", "webrtc", timeout=60_000)
    page.wait_for_function(
        "() => document.querySelector('.tile video').getVideoPlaybackQuality()"
        ".totalVideoFrames > 10",
        timeout=60_000,
    )

    # Camera and microphone: the page may have them.
    kinds = page.evaluate(
        "async () => (await navigator.mediaDevices.getUserMedia({audio: true, video: true}))"
        ".getTracks().map(track => track.kind).sort()"
    )
    assert kinds == ["audio", "video"]
    assert page.evaluate("isSecureContext") is True
    headers = page.evaluate("async () => Object.fromEntries((await fetch('/')).headers)")
    # Without given certificates there is no way back from it.
    assert "strict-transport-security" not in headers
    assert "wss://" in headers["content-security-policy"]
    assert errors == []
