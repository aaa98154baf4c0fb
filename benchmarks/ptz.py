"""From a joystick to the wire: a whole gateway, and one GB/T 28181 device that steers.

    python -m benchmarks.ptz [--quick]

A command is sent as the console does, by HTTPS's plain sibling on loopback; it is on the wire when
the device's socket has it. The same without HTTP, from the API's side of the control channel, tells
the request apart. The first command of a holding also waits until it is on record.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from typing import Any

from benchmarks._gateway import RunningGateway, running_gateway
from benchmarks._gb28181_devices import DOMAIN, PASSWORD, PLATFORM, code_of
from benchmarks.measure import percentile, quick_requested, report
from gateway.control.channel import ControlClient, control_path
from gateway.platforms.operations import SteerCommand
from gateway.platforms.ptz import Holder
from gateway.secrets import cluster_secret
from gateway.settings import Settings

TARGET_MS = 20.0
_WAIT_S = 60.0
# As fast as the console renews a movement.
_PAUSE_S = 0.02
_LOOK = {"action": "goto_preset", "preset": "1"}


class Device:
    """The device, in a process of its own."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._gb28181_devices", "1", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.read()

    def do(self, **command: Any) -> dict[str, Any]:
        """One command and its answer."""
        self.tell(**command)
        return self.read()

    def tell(self, **command: Any) -> None:
        """Without waiting."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """The next answer."""
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


def _until(find: Any) -> Any:
    give_up = time.monotonic() + _WAIT_S
    while time.monotonic() < give_up:
        found = find()
        if found:
            return found
        time.sleep(0.1)
    raise RuntimeError("the device was not taken up in time")


def _camera(gateway: RunningGateway, device: Device) -> str:
    area = gateway.call("POST", "/api/areas", {"name": "bench"})["id"]
    form = {
        "kind": "gb28181", "direction": "below", "name": "device", "area_id": area,
        "code": code_of(0), "username": code_of(0), "password": PASSWORD, "enabled": True,
        "options": {},
    }  # fmt: skip
    platform = gateway.call("POST", "/api/platforms", form)["id"]
    time.sleep(5)  # signalling reads new accounts every few seconds
    answer = device.do(do="register", within_s=30)
    assert answer["registered"] == 1, answer

    def channels() -> Any:
        gateway.api.post(f"/api/platforms/{platform}/refresh", json={})
        found = gateway.call("GET", f"/api/platforms/{platform}/channels")["items"]
        return [one for one in found if one["kind"] == "camera"]

    code = _until(channels)[0]["code"]
    body = {"area_id": area, "record": "off", "channels": [{"code": code}]}
    made = gateway.call("POST", f"/api/platforms/{platform}/cameras", body)
    return str(made["cameras"][0]["id"])


def _wired_ms(device: Device, started: float) -> float:
    at_s = device.read()["at_s"]
    if at_s is None:
        raise RuntimeError("a command did not arrive at the device")
    return float(at_s - started) * 1000


def _by_http(
    gateway: RunningGateway, device: Device, camera: str, count: int
) -> tuple[list[float], list[float]]:
    """Time to the wire, and until the answer was back."""
    wired, answered = [], []
    body = {"action": "move", "pan": 0.5}
    for _ in range(count):
        device.tell(do="steered")
        started = time.perf_counter()
        gateway.call("POST", f"/api/cameras/{camera}/ptz", body)
        answered.append((time.perf_counter() - started) * 1000)
        wired.append(_wired_ms(device, started))
        time.sleep(_PAUSE_S)
    return wired, answered


def _first_commands(
    gateway: RunningGateway, device: Device, camera: str, count: int
) -> list[float]:
    wired = []
    for _ in range(count):
        device.tell(do="steered")
        started = time.perf_counter()
        gateway.call("POST", f"/api/cameras/{camera}/ptz", _LOOK)
        wired.append(_wired_ms(device, started))
        gateway.call("DELETE", f"/api/cameras/{camera}/ptz")
    return wired


async def _by_control(
    gateway: RunningGateway, device: Device, camera: str, count: int
) -> list[float]:
    settings = Settings(data_directory=gateway.data_directory)
    client = ControlClient(control_path(settings, "signalling"), cluster_secret(settings))
    holder = Holder("person", "bench", "bench", "bench", 90).to_message()
    command = SteerCommand("move", pan=0.5).to_message()
    arguments = {"camera_id": camera, "holder": holder, "command": command}
    wired = []
    try:
        device.tell(do="steered")
        await client.call("ptz.command", **arguments)
        await asyncio.to_thread(device.read)
        for _ in range(count):
            device.tell(do="steered")
            started = time.perf_counter()
            await client.call("ptz.command", **arguments)
            wired.append(await asyncio.to_thread(_wired_ms, device, started))
            await asyncio.sleep(_PAUSE_S)
        await client.call("ptz.release", camera_id=camera, holder=holder)
    finally:
        await client.close()
    return wired


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main() -> None:
    """See the module."""
    quick = quick_requested(__doc__)
    count, firsts = (200, 30) if quick else (2000, 200)
    port = _free_port()
    settings = {
        "GB28181__PORT": str(port),
        "GB28181__CODE": PLATFORM,
        "GB28181__DOMAIN": DOMAIN,
    }
    with running_gateway(**settings) as gateway:
        device = Device(port)
        try:
            camera = _camera(gateway, device)
            wired, answered = _by_http(gateway, device, camera, count)
            gateway.call("DELETE", f"/api/cameras/{camera}/ptz")
            # Letting go has sent a stop.
            device.do(do="steered")
            inner = asyncio.run(_by_control(gateway, device, camera, count))
            device.do(do="steered")
            first = _first_commands(gateway, device, camera, firsts)
        finally:
            device.close()
    for name, values, target in (
        ("ptz_request_to_wire_p50_ms", wired, None),
        ("ptz_request_to_wire_p99_ms", wired, TARGET_MS),
        ("ptz_request_answered_p99_ms", answered, None),
        ("ptz_signalling_to_wire_p50_ms", inner, None),
        ("ptz_signalling_to_wire_p99_ms", inner, TARGET_MS),
        ("ptz_first_command_to_wire_p99_ms", first, None),
    ):
        share = 50 if "p50" in name else 99
        report(name, percentile(values, share), "ms", n=len(values), target=target)


if __name__ == "__main__":
    main()
