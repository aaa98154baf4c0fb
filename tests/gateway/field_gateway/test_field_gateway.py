"""What telephones reach through the field gateway, and what they do not: all the rest."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from gateway.field_gateway.allowed import passage_of
from gateway.field_gateway.page import read_page
from gateway.field_gateway.process import CONSOLE
from gateway.field_gateway.proxy import FieldGateway
from gateway.identifiers import now_us
from gateway.settings.field import FieldGatewaySettings
from gateway.transport.local_authority import LocalAuthority
from gateway.transport.outpost import upstream_client
from tests.gateway.api.conftest import PASSWORD, County, county, quick_passwords  # noqa: F401
from tests.gateway.attachments.files import photo
from tests.gateway.walk.doors import DOORS
from tests.peers.answering import answering

pytestmark = pytest.mark.skipif(
    not (CONSOLE / "field/index.html").is_file(), reason="the console is not built"
)


class Behind:
    """The gateway's own application, and what came to it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.came: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.came.append(scope)
        await self._app(scope, receive, send)


@contextlib.asynccontextmanager
async def field_gateway(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A telephone in front of a field gateway."""
    wanted = FieldGatewaySettings(**settings)
    async with upstream_client(wanted) as client:
        app = FieldGateway(wanted, read_page(CONSOLE), client, encrypted=True)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=("203.0.113.7", 4711)),
            base_url="https://report.test",
            headers={"X-Gridsight": "1"},
        ) as telephone:
            yield telephone


async def test_nothing_else_of_the_gateway_is_there(county: County) -> None:  # noqa: F811
    behind = Behind(county.app)
    passed = set()
    async with (
        answering(behind) as port,
        field_gateway(
            upstream=f"http://127.0.0.1:{port}", requests_per_minute=100_000,
            sign_ins_per_minute=1000,
        ) as telephone,
    ):  # fmt: skip
        for method, route in DOORS:
            path = re.sub(r"\{[^}]+\}", "x1", route.replace("{step}", "accept"))
            verb = "GET" if method == "WEBSOCKET" else method
            behind.came.clear()
            body: Any = {} if verb in ("POST", "PUT", "PATCH") else None
            answer = await telephone.request(verb, path, json=body)
            if passage_of(verb, path) is not None and method != "WEBSOCKET":
                assert len(behind.came) == 1, (method, path)
                passed.add((method, route))
                continue
            assert (answer.status_code, behind.came) == (404, []), (method, path)
        for path in ("/wall", "/index.html", "/api/../api/users", "//api/users", "/s/shard-1/whep",
                     "/api/field/%2e%2e/users", "/metrics", "/healthz", "/docs"):  # fmt: skip
            assert (await telephone.get(path)).status_code == 404
        assert behind.came == []
        walls = [one.name for one in (CONSOLE / "assets").glob("WallPage*.js")]
        assert [(await telephone.get(f"/assets/{one}")).status_code for one in walls] == [404]
    everything = {
        (method, route) for method, route in DOORS
        if route.startswith(("/api/field/", "/api/session")) and "sessions" not in route
    }  # fmt: skip
    # The sheet for the printer, and where others are, are for people within.
    within = {("GET", f"/api/field/{one}") for one in ("grids/sheet", "workers", "lives")}
    assert everything - passed == within


async def test_a_report_goes_through_with_its_picture(
    county: County,  # noqa: F811
    tmp_path: Path,
) -> None:
    await county.user("worker", "field_worker", county.village)
    authority = LocalAuthority(tmp_path, "gateway")
    issued = authority.issue(["127.0.0.1"], datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    (tmp_path / "authority.pem").write_bytes(authority.pem)
    behind = Behind(county.app)
    async with (
        answering(behind, context) as port,
        field_gateway(
            upstream=f"https://127.0.0.1:{port}", upstream_authority=tmp_path / "authority.pem"
        ) as telephone,
    ):
        form = {"name": "worker", "password": PASSWORD}
        forged = {"X-Forwarded-For": "10.0.0.1", "Cookie": "gridsight_desk=x; other=y"}
        signed = await telephone.post("/api/session", json=form, headers=forged)
        assert signed.status_code == 200, signed.text
        cookie = signed.headers["set-cookie"]
        assert "; Secure" in cookie and "HttpOnly" in cookie and "SameSite=strict" in cookie
        told = dict(behind.came[0]["headers"])
        assert told[b"x-forwarded-for"] == b"203.0.113.7"
        assert b"cookie" not in told
        at_us = now_us()
        report = {
            "id": "r" * 20, "words": "路灯不亮", "files": 1, "made_phone_us": at_us,
            "sent_phone_us": at_us,
        }  # fmt: skip
        made = await telephone.post("/api/field/reports", json=report)
        assert made.status_code == 201, made.text
        data = photo(64)
        upload = {"id": "u" * 20, "report_id": "r" * 20, "name": "x", "size_bytes": len(data)}
        begun = (await telephone.post("/api/field/uploads", json=upload)).json()
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        headers = {"Upload-Offset": "0", "Upload-Checksum": f"sha256 {checksum}"}
        path = f"/api/field/uploads/{begun['id']}"
        sent = await telephone.patch(path, content=data, headers=headers)
        assert (sent.status_code, sent.headers["upload-offset"]) == (204, str(len(data)))
        finished = await telephone.post(f"{path}/finish", json={})
        shown = await telephone.get(f"/api/attachments/{finished.json()['id']}/thumbnail")
        assert shown.content[:3] == b"\xff\xd8\xff"
        assert shown.headers["x-frame-options"] == "DENY"
        assert "max-age" in shown.headers["strict-transport-security"]
    other = LocalAuthority(tmp_path / "other", "somebody")
    (tmp_path / "other.pem").write_bytes(other.pem)
    async with (
        answering(behind, context) as port,
        field_gateway(
            upstream=f"https://127.0.0.1:{port}", upstream_authority=tmp_path / "other.pem"
        ) as telephone,
    ):
        behind.came.clear()
        refused = await telephone.get("/api/field/reports")
        assert (refused.status_code, behind.came) == (503, [])


async def test_the_page_opens_while_the_gateway_behind_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    async with field_gateway(upstream=nobody) as telephone:
        page = await telephone.get("/field/")
        assert page.status_code == 200 and "现场上报" in page.text
        for part in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
            assert (await telephone.get(part)).status_code == 200, part
        assert (await telephone.get("/")).headers["location"] == "/field/"
        assert "geolocation=(self)" in page.headers["permissions-policy"]
        away = await telephone.post("/api/field/reports", json={})
        assert (away.status_code, away.headers["retry-after"]) == (503, "10")
        assert away.json()["error"]["code"] == "unavailable"


async def test_who_asks_too_much_waits(county: County) -> None:  # noqa: F811
    behind = Behind(county.app)
    async with (
        answering(behind) as port,
        field_gateway(
            upstream=f"http://127.0.0.1:{port}", requests_per_minute=30, sign_ins_per_minute=2
        ) as telephone,
    ):
        form = {"name": "worker", "password": "guess"}
        tried = [(await telephone.post("/api/session", json=form)).status_code for _ in range(4)]
        assert tried == [401, 401, 429, 429]
        large = await telephone.post("/api/field/reports", content=b"x" * 70_000)
        assert large.status_code == 413
        unsaid = await telephone.patch(
            "/api/field/uploads/x", content=b"", headers={"Content-Length": "99999999"}
        )
        assert unsaid.status_code == 413
        assert len(behind.came) == 2
        asked = [(await telephone.get("/field/")).status_code for _ in range(40)]
        assert asked.count(429) >= 10
        waiting = await telephone.get("/field/")
        assert int(waiting.headers["retry-after"]) >= 1


def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path, "field")
    issued = authority.issue(["127.0.0.1"], datetime.now(UTC))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (tmp_path / "field-gateway.toml").write_text(
        "[field_gateway]\n"
        f'port = {port}\ncertificate = "{issued.certificate}"\nkey = "{issued.key}"\n'
        'upstream = "https://127.0.0.1:1"\n'
    )
    command = [str(Path(sys.executable).parent / "gridsight"), "field-gateway"]
    command += ["--config", str(tmp_path / "field-gateway.toml"), "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, env={**os.environ}, stderr=subprocess.PIPE)
    try:
        context = ssl.create_default_context(cadata=authority.pem.decode())
        with httpx.Client(verify=context) as client:
            for _ in range(200):
                try:
                    page = client.get(f"https://127.0.0.1:{port}/field/")
                    break
                except httpx.TransportError:
                    assert process.poll() is None
                    time.sleep(0.1)
            assert page.status_code == 200
            assert client.get(f"https://127.0.0.1:{port}/api/users").status_code == 404
        # It keeps nothing.
        assert not (tmp_path / "data").exists()
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"address": "0.0.0.0"}, "certificate and key"),
        ({"upstream": "http://10.1.2.3:8080"}, "https:// to another machine"),
        ({"certificate": "x.pem"}, "belong together"),
    ],
)
def test_settings_that_would_open_it_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FieldGatewaySettings(**wrong)
