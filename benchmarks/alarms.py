"""From an alarm at a device to a duty officer's screen, and a storm of a thousand a second.

    python -m benchmarks.alarms [--quick]

A whole gateway, with GB/T 28181 devices in a process of their own that tell alarms by MESSAGE. An
alarm at a time first: from the datagram to the message on a WebSocket, and to the painted row on
the console's page. Then the storm: each device tells of four faults in turn. Nothing may be
missing: every answered message is counted in a row of what devices told, and every fault of every
camera is an alarm.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil  # type: ignore[import-untyped]
from playwright.sync_api import Page, sync_playwright

from benchmarks._gateway import CHROMIUM, CHROMIUM_ARGUMENTS, RunningGateway, running_gateway
from benchmarks._gb28181_devices import DOMAIN, PASSWORD, PLATFORM, code_of
from benchmarks._gb28181_registering import DeviceProcess
from benchmarks.measure import percentile, quick_requested, report
from gateway.identifiers import new_id, now_us
from gateway.secrets import cluster_secret, seal
from gateway.settings import Settings

SCREEN_TARGET_MS = 500.0
_KINDS = 4
_SETTLES_S = 60.0
# Of two seconds.
_CALM_CPU_S = 0.4

# When a camera's row was painted, by its number.
_WATCH = """() => {
  window.painted = {};
  new MutationObserver(() => {
    for (const row of document.querySelectorAll('tbody tr')) {
      const number = /camera (\\d+)!/.exec(row.textContent)?.[1];
      if (number === undefined || number in window.painted) continue;
      window.painted[number] = 0;
      requestAnimationFrame(() => setTimeout(() => { window.painted[number] = Date.now() }));
    }
  }).observe(document.body, { childList: true, subtree: true });
}"""


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    devices, single, per_s, for_s = (400, 20, 300, 10) if quick else (4_000, 150, 1_000, 60)
    port = _free_port()
    with running_gateway(
        SEARCH__ENABLED="false", GB28181__PORT=str(port), GB28181__CODE=PLATFORM,
        GB28181__DOMAIN=DOMAIN,
    ) as gateway:  # fmt: skip
        _enter(gateway, devices)
        process = DeviceProcess(devices, port)
        try:
            registered = process.do(do="register", within_s=120)
            report("alarms.devices_registered", registered["registered"], "devices", n=1)
            _calm_down(gateway)
            _measure_singles(gateway, process, single, None if quick else SCREEN_TARGET_MS)
            _calm_down(gateway)
            _measure_storm(gateway, process, single, per_s, for_s)
        finally:
            process.close()


def _measure_singles(
    gateway: RunningGateway, process: DeviceProcess, count: int, target_ms: float | None
) -> None:
    chance = random.Random(11)
    listener = _Listener(gateway)
    told: dict[int, float] = {}
    with _alarms_page(gateway) as page:
        page.evaluate(_WATCH)
        for number in range(count):
            told[number] = process.do(do="alarm", number=number)["at_s"]
            page.wait_for_timeout(chance.uniform(200, 1200))
        page.wait_for_timeout(3000)
        painted = {int(key): at_ms for key, at_ms in page.evaluate("window.painted").items()}
    listener.close()
    for name, heard_s in (
        ("websocket", listener.heard_s),
        ("screen", {number: at_ms / 1000 for number, at_ms in painted.items()}),
    ):
        times = [1000 * (heard_s[one] - told[one]) for one in told if one in heard_s]
        report(
            f"alarms.to_{name}_p95", percentile(times, 95), "ms", n=len(times),
            target=target_ms if name == "screen" else None,
            note=f"p50 {percentile(times, 50):.0f}, worst {max(times):.0f} ms; "
            f"{count - len(times)} of {count} missing",
        )  # fmt: skip


def _measure_storm(
    gateway: RunningGateway, process: DeviceProcess, first: int, per_s: int, for_s: int
) -> None:
    listener = _Listener(gateway)
    asking = _Asking(gateway)
    memory_before = _memory_bytes(gateway)
    started_us = now_us()
    with _alarms_page(gateway) as page:
        done = process.do(do="storm", first=first, per_s=per_s, for_s=for_s)
        rows_shown = page.locator("tbody tr").count()
        held = page.locator("button.held").count()
        began_s = time.monotonic()
        stored = alarms = wanted = -1
        while time.monotonic() - began_s < _SETTLES_S:
            stored, alarms, wanted = _rows(gateway, started_us, first)
            if stored >= done["answered"] and alarms >= wanted:
                break
            time.sleep(0.2)
        settled_s = time.time() - done["last_s"]
    listener.close()
    times = asking.close()
    report(
        "alarms.storm_rate", done["sent"] / for_s, "alarms/s", n=done["sent"], better="higher",
        target=float(per_s),
    )  # fmt: skip
    report(
        "alarms.storm_missing", done["sent"] - stored, "alarms", n=done["sent"], target=0,
        note=f"answered {done['answered']:,}, stored {stored:,}; "
        f"{alarms:,} of {wanted:,} faults are alarms",
    )  # fmt: skip
    report("alarms.storm_settled", settled_s, "s", n=1, note="after the last was told")
    report("alarms.storm_page_p95", percentile(times, 95), "ms", n=len(times),
           note=f"GET /api/alarms meanwhile; worst {max(times):.0f} ms")  # fmt: skip
    report(
        "alarms.storm_rows_shown", rows_shown, "rows", n=1,
        note=f"{listener.alarms:,} told to a listener; the list stood still: {held == 1}",
    )  # fmt: skip
    grown = (_memory_bytes(gateway) - memory_before) / 2**20
    report("alarms.storm_memory", grown, "MiB", n=1, note="more in all processes than before")


@contextlib.contextmanager
def _alarms_page(gateway: RunningGateway) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS, headless=True
        )
        context = browser.new_context(
            storage_state=gateway.storage_state,  # type: ignore[arg-type]
            viewport={"width": 1920, "height": 1080},
        )
        page = context.new_page()
        page.goto(f"{gateway.url}/alarms")
        page.wait_for_selector("h1")
        page.wait_for_timeout(1500)
        yield page
        browser.close()


class _Listener:
    """A WebSocket as the console's; notes when each camera's first alarm came."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.heard_s: dict[int, float] = {}
        self.alarms = 0
        self._gateway = gateway
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait(20)

    def _run(self) -> None:
        self._task = self._loop.create_task(self._listen())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)

    async def _listen(self) -> None:
        cookies = {one.name: one.value or "" for one in self._gateway.api.cookies.jar}
        url = self._gateway.url.replace("http", "ws", 1) + "/api/events"
        headers, jar = {"Origin": self._gateway.url}, aiohttp.CookieJar(unsafe=True)
        async with (
            aiohttp.ClientSession(cookies=cookies, cookie_jar=jar) as session,
            session.ws_connect(url, headers=headers) as socket_,
        ):
            self._ready.set()
            async for message in socket_:
                now_s = time.time()
                event: dict[str, Any] = json.loads(message.data)
                if event["type"] == "alarm" and event["camera_name"]:
                    self.alarms += 1
                    number = int(str(event["camera_name"]).split()[1].rstrip("!"))
                    self.heard_s.setdefault(number, now_s)

    def close(self) -> None:
        """Listen no more."""
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)


