"""The whole gateway with its processes as actors of a real Ray, started by ``gridsight ray``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from tests.peers.ray_head import PATIENCE_S, ray_program
from tests.peers.running_gateway import REPOSITORY, Gateway, command, running_gateway, start, stop

pytestmark = [pytest.mark.extras, pytest.mark.timeout(600)]


@pytest.fixture
async def head(tmp_path: Path) -> AsyncIterator[str]:
    """``gridsight ray`` as the head; gives its address."""
    if ray_program() is None:
        pytest.skip("gridsight[ray] is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Not below pytest's folder: a Unix socket's path has 107 characters.
    folder = tempfile.mkdtemp(prefix="ray-")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", "ray", "--head-port", str(port)),
        *("--data", str(tmp_path)),
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "RAY_TMPDIR": folder},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while b"Ray runtime started" not in (line := await process.stdout.readline()):
                assert line, "Ray ended while starting"
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


async def all_record(gateway: Gateway) -> bool:
    return await gateway.recording() == 4


async def test_it_records_goes_on_without_its_supervisor_and_is_found_again(
    head: str, tmp_path: Path
) -> None:
    async with running_gateway(tmp_path, CLUSTER__RAY_ADDRESS=head) as gateway:
        await gateway.until(lambda: all_record(gateway))
        before = {name: one["process_id"] for name, one in (await gateway.processes()).items()}
        os.kill(before["shard-1"], signal.SIGKILL)

        async def again() -> bool:
            one = (await gateway.processes())["shard-1"]
            return bool(one["state"] == "running" and one["process_id"] != before["shard-1"])

        await gateway.until(again)
        await gateway.until(lambda: all_record(gateway))
        before = {name: one["process_id"] for name, one in (await gateway.processes()).items()}
        gateway.process.kill()
        await gateway.process.wait()
        assert await all_record(gateway), "no process needs the supervisor"

        process, url, _ = await start(tmp_path, CLUSTER__RAY_ADDRESS=head)
        try:
            assert url == gateway.url
            now = {name: one["process_id"] for name, one in (await gateway.processes()).items()}
            assert now == before, "none was started anew"
        finally:
            assert await stop(process) == 0
        assert not any(psutil.pid_exists(process_id) for process_id in before.values())
    status, output = await command(tmp_path, "check")
    assert status == 0, output


async def test_two_on_one_data_directory_are_refused(head: str, tmp_path: Path) -> None:
    async with running_gateway(tmp_path, CLUSTER__RAY_ADDRESS=head) as gateway:
        status, output = await command(tmp_path, "serve", "--cluster", head, "--port", "0")
        assert status == 1
        assert "another gridsight already runs" in output
        await gateway.until(lambda: all_record(gateway))


async def test_where_no_ray_answers_it_says_so(head: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    status, output = await command(tmp_path, "serve", "--cluster", nobody, "--port", "0")
    assert status == 1
    assert f"no Ray answers at {nobody}" in output
    assert "Traceback" not in output
