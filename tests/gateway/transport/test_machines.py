"""A process's HTTP for other machines: for who is of the cluster, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ssl import SSLContext
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.control.machine_tls import client_context
from gateway.settings import Settings
from gateway.settings.cluster import ClusterSettings
from gateway.transport.machines import serve_machines

SECRET, FOREIGN = b"s" * 32, b"f" * 32


async def who(request: Request) -> JSONResponse:
    assert request.client is not None
    return JSONResponse({"client": request.client.host, "scheme": request.url.scheme})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    settings = Settings(cluster=ClusterSettings(node="node-a", listen_address="127.0.0.1"))
    app = Starlette(routes=[Route("/who", who)])
    async with serve_machines(settings, "shard-1.node-a", SECRET, app) as port:
        assert port is not None
        yield port


async def ask(port: int, context: Any, name: str = "shard-1.node-a") -> Any:
    headers = {"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Proto": "http"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"https://127.0.0.1:{port}/who", ssl=context, server_hostname=name, headers=headers
        ) as response,
    ):
        return await response.json()


async def test_another_machine_is_believed_whom_it_speaks_for(port: int) -> None:
    context = client_context(SECRET, "node-b")
    assert await ask(port, context) == {"client": "10.9.8.7", "scheme": "http"}


@pytest.mark.parametrize(
    "context", [client_context(FOREIGN, "node-b"), False], ids=["foreign", "without a certificate"]
)
async def test_who_is_not_of_the_cluster_does_not_get_through(
    port: int, context: SSLContext | bool
) -> None:
    with pytest.raises(aiohttp.ClientError):
        await ask(port, context)


async def test_a_process_of_another_name_is_not_taken_for_it(port: int) -> None:
    with pytest.raises(aiohttp.ClientError):
        await ask(port, client_context(SECRET, "node-b"), "shard-2.node-a")


async def test_a_machine_that_stands_alone_does_not_listen() -> None:
    async with serve_machines(Settings(), "shard-1", SECRET, Starlette()) as port:
        assert port is None
