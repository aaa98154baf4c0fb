"""Part of ``benchmarks.gb28181``: devices that register at once, are kept alive, and are steered.

The signalling and the writer process are those of the gateway, on a database of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks._gb28181_devices import DOMAIN, PASSWORD, PLATFORM, code_of
from benchmarks.measure import cpu_seconds, percentile, report
from gateway.control.channel import ControlClient, control_path
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import upgrade
from gateway.database.platform_tables import platforms
from gateway.database.tables import areas, cameras
from gateway.database.writer_process import WRITER
from gateway.identifiers import new_id, now_us
from gateway.secrets import cluster_secret, seal
from gateway.settings import Gb28181Settings, LogSettings, Settings

_SIGNALLING = "signalling"
_KEEPALIVE_S = 60
_STEERED = 100
_WITHIN_S = 120.0


def _writer(text: str) -> None:
    from gateway.database.writer_process import main

    main(Settings.from_json(text), WRITER)


def _signalling(text: str) -> None:
    from gateway.platforms.process import main

    main(Settings.from_json(text), _SIGNALLING)


@contextlib.contextmanager
def platform(settings: Settings) -> Iterator[tuple[BaseProcess, BaseProcess]]:
    """The writer and the signalling process."""
    spawn = multiprocessing.get_context("spawn")
    started = []
    try:
        for target, name in ((_writer, WRITER), (_signalling, _SIGNALLING)):
            process = spawn.Process(target=target, args=(settings.to_json(),))
            process.start()
            started.append(process)
            asyncio.run(_answering(settings, name))
        yield started[0], started[1]
    finally:
        for process in reversed(started):
            process.terminate()
            process.join(20)


async def _answering(settings: Settings, name: str) -> None:
    client = ControlClient(
        control_path(settings, name), cluster_secret(settings), connect_timeout_s=30
    )
    try:
        await client.call("process.status")
    finally:
        await client.close()


def _enter(settings: Settings, count: int) -> list[str]:
    """Rows of the devices, and cameras of the first of them; gives the cameras' ids."""
    engine = create_writer_engine(settings)
    upgrade(engine)
    secret = cluster_secret(settings)
    area_id, at_us = new_id("ar"), now_us()
    steered: list[str] = []
    with engine.begin() as connection:
        connection.execute(
            sa.insert(areas).values(
                id=area_id, name="县", axis="area", path=f"{area_id}/", position=0, created_us=at_us
            )
        )
        for number in range(count):
            platform_id = f"plf_{number:05}"
            connection.execute(
                sa.insert(platforms).values(
                    id=platform_id,
                    kind="gb28181",
                    direction="below",
                    name=f"device {number}",
                    code=code_of(number),
                    area_id=area_id,
                    password_sealed=seal(secret, PASSWORD, platform_id),
                    options={},
                    enabled=True,
                    created_us=at_us,
                    changed_us=at_us,
                )
            )
            if number < _STEERED:
                camera_id = new_id("cam")
                steered.append(camera_id)
                channel = code_of(number)[:10] + "131" + code_of(number)[13:]
                connection.execute(
                    sa.insert(cameras).values(
                        id=camera_id,
                        area_id=area_id,
                        name=f"camera {number}",
                        main_url=f"gb28181://{platform_id}/{channel}",
                        transport="auto",
                        record="off",
                        enabled=True,
                        created_us=at_us,
                        changed_us=at_us,
                        platform_id=platform_id,
                        channel=channel,
                    )
                )
    engine.dispose()
    return steered


