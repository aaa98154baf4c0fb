"""Downloading a package: with a ticket, in parts, and only as long as it is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from gateway.footage.packages import PackageServer
from gateway.footage.sessions import PlaybackSessions
from gateway.shard.web import serve_http
from tests.gateway.evidence.conftest import SECOND, Desk
from tests.gateway.footage.conftest import CAMERA, SECRET, SERVER, START_US, Clip


@dataclass
class Counter:
    """Where packages are given out."""

    desk: Desk
    sessions: PlaybackSessions
    base: str
    http: httpx.AsyncClient
    job_id: str = ""

    def ticket(self, **changes: object) -> str:
        wanted = {"action": "export", "package": self.job_id}
        return self.desk.world.ticket(**{**wanted, **changes})

    async def get(self, below: str, ticket: str | None = None, **more: str) -> httpx.Response:
        query = {} if ticket is None else {"ticket": ticket}
        url = f"{self.base}/packages/{self.job_id}/{below}"
        return await self.http.get(url, params=query, headers=more)


@pytest.fixture
async def counter(desk: Desk, h264: Clip) -> AsyncIterator[Counter]:
    await desk.world.record(h264.tracks, h264.units[:100])
    sessions = PlaybackSessions(SECRET, desk.world.engine)
    server = PackageServer(SERVER, desk.world.engine, sessions, desk.workshop.folder)
    async with (
        serve_http(SERVER, server.routes()) as port,
        httpx.AsyncClient(timeout=60) as http,
    ):
        made = Counter(desk, sessions, f"http://127.0.0.1:{port}/s/{SERVER}", http)
        made.job_id = await desk.export(START_US, START_US + 10 * SECOND)
        yield made


async def test_a_package_comes_whole_in_parts_and_file_by_file(counter: Counter) -> None:
    whole = await counter.desk.archive(counter.job_id)
    answer = await counter.get("package.zip", counter.ticket())
    assert answer.status_code == 200
    assert answer.content == whole
    assert answer.headers["content-disposition"] == f'attachment; filename="{counter.job_id}.zip"'
    # Goes on where it broke off, by the cookie alone, long after the ticket.
    tag = answer.headers["etag"]
    part = await counter.get("package.zip", None, Range="bytes=1000-", **{"If-Range": tag})
    assert part.status_code == 206
    assert part.content == whole[1000:]
    assert part.headers["content-range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
    other = await counter.get("package.zip", None, Range="bytes=1000-", **{"If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole)
    (video,) = [path for path in await counter.desk.files(counter.job_id) if ".mp4" in path]
    file = await counter.get(f"files/{video}")
    folder = counter.desk.workshop.folder / counter.job_id
    assert file.content == await asyncio.to_thread((folder / video).read_bytes)
    assert file.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "playback"},
        {"package": "exp_another"},
        {"package": None},
        {"expires_us": 1},
    ],
)
async def test_another_ticket_opens_nothing(counter: Counter, changes: dict[str, object]) -> None:
    answer = await counter.get("package.zip", counter.ticket(**changes))
    assert answer.status_code in (401, 403, 404), answer.text


async def test_who_was_given_one_file_gets_no_other(counter: Counter) -> None:
    """An original may show what is masked for who was given the copy beside it."""
    one = f"{counter.job_id}/index.html"
    assert (await counter.get("files/index.html", counter.ticket(package=one))).status_code == 200
    for below in ("files/manifest.json", "package.zip"):
        for ticket in (None, counter.ticket(package=one)):
            assert (await counter.get(below, ticket)).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "files/../../../data/secrets/cluster.key",
        "files/%2e%2e%2fmanifest.json",
        "files/",
        "files/x",
    ],
)
async def test_nothing_but_the_packages_files_is_given(counter: Counter, path: str) -> None:
    answer = await counter.get(path, counter.ticket())
    assert answer.status_code == 404


async def test_a_stranger_is_not_told_whether_there_is_such_a_package(counter: Counter) -> None:
    here = await counter.get("package.zip")
    counter.job_id = "exp_nosuch"
    nowhere = await counter.get("package.zip")
    assert here.status_code == nowhere.status_code == 401
    assert here.json()["error"]["code"] == nowhere.json()["error"]["code"]


async def test_a_package_that_is_over_is_gone(counter: Counter) -> None:
    await counter.desk.world.rows.write("evidence.cancel_export", job_id=counter.job_id)
    assert (await counter.get("package.zip", counter.ticket())).status_code == 404


async def test_a_download_that_runs_ends_with_the_right_to_it(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.evidence.package._READ_BYTES", 1000)
    whole = await counter.desk.archive(counter.job_id)
    url = f"{counter.base}/packages/{counter.job_id}/package.zip"
    got = 0
    with pytest.raises(httpx.RemoteProtocolError):
        async with counter.http.stream("GET", url, params={"ticket": counter.ticket()}) as answer:
            async for piece in answer.aiter_raw(1000):
                got += len(piece)
                counter.sessions.revoke(["ses_1"])
    assert 0 < got < len(whole)
    refused = await counter.get("package.zip", counter.ticket())
    assert refused.status_code == 403
    assert CAMERA not in refused.text
