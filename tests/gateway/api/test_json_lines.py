"""Answers line by line: what becomes of them when nobody reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from gateway.api import json_lines
from gateway.api.process import bind, serve_http
from gateway.settings import ListenSettings


async def test_who_stops_reading_ends_what_answers_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "SEND_TIMEOUT_S", 0.2)
    ended = asyncio.Event()
    app = FastAPI()

    async def endless() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield json_lines.json_line({"much": "x" * 65_536})
        finally:
            ended.set()

    @app.get("/")
    async def answer() -> Response:
        return json_lines.json_lines(endless())

    listening = bind(ListenSettings(port=0))
    async with serve_http(app, listening), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*listening.getsockname()[:2])
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        # Nothing more is read, and the connection stays.
        await ended.wait()
        writer.transport.abort()


async def test_who_reads_slowly_gets_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "SEND_TIMEOUT_S", 5)
    app = FastAPI()

    async def some() -> AsyncGenerator[bytes]:
        for number in range(200):
            yield json_lines.json_line({"number": number, "much": "x" * 65_536})

    @app.get("/")
    async def answer() -> Response:
        return json_lines.json_lines(some())

    listening = bind(ListenSettings(port=0))
    async with serve_http(app, listening), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(*listening.getsockname()[:2], limit=1 << 20)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        told = await reader.read()
        assert told.count(b'"number"') == 200
        writer.close()