class DeviceProcess:
    """The process of the devices."""

    def __init__(self, count: int, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._gb28181_devices", str(count), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def do(self, **command: Any) -> dict[str, Any]:
        """Give a command and read its result."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


async def _greeted(settings: Settings, count: int) -> None:
    """Wait until every device was asked for what it has."""
    client = ControlClient(control_path(settings, _SIGNALLING), cluster_secret(settings))
    try:
        until = time.monotonic() + _WITHIN_S
        while time.monotonic() < until:
            states = await client.call("platforms.status")
            done = sum(one["catalog"].get("state") == "complete" for one in states)
            if done >= count:
                return
            await asyncio.sleep(0.25)
    finally:
        await client.close()


async def _steer(settings: Settings, cameras_ids: list[str], devices: DeviceProcess) -> list[float]:
    """Milliseconds from the call of signalling to the datagram at the device."""
    client = ControlClient(control_path(settings, _SIGNALLING), cluster_secret(settings))
    took: list[float] = []
    command = {"action": "move", "pan": 1.0, "tilt": 0.0, "zoom": 0.0, "speed": 0.5}
    try:
        for camera_id in cameras_ids:
            started = time.perf_counter()
            call = asyncio.create_task(
                client.call("device.steer", camera_id=camera_id, command=command)
            )
            arrived = await asyncio.to_thread(devices.do, do="steered")
            await call
            if arrived["at_s"] is not None:
                took.append((arrived["at_s"] - started) * 1000)
    finally:
        await client.close()
    return took


def run(quick: bool) -> None:
    """Report the figures of 5,000 devices (500 when quick)."""
    count, keep_s = (500, 8.0) if quick else (5000, 60.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="gridsight-benchmark-") as folder:
        settings = Settings(
            data_directory=Path(folder),
            log=LogSettings(level="error"),
            gb28181=Gb28181Settings(port=port, code=PLATFORM, domain=DOMAIN),
        )
        cluster_secret(settings)
        cameras_ids = _enter(settings, count)
        with platform(settings) as (writer, signalling):
            assert signalling.pid is not None and writer.pid is not None
            time.sleep(1.0 + count / 1000)  # the first reconcile has read them all
            devices = DeviceProcess(count, port)
            try:
                _measure(settings, count, keep_s, devices, signalling.pid, writer.pid, cameras_ids)
            finally:
                devices.close()


def _measure(
    settings: Settings,
    count: int,
    keep_s: float,
    devices: DeviceProcess,
    signalling: int,
    writer: int,
    cameras_ids: list[str],
) -> None:
    before = cpu_seconds(signalling)
    result = devices.do(do="register", within_s=_WITHIN_S)
    spent = cpu_seconds(signalling) - before
    note = (
        f"{result['registered']} of {count}, {result['retransmissions']} retransmissions by the "
        f"devices, {spent:.1f} s of CPU"
    )
    report("gb28181_register_s", result["took_s"], "s until all are registered", n=count, note=note)
    asyncio.run(_greeted(settings, count))
    report(
        "gb28181_greet_cpu_ms_per_device",
        1000 * (cpu_seconds(signalling) - before) / count,
        "ms of CPU",
        n=count,
        note="registering, facts, clock, catalogue, two subscriptions",
    )
    time.sleep(2.0)
    before, written = cpu_seconds(signalling), cpu_seconds(writer)
    started = time.perf_counter()
    result = devices.do(do="keep_alive", every_s=_KEEPALIVE_S, for_s=keep_s)
    wall_s = time.perf_counter() - started
    report(
        "gb28181_keepalive_cpu_percent",
        100 * (cpu_seconds(signalling) - before) / wall_s,
        "% of a core",
        n=count,
        target=100,
        note=f"one keepalive a minute each: {result['answered']} of {result['sent']} answered, "
        f"{result['retransmissions']} retransmissions; the writer beside it "
        f"{100 * (cpu_seconds(writer) - written) / wall_s:.1f} %",
    )
    took = asyncio.run(_steer(settings, cameras_ids, devices))
    report(
        "gb28181_ptz_to_wire_ms",
        percentile(took, 95),
        "ms (95th percentile)",
        n=len(took),
        target=20,
        note=f"median {percentile(took, 50):.2f} ms, from the call to the datagram at the device",
    )
