"""A citizen's call from the hotline's work order to its answer, with everything real but the city.

The gateway's own application answers by HTTP on loopback, its outbox delivers, and the hotline
signs for itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.hotline_adapter.adapter import Adapter
from gateway.hotline_adapter.application import hotline_application
from gateway.hotline_adapter.gateway_client import GatewayClient
from gateway.hotline_adapter.memory import Memory
from gateway.identifiers import US_PER_S, new_id, now_us
from gateway.outbox.sending import Sender, seal_context
from gateway.outbox.signing import new_secret, signed_headers
from gateway.people.known_devices import token_hash
from gateway.people.service_tokens import new_service_token
from gateway.secrets import seal
from gateway.settings.hotline import HotlineAdapterSettings
from gateway.settings.outbox import OutboxSettings
from tests.gateway.api.conftest import County, county, quick_passwords  # noqa: F401
from tests.peers.answering import answering
from tests.peers.hotline import APP_ID, SECRET, Hotline, hotline

ORDER = {
    "orderNo": "JZ2026112400017",
    "title": "自来水管爆裂",
    "content": "<script>alert(1)</script> 路面都是水",
    "areaCode": "420881101203",
    "typeCode": "0207",
    "address": "石牌镇彭墩村二组",
    "callerName": "王五",
    "callerPhone": "13800000000",
    "calledAt": "2026-11-24T09:30:00+08:00",
    "level": "urgent",
}


@dataclass
class Between:
    """The adapter, with the hotline on one side and the gateway on the other."""

    county: County
    hotline: Hotline
    client: httpx.AsyncClient
    sender: Sender
    channel_id: str
    webhook_secret: str
    desk: httpx.AsyncClient
    clerk: httpx.AsyncClient

    async def asks(
        self, method: str, path: str, document: Any = None, **how: Any
    ) -> httpx.Response:
        return await self.client.send(self.hotline.signed(method, path, document, **how))

    async def delivered(self) -> None:
        """Whatever the gateway has to tell is told, as far as it is taken."""
        await self.county.write("outbox_channels.change", channel_id=self.channel_id, columns={})
        while await self.sender.send_next(self.channel_id):
            pass

    async def incidents(self) -> list[dict[str, Any]]:
        answer = await self.desk.get("/api/incidents", params={"origin": "external"})
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def take(self, who: httpx.AsyncClient, kind: str, **fields: Any) -> None:
        (incident,) = await self.incidents()
        path = f"/api/incidents/{incident['id']}/steps"
        answer = await who.post(path, json={"kind": kind, **fields})
        assert answer.status_code == 200, answer.text


async def _channel(county: County, address: str) -> tuple[str, str]:  # noqa: F811
    channel_id, secret = new_id("och"), new_secret()
    row = {
        "id": channel_id, "name": "热线", "kind": "webhook", "address": address,
        "topics": ["incidents"], "enabled": True, "created_by": county.users["desk"],
        "secret_sealed": seal(county.services.secret, secret, seal_context(channel_id)),
    }  # fmt: skip
    await county.write("outbox_channels.add", columns=row)
    return channel_id, secret


async def _token(county: County, name: str) -> str:  # noqa: F811
    token = new_service_token()
    await county.write(
        "tokens.create",
        user_id=county.users[name],
        token_hash=token_hash(token),
        name="hotline",
        scopes=["incidents", "dispatch", "handle"],
        addresses=["127.0.0.1/32"],
        expires_us=now_us() + 3600 * US_PER_S,
        created_by=county.users["desk"],
    )
    return token


@pytest.fixture
async def between(county: County, tmp_path: Path) -> AsyncIterator[Between]:  # noqa: F811
    await county.write("areas.change", area_id=county.root, code="420881000000")
    await county.write("areas.change", area_id=county.village, code="420881101203")
    await county.user("desk", "agent")
    await county.user("hotline", "agent")
    await county.user("clerk", "operator", county.village)
    unit = {"name": "彭墩村委会", "area_id": county.village, "parent_id": None,
            "category_ids": None}  # fmt: skip
    await county.write("units.put", unit_id=None, columns=unit, member_ids=[county.users["clerk"]])
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    channel_id, webhook_secret = await _channel(county, f"http://127.0.0.1:{port}/webhooks")
    async with contextlib.AsyncExitStack() as stack:
        city = await stack.enter_async_context(hotline())
        gateway_port = await stack.enter_async_context(answering(county.app))
        wanted = HotlineAdapterSettings(
            upstream=f"http://127.0.0.1:{gateway_port}",
            token=SecretStr(await _token(county, "hotline")),
            webhook_secret=SecretStr(webhook_secret),
            hotline_url=city.url,
            hotline_id=APP_ID,
            hotline_secret=SecretStr(SECRET),
            categories={"0207": "供水"},
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        memory = Memory(tmp_path / "adapter.sqlite3")
        stack.callback(memory.close)
        adapter = Adapter(wanted, GatewayClient(wanted, session), session, memory)
        app = hotline_application(wanted, adapter, memory)
        await stack.enter_async_context(answering(app, port=port))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
        loopback = OutboxSettings(allowed_networks=["127.0.0.0/8"], timeout_s=5)
        services = county.services
        sender = Sender(loopback, services.secret, services.reader, services.rows)
        desk, clerk = await county.sign_in("desk"), await county.sign_in("clerk")
        for one in (client, desk, clerk):
            await stack.enter_async_context(one)
        yield Between(county, city, client, sender, channel_id, webhook_secret, desk, clerk)


async def test_an_order_is_handed_over_handled_and_taken_back(between: Between) -> None:
    opened = await between.asks("POST", "/orders", ORDER)
    assert opened.status_code == 200, opened.text
    (incident,) = await between.incidents()
    assert opened.json() == {"orderNo": ORDER["orderNo"], "number": incident["number"]}
    assert (incident["title"], incident["words"]) == (ORDER["title"], ORDER["content"])
    assert (incident["priority"], incident["reporter_name"]) == ("urgent", "王五")
    assert incident["area_names"][-1] == "彭墩村"
    assert incident["unit"]["name"] == "彭墩村委会"
    urged = await between.asks("POST", f"/orders/{ORDER['orderNo']}/urge", {"words": "又打来了"})
    more = {"words": "水已进屋"}
    told = await between.asks("POST", f"/orders/{ORDER['orderNo']}/supplement", more)
    assert (urged.status_code, told.status_code) == (200, 200)
    for kind, words in (("accept", ""), ("arrive", ""), ("comment", "内部：钥匙在门卫"),
                        ("answer", "已更换")):  # fmt: skip
        await between.take(between.clerk, kind, words=words)
    await between.take(between.desk, "close", result="settled", words="供水已恢复")
    await between.delivered()
    assert between.hotline.statuses("JZ2026112400017") == [
        "received", "accepted", "on_site", "answered", "closed",
    ]  # fmt: skip
    last = between.hotline.heard[-1]
    assert (last["result"], last["words"], last["late"]) == ("settled", "供水已恢复", False)
    assert (last["number"], last["unit"]) == (incident["number"], "彭墩村委会")
    assert "钥匙" not in str(between.hotline.heard)
    visit = {"rating": 2, "words": "还在漏", "again": True}
    visited = await between.asks("POST", f"/orders/{ORDER['orderNo']}/visit", visit)
    assert visited.status_code == 200, visited.text
    (again,) = await between.incidents()
    assert (again["rating"], again["feedback"], again["urges"]) == (2, "还在漏", 1)
    assert again["state"] != "closed"
    stands = (await between.asks("GET", f"/orders/{ORDER['orderNo']}")).json()
    assert (stands["number"], stands["state"]) == (incident["number"], again["state"])


async def test_the_hotline_takes_an_order_back(between: Between) -> None:
    await between.asks("POST", "/orders", ORDER)
    words = {"words": "派错了"}
    answer = await between.asks("POST", f"/orders/{ORDER['orderNo']}/withdraw", words)
    assert answer.status_code == 200
    (incident,) = await between.incidents()
    assert (incident["state"], incident["result"]) == ("closed", "passed_on")
    assert incident["result_words"] == "热线收回：派错了"
    again = await between.asks("POST", f"/orders/{ORDER['orderNo']}/withdraw", words)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")


async def test_what_is_sent_twice_opens_one(between: Between) -> None:
    # Their answer was lost on the way: they sign it anew.
    first, second = [await between.asks("POST", "/orders", ORDER) for _ in range(2)]
    assert first.json() == second.json()
    # Somebody has listened and sends the very same.
    nonce = "a nonce that is used twice"
    urge = f"/orders/{ORDER['orderNo']}/urge"
    sent = [(await between.asks("POST", urge, {}, nonce=nonce)).status_code for _ in range(3)]
    assert sent == [200, 409, 409]
    (incident,) = await between.incidents()
    assert incident["urges"] == 1


async def test_what_is_not_signed_old_or_altered_is_refused(between: Between) -> None:
    now_s = time.time()
    for at_s in (now_s - 400, now_s + 400):
        old = await between.asks("POST", "/orders", ORDER, at_s=at_s)
        assert (old.status_code, old.json()["error"]["code"]) == (401, "signature_refused")
    request = between.hotline.signed("POST", "/orders", ORDER)
    for name, value in (
        ("x-signature", "0" * 64),
        ("x-signature", "\xe9"),
        ("x-nonce", "x" * 9),
        ("x-app-id", "other"),
        ("x-timestamp", "\xb2"),
        ("x-timestamp", str(int(now_s) + 1)),
    ):
        headers = {**request.headers, name: value.encode("latin-1")}
        altered = httpx.Request("POST", request.url, content=request.content, headers=headers)
        assert (await between.client.send(altered)).status_code == 401, name
    kept = {name: one for name, one in request.headers.items() if name.startswith("x-")}
    other = httpx.Request("POST", request.url, content=b"{}", headers=kept)
    assert (await between.client.send(other)).status_code == 401
    large = await between.asks("POST", "/orders", ORDER | {"content": "x" * 300_000})
    assert large.status_code == 413
    assert await between.incidents() == []


async def test_an_order_that_makes_no_sense_is_named(between: Between) -> None:
    wrong = await between.asks("POST", "/orders", ORDER | {"longitude": 200})
    assert wrong.status_code == 422
    assert "longitude" in wrong.json()["error"]["message"]
    nowhere = await between.asks("POST", "/orders", ORDER | {"areaCode": "110101001001"})
    assert "areaCode" in nowhere.json()["error"]["message"]
    unknown = await between.asks("POST", "/orders/JZ-unknown/urge", {})
    assert unknown.status_code == 404
    # A village that we do not know is the county's.
    told = await between.asks("POST", "/orders", ORDER | {"areaCode": "420881999999"})
    assert told.status_code == 200
    (incident,) = await between.incidents()
    assert incident["area_names"] == ["钟祥县"]


async def test_feedback_waits_while_the_hotline_is_away(between: Between) -> None:
    await between.asks("POST", "/orders", ORDER)
    between.hotline.answers = [503]
    await between.delivered()
    assert between.hotline.heard == []
    await between.take(between.clerk, "accept")
    await between.delivered()
    assert between.hotline.statuses("JZ2026112400017") == ["received", "accepted"]


async def test_feedback_that_the_hotline_never_takes_is_seen_by_people(between: Between) -> None:
    await between.asks("POST", "/orders", ORDER)
    between.hotline.answers = [422]
    await between.delivered()
    (incident,) = await between.incidents()
    detail = (await between.desk.get(f"/api/incidents/{incident['id']}")).json()
    assert detail["history"][-1]["words"] == "热线未接收反馈（received）：HTTP 422"
    await between.take(between.clerk, "accept")
    await between.delivered()
    assert between.hotline.statuses("JZ2026112400017") == ["accepted"]


async def test_of_two_that_are_merged_both_hear_the_end(between: Between) -> None:
    other = ORDER | {"orderNo": "JZ2026112400018"}
    for order in (ORDER, other):
        await between.asks("POST", "/orders", order)
    second, first = await between.incidents()
    merge = {"kind": "merge", "into_id": first["id"]}
    await between.desk.post(f"/api/incidents/{second['id']}/steps", json=merge)
    close = {"kind": "close", "result": "settled", "words": "好了"}
    await between.desk.post(f"/api/incidents/{first['id']}/steps", json=close)
    await between.delivered()
    for order in (ORDER, other):
        assert between.hotline.statuses(str(order["orderNo"]))[-1] == "closed"


class TestWebhooks:
    async def sends(self, between: Between, body: bytes, **how: Any) -> int:
        headers = signed_headers(
            [how.get("secret", between.webhook_secret)], how.get("id", new_id("msg")),
            int(how.get("at_s", time.time())), body,
        )  # fmt: skip
        path = "http://adapter.test/webhooks"
        return (await between.client.post(path, content=body, headers=headers)).status_code

    async def test_forged_and_old_ones_are_refused(self, between: Between) -> None:
        body = b'{"type": "test", "data": {}}'
        assert await self.sends(between, body) == 200
        assert await self.sends(between, body, secret=new_secret()) == 401
        assert await self.sends(between, body, at_s=time.time() - 301) == 401
        bare = await between.client.post("http://adapter.test/webhooks", content=body)
        assert bare.status_code == 401

    async def test_one_that_comes_again_is_passed_over(self, between: Between) -> None:
        await between.asks("POST", "/orders", ORDER)
        (incident,) = await between.incidents()
        told = {"id": incident["id"], "number": "1", "step": "accept", "at_us": 1, "words": ""}
        body = httpx.Request("POST", "http://x", json={"type": "incident.accept", "data": told})
        for _ in range(3):
            assert await self.sends(between, body.content, id="msg_again") == 200
        assert [one["status"] for one in between.hotline.heard] == ["accepted"]

    @given(body=st.binary(max_size=200) | st.sampled_from([
        b"[]", b"null", b'{"type": 1}', b'{"type": "incident.close", "data": {}}',
        b'{"type": "incident.close", "data": {"id": {}}}',
    ]))  # fmt: skip
    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_malformed_ones_are_refused_though_signed(self, tmp_path: Path, body: bytes) -> None:
        async def send() -> None:
            secret = new_secret()
            wanted = HotlineAdapterSettings(webhook_secret=SecretStr(secret))
            memory = Memory(tmp_path / "malformed.sqlite3")
            async with aiohttp.ClientSession() as session:
                adapter = Adapter(wanted, GatewayClient(wanted, session), session, memory)
                app = hotline_application(wanted, adapter, memory)
                headers = signed_headers([secret], new_id("msg"), int(time.time()), body)
                async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
                    answer = await client.post(
                        "http://adapter.test/webhooks", content=body, headers=headers
                    )
            memory.close()
            assert answer.status_code == 422, body

        asyncio.run(send())


def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = tmp_path / "hotline-adapter.toml"
    command = [str(Path(sys.executable).parent / "gridsight"), "hotline-adapter"]
    command += ["--config", str(file), "--data", str(tmp_path / "data")]
    file.write_text(f'[hotline_adapter]\nport = {port}\nupstream = "http://127.0.0.1:1"\n')
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "hotline_adapter.token" in refused.stderr
    file.write_text(
        file.read_text() + 'token = "gst_x"\nwebhook_secret = "whsec_eA=="\n'
        f'hotline_url = "http://127.0.0.1:1/api"\nhotline_id = "{APP_ID}"\n'
        f'hotline_secret = "{SECRET}"\n'
    )
    process = subprocess.Popen(command, env={**os.environ}, stderr=subprocess.DEVNULL)
    try:
        request = Hotline().signed("POST", "/orders", ORDER)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            for _ in range(200):
                try:
                    answer = client.post(
                        "/orders", content=request.content, headers=request.headers
                    )
                    break
                except httpx.TransportError:
                    assert process.poll() is None
                    time.sleep(0.1)
            # The gateway is not there; the order is not lost, since the hotline sends it again.
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"address": "0.0.0.0"}, "certificate and key"),
        ({"upstream": "http://10.1.2.3:8080"}, "https:// to another machine"),
        ({"hotline_url": "http://12345.example.gov.cn/api"}, "https:// to another machine"),
    ],
)
def test_settings_that_would_tell_secrets_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HotlineAdapterSettings(**wrong)