class _Asking:
    """Somebody who asks for the list twice a second; how long each answer took, in ms."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self._times: list[float] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ends.wait(0.5):
            began_s = time.perf_counter()
            self._gateway.call("GET", "/api/alarms?state=open&limit=100")
            self._times.append(1000 * (time.perf_counter() - began_s))

    def close(self) -> list[float]:
        """Ask no more."""
        self._ends.set()
        self._thread.join(30)
        return self._times


def _rows(gateway: RunningGateway, since_us: int, first: int) -> tuple[int, int, int]:
    """How many events are stored, how many faults are alarms, and of how many."""
    with sqlite3.connect(f"file:{_database(gateway)}?mode=ro", uri=True) as connection:
        (stored, wanted) = connection.execute(
            "SELECT coalesce(sum(count), 0), count(DISTINCT kind || camera_id) FROM device_events "
            "WHERE begin_us >= ? AND platform_id >= ?",
            (since_us, f"plf_{first:05}"),
        ).fetchone()
        (alarms,) = connection.execute(
            "SELECT count(DISTINCT kind || camera_id) FROM alarms WHERE begin_us >= ?", (since_us,)
        ).fetchone()
    return stored, alarms, wanted


def _calm_down(gateway: RunningGateway) -> None:
    """Wait until what the registering of thousands has set off is done."""
    for _ in range(60):
        before_s = _cpu_s(gateway)
        time.sleep(2)
        if _cpu_s(gateway) - before_s < _CALM_CPU_S:
            return


def _cpu_s(gateway: RunningGateway) -> float:
    parent = psutil.Process(gateway.process.pid)
    family = (parent, *parent.children(recursive=True))
    return float(sum(sum(one.cpu_times()[:2]) for one in family))


def _memory_bytes(gateway: RunningGateway) -> int:
    parent = psutil.Process(gateway.process.pid)
    return sum(one.memory_info().rss for one in (parent, *parent.children(recursive=True)))


def _database(gateway: RunningGateway) -> Path:
    return gateway.data_directory / "gridsight.db"


def _enter(gateway: RunningGateway, count: int) -> None:
    """Rows of the devices, and of a camera of each."""
    root = gateway.call("POST", "/api/areas", {"name": "县"})["id"]
    secret = cluster_secret(Settings(data_directory=gateway.data_directory))
    at_us = now_us()
    platforms, cameras = [], []
    for number in range(count):
        platform_id, code = f"plf_{number:05}", code_of(number)
        sealed = seal(secret, PASSWORD, platform_id)
        platforms.append((platform_id, f"device {number}", code, root, sealed, at_us, at_us))
        channel = code[:10] + "131" + code[13:]
        url = f"gb28181://{platform_id}/{channel}"
        cameras.append((new_id("cam"), root, f"camera {number}!", url, at_us, at_us, platform_id,
                        channel))  # fmt: skip
    # At once: the gateway writes, too.
    with sqlite3.connect(_database(gateway), timeout=30) as connection:
        connection.executemany(
            "INSERT INTO platforms (id, kind, direction, name, code, area_id, password_sealed,"
            " options, enabled, created_us, changed_us)"
            " VALUES (?, 'gb28181', 'below', ?, ?, ?, ?, '{}', 1, ?, ?)",
            platforms,
        )
        connection.executemany(
            "INSERT INTO cameras (id, area_id, name, search_key, main_url, transport, record,"
            " enabled, created_us, changed_us, platform_id, channel)"
            " VALUES (?, ?, ?, '', ?, 'auto', 'off', 1, ?, ?, ?, ?)",
            cameras,
        )


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
