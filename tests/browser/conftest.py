"""A real gateway with the demo cameras, and headless Chromium in front of it.

``console`` is one gateway for the whole session; ``page`` is a fresh browser context that is
signed in as the administrator. A page that logs an error, throws, or asks a foreign host fails its
test at the end: ``watch`` sees to it, and its ``expected_errors`` takes patterns of what a test
provokes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
ADMIN_PASSWORD = "a long and plain sentence 7"
START_LIMIT_S = 60.0

# A page that comes late on a busy machine is no failure.
expect.set_options(timeout=30_000)

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@dataclass
class Console:
    """The gateway under test. ``url`` has no slash at its end."""

    url: str
    data_directory: Path
    process: psutil.Process
    name: str = "admin"
    password: str = ADMIN_PASSWORD
    storage_state: dict[str, Any] = field(default_factory=dict)
    _jar: CookieJar = field(default_factory=CookieJar)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API as the administrator; gives the JSON of the answer, None when empty."""
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json", "X-Gridsight": "1"},
        )
        with opener.open(request, timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def sign_in(self, password: str) -> None:
        """Sign the API calls in."""
        self.call("POST", "/api/session", {"name": self.name, "password": password})
        self.storage_state = {
            "cookies": [
                {
                    "name": cookie.name,
                    "value": cookie.value or "",
                    "domain": urlsplit(self.url).hostname,
                    "path": cookie.path,
                    "httpOnly": True,
                    "sameSite": "Strict",
                    "expires": -1,
                    "secure": False,
                }
                for cookie in self._jar
            ],
            "origins": [],
        }

    def child(self, name: str) -> psutil.Process:
        """The supervisor's child of this name (``shard-1``, ``api``, ``footage-1``…)."""
        for child in self.process.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if name in child.cmdline():
                    return child
        raise LookupError(f"no process {name} below the supervisor")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(what: str, check: Callable[[], Any], limit_s: float = START_LIMIT_S) -> Any:
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        with contextlib.suppress(OSError, urllib.error.URLError, LookupError, ValueError):
            result = check()
            if result:
                return result
        time.sleep(0.1)
    raise AssertionError(f"waited {limit_s} s in vain for: {what}")


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """``wait_until(what, check, limit_s)``: the first true result of ``check()``."""
    return _wait


@pytest.fixture(scope="session")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A real ``gridsight serve --demo`` on a free port, its administrator's password changed."""
    with serve_demo(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@contextlib.contextmanager
def serve_demo(
    folder: Path, *, address: str = "127.0.0.1", **environment: str
) -> Iterator[Console]:
    """As ``console``, on another address of this machine, with settings by the environment."""
    assert (REPOSITORY / "gateway/console/index.html").is_file(), (
        "the console is not built: run `make console`"
    )
    port = _free_port()
    output, log = folder / "serve.out", folder / "serve.log"
    with output.open("wb") as out, log.open("wb") as err:
        started = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "gridsight"),
                *("serve", "--demo", "--data", str(folder / "data"), "--port", str(port)),
            ],
            stdout=out,
            stderr=err,
            cwd=folder,
            env={
                **os.environ,
                "GRIDSIGHT_ACCOUNTABILITY__PLAYBACK_REASON": "false",
                # It would look at pictures for as long as the session lasts, on two cores.
                "GRIDSIGHT_SEARCH__ENABLED": "false",
                "GRIDSIGHT_LISTEN__ADDRESS": address,
                **environment,
            },
        )
    gateway = Console(
        url=f"http://{address}:{port}",
        data_directory=folder / "data",
        process=psutil.Process(started.pid),
    )
    try:
        found = _wait(
            "the one-time password",
            lambda: re.search(r"one-time password (\S+)", output.read_text("utf-8")),
        )
        _wait("a healthy gateway", lambda: gateway.call("GET", "/healthz")["status"] == "ok")
        gateway.sign_in(found.group(1))
        gateway.call(
            "POST",
            "/api/session/password",
            {"old_password": found.group(1), "new_password": gateway.password},
        )
        gateway.sign_in(gateway.password)
        _wait("four live cameras", lambda: len(_live_cameras(gateway)) == 4)
        yield gateway
    except AssertionError:
        sys.stderr.write(log.read_text("utf-8", "replace")[-8000:])
        raise
    finally:
        _stop(gateway.process)
        started.wait(5)


