"""A whole gateway in a folder of its own, started as its users start it, for the benchmarks."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--autoplay-policy=no-user-gesture-required",
]
_PASSWORD = "a sentence for measuring 9"
_START_LIMIT_S = 90.0


@dataclass(slots=True)
class RunningGateway:
    """``api`` is signed in as the administrator; ``url`` has no slash at its end."""

    url: str
    api: httpx.Client
    process: subprocess.Popen[str]
    data_directory: Path
    storage_state: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Call the API. Raises httpx.HTTPStatusError."""
        answer = self.api.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@contextlib.contextmanager
def running_gateway(**variables: str) -> Iterator[RunningGateway]:
    """Start ``gridsight serve`` on a free port, sign in; stop it and forget its data at the end.

    ``variables``: further settings, without their prefix.
    """
    with tempfile.TemporaryDirectory(prefix="gridsight-benchmark-") as folder:
        environment = {
            **os.environ,
            "GRIDSIGHT_DATA_DIRECTORY": str(Path(folder) / "data"),
            "GRIDSIGHT_LISTEN__PORT": "0",
            "GRIDSIGHT_ACCOUNTABILITY__LIVE_PURPOSE": "false",
            "GRIDSIGHT_ACCOUNTABILITY__PLAYBACK_REASON": "false",
            "GRIDSIGHT_LOG__LEVEL": "error",
            **{f"GRIDSIGHT_{name}": value for name, value in variables.items()},
        }
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("gridsight")), "serve"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield _sign_in(process, Path(folder) / "data")
        finally:
            process.terminate()
            process.wait(30)


def _sign_in(process: subprocess.Popen[str], data_directory: Path) -> RunningGateway:
    assert process.stdout is not None
    watchdog = threading.Timer(_START_LIMIT_S, process.kill)
    watchdog.daemon = True
    watchdog.start()
    said = ""
    for line in process.stdout:
        said += line
        found = re.search(r"(http://\S+?)/?\s[\s\S]*one-time password (\S+)", said)
        if found:
            break
    else:
        raise RuntimeError(f"the gateway did not start:\n{said}")
    watchdog.cancel()
    # Whatever it says later must not fill the pipe and stop it.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    url, first_password = found.groups()
    api = httpx.Client(base_url=url, headers={"X-Gridsight": "1"}, timeout=30)
    api.post("/api/session", json={"name": "admin", "password": first_password}).raise_for_status()
    change = {"old_password": first_password, "new_password": _PASSWORD}
    api.post("/api/session/password", json=change).raise_for_status()
    cookies = [
        {
            "name": cookie.name,
            "value": cookie.value,
            "domain": "127.0.0.1",
            "path": cookie.path,
            "httpOnly": True,
            "sameSite": "Strict",
        }
        for cookie in api.cookies.jar
    ]
    state = {"cookies": cookies, "origins": []}
    return RunningGateway(url, api, process, data_directory, state)
