"""A real nginx with a configuration that the gateway made, as an ordinary process of a test."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest


def nginx_program() -> str:
    """Where nginx is; skips the test where there is none."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("nginx is not installed")
    return found


def reload_command(config: Path) -> str:
    """What ``gridsight nginx-config --reload`` is given."""
    return f"{nginx_program()} -c {config} -e {config.parent / 'start.log'} -s reload"


@contextlib.asynccontextmanager
async def running_nginx(config: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """nginx with this file, once it listens on ``port``."""
    process = await asyncio.create_subprocess_exec(
        nginx_program(),
        *("-c", str(config), "-e", str(config.parent / "start.log"), "-g", "daemon off;"),
    )
    try:
        async with asyncio.timeout(30):
            while not _listens(port):
                assert process.returncode is None, (config.parent / "start.log").read_text()
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