def _live_cameras(gateway: Console) -> list[dict[str, Any]]:
    cameras = gateway.call("GET", "/api/cameras?limit=100")["items"]
    return [one for one in cameras if one["states"].get("main", {}).get("state") == "live"]


def _stop(process: psutil.Process) -> None:
    family = [process]
    with contextlib.suppress(psutil.Error):
        family += process.children(recursive=True)
        process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=15)
    for one in alive:
        with contextlib.suppress(psutil.Error):
            one.kill()


@pytest.fixture
def cameras(console: Console) -> list[dict[str, Any]]:
    """The four demo cameras, all live (a test before may have restarted their shard)."""
    found: list[dict[str, Any]] = _wait(
        "four live cameras",
        lambda: live if len(live := _live_cameras(console)) == 4 else None,
    )
    return found


# For a module, not for the session: while it runs, asyncio takes this thread for its own, and
# asynchronous tests of other modules could not run.
@pytest.fixture(scope="module")
def playwright_driver() -> Iterator[Playwright]:
    """Playwright, driving the Chromium of the system."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium(playwright_driver: Playwright) -> Iterator[Browser]:
    """Headless Chromium."""
    browser = playwright_driver.chromium.launch(
        executable_path="/usr/bin/chromium", args=CHROMIUM_ARGUMENTS
    )
    yield browser
    browser.close()


@dataclass
class Watch:
    """What a page said and asked for. ``expected_errors``: patterns of console errors to accept."""

    url: str
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    expected_errors: list[str] = field(default_factory=list)

    def attach(self, page: Page) -> None:
        """Begin to listen."""
        page.on("pageerror", lambda error: self.errors.append(f"thrown: {error}"))
        page.on(
            "console",
            lambda message: (
                self.errors.append(f"{message.text} ({message.location.get('url', '')})")
                if message.type == "error"
                else None
            ),
        )
        page.on("request", lambda request: self._requested(request.url))
        page.on("websocket", lambda opened: self._requested(opened.url))

    def _requested(self, url: str) -> None:
        own = self.url.partition("://")[2]
        if not url.startswith(("data:", "blob:")) and url.split("/")[2] != own:
            self.foreign.append(url)

    def verify(self) -> None:
        """Raise where something was wrong that the test did not expect."""
        unexpected = [
            error
            for error in self.errors
            if not any(re.search(pattern, error) for pattern in self.expected_errors)
        ]
        assert unexpected == []
        assert self.foreign == []


@pytest.fixture
def watch(console: Console) -> Iterator[Watch]:
    """Errors and foreign requests of every page that is attached; checked at the end."""
    one = Watch(console.url)
    yield one
    one.verify()


@pytest.fixture
def new_page(console: Console, chromium: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """``new_page(signed_in=True, locale="zh-CN", browser=chromium, **context options)``."""
    contexts: list[BrowserContext] = []

    def make(
        *,
        signed_in: bool = True,
        locale: str = "zh-CN",
        browser: Browser = chromium,
        **options: Any,
    ) -> Page:
        options.setdefault("viewport", {"width": 1366, "height": 768})
        if signed_in:
            options["storage_state"] = console.storage_state
        context = browser.new_context(base_url=console.url, locale=locale, **options)
        context.add_init_script(
            f"localStorage.getItem('gridsight.locale')"
            f" || localStorage.setItem('gridsight.locale', {locale!r})"
        )
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A signed-in page at 1366×768, in Chinese; nothing opened yet."""
    return new_page()
