"""SIPp as a device: a SIP implementation that is not ours, by the scenarios in ``sipp/``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).parent / "sipp"

needs_sipp = pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")


def free_udp_port(address: str = "127.0.0.1") -> int:
    """A port that is free for UDP and for TCP: SIP listens on both, and SIPp takes no 0."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket() as connections,
        ):
            datagrams.bind((address, 0))
            port = int(datagrams.getsockname()[1])
            with contextlib.suppress(OSError):
                connections.bind((address, port))
                return port


@contextlib.asynccontextmanager
async def sipp(
    folder: Path, scenario: str, platform_port: int, port: int, *arguments: str, **keys: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """SIPp with a scenario; it is killed when the context is left."""
    command = [
        "sipp",
        *("-sf", str(SCENARIOS / f"{scenario}.xml")),
        *("-i", "127.0.0.1", "-p", str(port)),
        *("-nostdin", "-timeout", "25s", "-timeout_error", "-trace_logs", "-trace_err"),
        *arguments,
    ]
    for name, value in keys.items():
        command += ["-key", name, value]
    process = await asyncio.create_subprocess_exec(
        *command,
        f"127.0.0.1:{platform_port}",
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TERM": "dumb"},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_sipp(
    folder: Path, scenario: str, platform_port: int, port: int, *arguments: str, **keys: str
) -> None:
    """Run one call of a scenario to its end; AssertionError with SIPp's own words otherwise."""
    async with sipp(folder, scenario, platform_port, port, "-m", "1", *arguments, **keys) as run:
        status = await run.wait()
    said = errors(folder)
    assert status == 0, f"SIPp ended {scenario} with {status}: {said[-2000:]}"


def errors(folder: Path) -> str:
    """What SIPp found unexpected."""
    return "".join(path.read_text() for path in folder.glob("*errors.log"))


def logs(folder: Path) -> str:
    """What the scenarios logged."""
    return "".join(path.read_text() for path in folder.glob("*_logs.log"))


async def logged(folder: Path, text: str) -> str:
    """The logs, once this is in them."""
    while True:
        found = logs(folder)
        if text in found:
            return found
        await asyncio.sleep(0.05)
