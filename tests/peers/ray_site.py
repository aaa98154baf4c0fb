"""Several machines on Ray: each a ``gridsight ray`` with a loopback address of its own."""

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
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.peers.ray_head import PATIENCE_S, REPOSITORY, ray_program

HEAD_ADDRESS = "127.0.0.2"


@dataclass
class RayNode:
    """``gridsight ray`` with these arguments and settings, and all that Ray starts below it."""

    name: str
    address: str
    arguments: list[str]
    folder: Path
    secrets: Path
    process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        return self.process is not None

    async def start(self) -> None:
        """Start it, and return when Ray says that it runs."""
        environment = {name: one for name, one in os.environ.items() if "GRIDSIGHT" not in name}
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli", "ray", *self.arguments),
            *("--data", str(self.folder / self.name)),
            cwd=REPOSITORY,
            env={
                **environment,
                "PYTHONPATH": str(REPOSITORY),
                "RAY_TMPDIR": str(self.folder),
                "GRIDSIGHT_SECRETS_DIRECTORY": str(self.secrets),
                "GRIDSIGHT_CLUSTER__NODE": self.name,
                "GRIDSIGHT_CLUSTER__LISTEN_ADDRESS": self.address,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        said = b""
        async with asyncio.timeout(PATIENCE_S):
            while b"Ray runtime started" not in (line := await self.process.stdout.readline()):
                said += line
                assert line, f"Ray ended while starting: {said.decode()}"

    def family(self) -> list[psutil.Process]:
        """All that runs below it now: Ray's own, the actors, and what they keep running."""
        if self.process is None:
            return []
        try:
            one = psutil.Process(self.process.pid)
            return [one, *one.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    async def kill(self) -> None:
        """All of it at once, with no time for anything."""
        if self.process is None:
            return
        for one in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        self.process = None


@dataclass
class RaySite:
    """A head, on which none of the gateway's processes run, and who has joined it."""

    folder: Path
    secrets: Path
    head: RayNode
    address: str
    nodes: list[RayNode] = field(default_factory=list)

    def node(self, name: str, address: str) -> RayNode:
        """A further machine, not yet started."""
        made = RayNode(name, address, ["--join", self.address], self.folder, self.secrets)
        self.nodes.append(made)
        return made


@contextlib.asynccontextmanager
async def ray_site(secrets: Path, *, state: str | None = None) -> AsyncIterator[RaySite]:
    """The head is running; it keeps its state in the Redis ``state``, if one is given. Skips where
    Ray is not installed.
    """
    if ray_program() is None:
        pytest.skip("gridsight[ray] is not installed")
    with socket.create_server((HEAD_ADDRESS, 0)) as free:
        port = free.getsockname()[1]
    # Not below pytest's folder: a Unix socket's path has 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    arguments = ["--head-port", str(port), "--head-only"]
    if state is not None:
        arguments += ["--state", state]
    head = RayNode("head", HEAD_ADDRESS, arguments, folder, secrets)
    site = RaySite(folder, secrets, head, f"{HEAD_ADDRESS}:{port}")
    try:
        await head.start()
        yield site
    finally:
        for node in (*site.nodes, head):
            await node.kill()
        shutil.rmtree(folder, ignore_errors=True)
