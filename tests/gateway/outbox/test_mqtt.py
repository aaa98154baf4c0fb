"""What is told by MQTT arrives at a real broker: encrypted, in order, in the account's name."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from gateway.outbox.accounts import MqttAccount, is_topic
from gateway.outbox.addresses import AddressGuard
from gateway.outbox.message import Message
from gateway.outbox.mqtt import deliver_mqtt
from gateway.secrets import seal
from tests.gateway.outbox.conftest import Outbox
from tests.peers.ffmpeg_sender import free_port
from tests.peers.mosquitto import PASSWORD, USERNAME, Broker, running_broker

INSIDE = AddressGuard(["127.0.0.0/8", "::1/128"])
MESSAGE = Message("msg_1", "alarm.notice", {"rule": "夜班"}, 1_800_000_000_000_000)
ACCOUNT = MqttAccount(USERNAME, "county/alarms")


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    with running_broker(tmp_path / "broker", free_port(), free_port()) as made:
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        yield made


def subscriber(broker: Broker) -> aiomqtt.Client:
    context = ssl.create_default_context(cafile=broker.authority)
    return aiomqtt.Client(
        "localhost", broker.tls_port, username=USERNAME, password=PASSWORD, tls_context=context
    )


async def heard(client: aiomqtt.Client, count: int) -> list[tuple[str, dict[str, Any], int]]:
    found: list[tuple[str, dict[str, Any], int]] = []
    async with asyncio.timeout(20):
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            found.append((str(message.topic), json.loads(message.payload), message.qos))
            if len(found) == count:
                break
    return found


async def channel(outbox: Outbox, broker: Broker, password: str = PASSWORD) -> str:
    channel_id: str = await outbox.channel(
        f"mqtt://127.0.0.1:{broker.plain_port}", kind="mqtt", options=ACCOUNT.options()
    )
    sealed = seal(outbox.secret, password, f"outbox:{channel_id}")
    await outbox.rows.write(
        "outbox_channels.change", channel_id=channel_id, columns={"secret_sealed": sealed}
    )
    return channel_id


async def test_it_arrives_encrypted_below_its_topic(broker: Broker) -> None:
    async with subscriber(broker) as client:
        await client.subscribe("county/alarms/#", qos=1)
        address = f"mqtts://localhost:{broker.tls_port}"
        outcome = await deliver_mqtt(INSIDE, address, ACCOUNT, PASSWORD, MESSAGE, 10)
        assert outcome.error is None
        ((topic, document, quality),) = await heard(client, 1)
    assert (topic, quality) == ("county/alarms/alarm.notice", 1)
    assert (document["id"], document["type"]) == ("msg_1", "alarm.notice")
    assert document["data"] == {"rule": "夜班"}


async def test_they_arrive_in_order_and_each_once(outbox: Outbox, broker: Broker) -> None:
    channel_id = await channel(outbox, broker)
    async with subscriber(broker) as client:
        await client.subscribe("county/alarms/#", qos=1)
        await outbox.tell(1, 2, 3)
        while await outbox.sender.send_next(channel_id):
            pass
        told = await heard(client, 3)
    assert [document["data"]["number"] for _, document, _ in told] == [1, 2, 3]
    assert outbox.states() == ["delivered"] * 3


async def test_a_wrong_password_is_said_and_tried_again(outbox: Outbox, broker: Broker) -> None:
    channel_id = await channel(outbox, broker, "wrong")
    await outbox.tell(1)
    assert not await outbox.sender.send_next(channel_id)
    known = outbox.the_channel(channel_id)
    assert known["failures"] == 1
    assert "authori" in known["error"].lower()
    assert "wrong" not in known["error"]
    assert outbox.states() == ["waiting"]


async def test_a_certificate_of_another_name_opens_nothing(broker: Broker) -> None:
    address = f"mqtts://127.0.0.1:{broker.tls_port}"
    outcome = await deliver_mqtt(INSIDE, address, ACCOUNT, PASSWORD, MESSAGE, 10)
    assert outcome.error is not None
    assert "certificate" in outcome.error.lower()


async def test_a_broker_that_is_away_is_an_outcome(broker: Broker) -> None:
    broker.process.terminate()
    broker.process.wait(10)
    address = f"mqtts://localhost:{broker.tls_port}"
    outcome = await deliver_mqtt(INSIDE, address, ACCOUNT, PASSWORD, MESSAGE, 10)
    assert outcome.error


@pytest.mark.parametrize(
    "address", ["mqtts://127.0.0.1:1", "mqtt://localhost", "mqtt://8.8.8.8", "mqtts://h/path"]
)
async def test_nothing_goes_where_nothing_may_go(address: str) -> None:
    outcome = await deliver_mqtt(AddressGuard(), address, ACCOUNT, PASSWORD, MESSAGE, 5)
    assert outcome.error is not None
    assert any(one in outcome.error for one in ("allowed_networks", "behind the host"))


@pytest.mark.parametrize("topic", ["", "a/+", "#", "$SYS/x", "/a", "a/", "a\nb", "中" * 200])
def test_what_is_no_topic_is_not_published_to(topic: str) -> None:
    assert not is_topic(topic)
    assert is_topic("county/报警")
