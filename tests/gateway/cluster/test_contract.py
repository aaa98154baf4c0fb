"""What every Cluster promises, whichever runs the processes. Real processes, real Ray."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gateway.cluster import ray_cluster, supervisor
from gateway.cluster.interface import Cluster, ProcessSpec, ProcessStatus, StartError
from gateway.cluster.ray_cluster import RayCluster
from gateway.cluster.supervisor import LocalSupervisor
from gateway.control.channel import ControlClient, control_path
from gateway.secrets import cluster_secret
from gateway.settings import Settings, load_settings
from tests.peers.ray_head import ray_head, ray_program

PATIENCE_S = 60
RAY_SECRET = b"r" * 32
SPECS = [ProcessSpec("transcoder", "transcoder", 1), ProcessSpec("writer", "writer", 0)]

Make = Callable[[Settings, list[ProcessSpec]], Cluster]


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    if ray_program() is None:
        pytest.skip("gridsight[ray] is not installed")
    with ray_head(RAY_SECRET, Settings().cluster.node_name) as address:
        yield address


@pytest.fixture(params=["local supervisor", pytest.param("ray", marks=pytest.mark.extras)])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "local supervisor":
        return lambda settings, specs: LocalSupervisor(settings, None, specs)
    address: str = request.getfixturevalue("ray_address")
    return lambda settings, specs: RayCluster(settings, address, RAY_SECRET, specs, reports=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"data_directory": str(tmp_path)}, environment={}).settings


@contextlib.asynccontextmanager
async def running(cluster: Cluster) -> AsyncIterator[Cluster]:
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - seen from outside, as everybody sees it
            await asyncio.sleep(0.02)


async def answers(settings: Settings, name: str) -> bool:
    client = ControlClient(
        control_path(settings, name), cluster_secret(settings), connect_timeout_s=PATIENCE_S
    )
    try:
        return "event_loop_lag_ms" in await client.call("process.status")
    finally:
        await client.close()


def status_of(cluster: Cluster, name: str) -> ProcessStatus:
    return next(one for one in cluster.status() if one.name == name)


@pytest.mark.timeout(300)
async def test_all_answer_once_it_has_started_and_nothing_is_left_when_it_has_stopped(
    make: Make, settings: Settings
) -> None:
    for _ in ("the first time", "and again on the same data"):
        async with running(make(settings, SPECS)) as cluster:
            told = cluster.status()
            assert [one.name for one in told] == ["writer", "transcoder"], "in order of starting"
            assert {one.state for one in told} == {"running"}
            for one in told:
                assert await answers(settings, one.name)
        assert {one.state for one in cluster.status()} == {"stopped"}
        for one in told:
            assert one.process_id is not None
            assert not psutil.pid_exists(one.process_id)
        left = {path.name for path in settings.effective_run_directory.iterdir()}
        assert not any(name.endswith((".sock", ".json")) for name in left), left


@pytest.mark.timeout(300)
async def test_a_killed_process_is_started_again_and_the_others_are_left_alone(
    make: Make, settings: Settings
) -> None:
    async with running(make(settings, SPECS)) as cluster:
        writer = status_of(cluster, "writer")
        for deaths in (1, 2):
            before = status_of(cluster, "transcoder").process_id
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await until(
                lambda before=before: (  # type: ignore[misc]
                    status_of(cluster, "transcoder").state == "running"
                    and status_of(cluster, "transcoder").process_id != before
                )
            )
            assert status_of(cluster, "transcoder").restarts == deaths
            assert await answers(settings, "transcoder")
        assert status_of(cluster, "writer") == writer


@pytest.mark.timeout(300)
async def test_what_started_last_stops_first(make: Make, settings: Settings) -> None:
    cluster = make(settings, SPECS)
    seen: list[tuple[bool, bool]] = []
    async with running(cluster):
        alive = {one.name: psutil.Process(one.process_id) for one in cluster.status()}
        stopping = asyncio.create_task(cluster.stop())
        while not stopping.done():
            seen.append((alive["transcoder"].is_running(), alive["writer"].is_running()))
            await asyncio.sleep(0.005)
        await stopping
    assert (False, True) in seen, "the writer is there until the transcoder has ended"
    assert (True, False) not in seen


@pytest.mark.timeout(300)
async def test_a_process_that_cannot_run_as_configured_is_not_tried_for_ever(
    make: Make, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = load_settings(
            {
                "data_directory": str(tmp_path),
                "restream": {"enabled": True, "port": port},
                "log": {"level": "error"},
            },
            environment={},
        ).settings
        cluster = make(
            settings, [ProcessSpec("writer", "writer", 0), ProcessSpec("shard", "shard-1", 1)]
        )
        with pytest.raises(StartError, match="shard-1 cannot run as configured"):
            await cluster.start()
        assert "shard-1" in await cluster.failed()
        assert status_of(cluster, "shard-1").state != "running"
        await cluster.stop()
    assert {one.state for one in cluster.status()} == {"stopped"}


@pytest.mark.timeout(300)
async def test_a_process_that_never_answers_is_named(
    make: Make, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "READY_TIMEOUT_S", 0.3)
    monkeypatch.setattr(ray_cluster, "READY_TIMEOUT_S", 0.3)
    cluster = make(settings, [ProcessSpec("writer", "writer", 0)])
    with pytest.raises(StartError, match="writer did not start within"):
        await cluster.start()
    await cluster.stop()
