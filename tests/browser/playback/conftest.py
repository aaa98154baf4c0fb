"""A real gateway with its demo cameras, and a real Chromium in front of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright

REPOSITORY = Path(__file__).resolve().parents[3]
CHROMIUM = "/usr/bin/chromium"
HAS_CHROMIUM = Path(CHROMIUM).exists()
PASSWORD = "Browser-tests-2026"
START_LIMIT_S = 60.0
POLL_S = 0.25


@dataclass
class Gateway:
    """A running ``gridsight serve --demo``; ``api`` is signed in as its administrator."""

    url: str
    data: Path
    api: httpx.Client
    process_id: int
    log: list[str] = field(default_factory=list)

    def until(self, what: str, probe: Callable[[], Any], limit_s: float = 60.0) -> Any:
        """The first true value of ``probe()``; fails with what the gateway said."""
        give_up = time.monotonic() + limit_s
        while True:
            value = probe()
            if value:
                return value
            if time.monotonic() > give_up:
                tail = "".join(self.log[-40:])
                pytest.fail(f"waited {limit_s:.0f} s in vain for {what}; the gateway said:\n{tail}")
            time.sleep(POLL_S)

    def cameras(self) -> list[dict[str, Any]]:
        """All cameras, by name."""
        items = self.api.get("/api/cameras", params={"limit": 100}).raise_for_status().json()
        return sorted(items["items"], key=lambda camera: str(camera["name"]))

    def timeline(self, camera_id: str) -> dict[str, Any]:
        """The last hour of a camera."""
        now_us = time.time_ns() // 1000
        query: dict[str, str | int] = {
            "camera_id": camera_id,
            "start_us": now_us - 3_600_000_000,
            "end_us": now_us + 1_000_000,
            "resolution_us": 0,
        }
        answer: dict[str, Any] = (
            self.api.get("/api/timeline", params=query).raise_for_status().json()
        )
        return answer

    def recorded(self, camera_id: str, at_least_s: float) -> tuple[int, int]:
        """Wait until a camera has an unbroken stretch of footage of that length, and return it."""

        def longest() -> tuple[int, int] | None:
            spans = self.timeline(camera_id)["spans"]
            best = max(spans, key=lambda one: one["end_us"] - one["start_us"], default=None)
            if best is None or best["end_us"] - best["start_us"] < at_least_s * 1e6:
                return None
            return int(best["start_us"]), int(best["end_us"])

        found: tuple[int, int] = self.until(
            f"{at_least_s:.0f} s of footage of {camera_id}", longest, limit_s=at_least_s + 60
        )
        return found


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all browser tests, with four demo cameras that record."""
    if not (REPOSITORY / "gateway/console/index.html").is_file():
        subprocess.run(["npm", "--prefix", "web", "run", "build"], cwd=REPOSITORY, check=True)
    data = tmp_path_factory.mktemp("gateway")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "GRIDSIGHT_DATA_DIRECTORY": str(data),
        "GRIDSIGHT_LISTEN__PORT": str(port),
        "GRIDSIGHT_RECORDING__SEGMENT_S": "20",
        "GRIDSIGHT_ACCOUNTABILITY__PLAYBACK_REASON": "false",
        "GRIDSIGHT_SEARCH__ENABLED": "false",
    }
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("gridsight")), "serve", "--demo"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    log: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=log.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        with httpx.Client(base_url=url, headers={"X-Gridsight": "1"}, timeout=20) as api:
            running = Gateway(url, data, api, process.pid, log)
            password = running.until(
                "the one-time password", lambda: _password(log, process), START_LIMIT_S
            )
            _sign_in(running, password)
            yield running
    finally:
        _end(process)


def _password(log: list[str], process: subprocess.Popen[str]) -> str | None:
    if process.poll() is not None:
        pytest.fail("the gateway ended:\n" + "".join(log))
    found = re.search(r"one-time password (\S+)", "".join(log))
    return found.group(1) if found else None


def _sign_in(running: Gateway, password: str) -> None:
    api = running.api
    api.post("/api/session", json={"name": "admin", "password": password}).raise_for_status()
    change = {"old_password": password, "new_password": PASSWORD}
    api.post("/api/session/password", json=change).raise_for_status()
    again = {"name": "admin", "password": PASSWORD}
    api.post("/api/session", json=again).raise_for_status()


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        # Its own session: nothing but the gateway and its children is in this group.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """Debian's Chromium; sound may start without a click, as it may after one."""
    if not HAS_CHROMIUM:
        pytest.skip("no Chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--autoplay-policy=no-user-gesture-required"]
        )
        yield browser
        await browser.close()


@pytest.fixture
async def page(gateway: Gateway, chromium: Browser) -> AsyncIterator[Page]:
    """A signed-in page in Chinese, in China's time; an error in its scripts fails the test."""
    context = await chromium.new_context(
        viewport={"width": 1366, "height": 768}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    answer = await context.request.post(
        f"{gateway.url}/api/session", data={"name": "admin", "password": PASSWORD}
    )
    assert answer.ok
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    await context.close()
    assert errors == []
