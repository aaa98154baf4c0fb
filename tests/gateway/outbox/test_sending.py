"""What is told to other systems arrives: in order, signed, each once, whatever they answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.identifiers import now_us
from gateway.outbox.sending import Sender
from gateway.secrets import seal
from gateway.settings.outbox import OutboxSettings
from recorder.rows import RowError
from tests.gateway.outbox.conftest import Outbox, Receiver

GUIDE = Path(__file__).parents[3] / "docs" / "integration.md"


def guides_verify() -> Any:
    """The function that the documentation gives to receivers."""
    (code,) = re.findall(r"```python\n(.*?def verify.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["verify"]


def numbers(receiver: Receiver) -> list[int]:
    return [json.loads(body)["data"]["number"] for _, body in receiver.heard]


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 what is waited for is a row
            await asyncio.sleep(0.02)


async def work_off(outbox: Outbox, channel_id: str) -> None:
    while await outbox.sender.send_next(channel_id):
        pass


async def test_it_arrives_in_order_and_the_guide_verifies_it(
    outbox: Outbox, receiver: Receiver
) -> None:
    channel = await outbox.channel(receiver.url)
    await outbox.tell(1, 2, 3)
    await work_off(outbox, channel)
    assert numbers(receiver) == [1, 2, 3]
    assert outbox.states() == ["delivered"] * 3
    headers, body = receiver.heard[0]
    assert headers["content-type"] == "application/json"
    document = json.loads(body)
    assert document["type"] == "thing.changed"
    assert document["timestamp"].endswith("+00:00")
    verify = guides_verify()
    verify(outbox.secrets[channel], headers, body)
    altered = body.replace(b'"number":1', b'"number":9')
    stale = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 3600)}
    another = {**headers, "webhook-id": "msg_other"}
    for bad in ((headers, altered), (stale, body), (another, body), ({}, body)):
        with pytest.raises(ValueError):
            verify(outbox.secrets[channel], *bad)


async def test_what_is_told_twice_is_there_once(outbox: Outbox, receiver: Receiver) -> None:
    await outbox.channel(receiver.url)
    await outbox.tell(1, 1, 2, 1)
    assert [one["once_key"] for one in outbox.deliveries()] == ["thing:1", "thing:2"]


async def test_what_fails_tells_nobody(outbox: Outbox, receiver: Receiver) -> None:
    await outbox.channel(receiver.url)
    with pytest.raises(ValueError):
        await outbox.rows.write("test.something_changes", number=1, fails=True)
    assert outbox.deliveries() == []


async def test_only_who_asked_is_told(outbox: Outbox, receiver: Receiver) -> None:
    await outbox.channel(receiver.url, "incidents alone", topics=["incidents"])
    await outbox.channel(receiver.url, "off", enabled=False)
    wanted = await outbox.channel(receiver.url, "wanted")
    await outbox.tell(1)
    assert [one["channel_id"] for one in outbox.deliveries()] == [wanted]


async def test_behind_a_failure_everything_waits_and_nothing_overtakes(
    outbox: Outbox, receiver: Receiver
) -> None:
    channel = await outbox.channel(receiver.url)
    receiver.statuses = [204, 500]
    await outbox.tell(1, 2, 3)
    await work_off(outbox, channel)
    assert outbox.states() == ["delivered", "waiting", "waiting"]
    known = outbox.the_channel(channel)
    assert (known["failures"], known["error"]) == (1, "it answers 500")
    assert known["next_try_us"] > now_us()
    # Not before its time.
    assert not await outbox.sender.send_next(channel)
    await outbox.at_once(channel)
    await work_off(outbox, channel)
    assert numbers(receiver) == [1, 2, 2, 3]
    ids = [headers["webhook-id"] for headers, _ in receiver.heard]
    assert ids[1] == ids[2]
    assert outbox.the_channel(channel)["failures"] == 0


async def test_it_waits_longer_each_time_and_an_hour_at_most(outbox: Outbox) -> None:
    channel = await outbox.channel("http://127.0.0.1:9/")
    await outbox.tell(1)
    (delivery,) = outbox.deliveries()
    waits_s = []
    for _ in range(14):
        at_us = now_us()
        await outbox.rows.write(
            "outbox.failed", delivery_id=delivery["id"], status=None, error="away", gone=False,
            give_up_us=10**12, jitter=0.5,
        )  # fmt: skip
        waits_s.append(round((outbox.the_channel(channel)["next_try_us"] - at_us) / 1e6))
    assert waits_s[:5] == [5, 10, 20, 40, 80]
    assert waits_s[-1] == 3600
    assert waits_s == sorted(waits_s)


async def test_who_is_given_up_may_be_sent_again(outbox: Outbox, receiver: Receiver) -> None:
    channel = await outbox.channel(receiver.url)
    await outbox.tell(1, 2)
    (first, _) = outbox.deliveries()
    for give_up_us in (-1, -1):
        await outbox.rows.write(
            "outbox.failed", delivery_id=first["id"], status=500, error="it answers 500",
            gone=False, give_up_us=give_up_us, jitter=0.0,
        )  # fmt: skip
    assert outbox.states() == ["dead", "waiting"]
    await outbox.at_once(channel)
    await work_off(outbox, channel)
    assert numbers(receiver) == [2]
    assert await outbox.rows.write("outbox.resend", delivery_ids=[first["id"]]) == 1
    await work_off(outbox, channel)
    assert numbers(receiver) == [2, 1]
    assert outbox.states() == ["delivered", "delivered"]
    with pytest.raises(RowError, match="given up"):
        await outbox.rows.write("outbox.resend", delivery_ids=[first["id"]])


async def test_who_says_gone_is_switched_off(outbox: Outbox, receiver: Receiver) -> None:
    channel = await outbox.channel(receiver.url)
    receiver.statuses = [410]
    await outbox.tell(1)
    await work_off(outbox, channel)
    assert not outbox.the_channel(channel)["enabled"]
    assert outbox.states() == ["waiting"]
    await outbox.rows.write("outbox_channels.change", channel_id=channel, columns={"enabled": True})
    await work_off(outbox, channel)
    assert outbox.states() == ["delivered"]


async def test_a_redirect_is_not_followed(outbox: Outbox, receiver: Receiver) -> None:
    channel = await outbox.channel(receiver.url)
    receiver.statuses = [302]
    await outbox.tell(1)
    await work_off(outbox, channel)
    assert len(receiver.heard) == 1
    assert "points elsewhere" in outbox.the_channel(channel)["error"]


async def test_nothing_is_sent_inside_without_leave(outbox: Outbox, receiver: Receiver) -> None:
    """Not even where the address was fine when it was typed, or is a name."""
    sender = outbox.sender
    strict = Sender(OutboxSettings(), outbox.secret, sender._reader, outbox.rows)
    for name, host in (("literal", "127.0.0.1"), ("name", "localhost")):
        channel = await outbox.channel(f"https://{host}:{receiver.port}/", name)
        await outbox.tell(len(name))
        assert not await strict.send_next(channel)
        assert "allowed_networks" in outbox.the_channel(channel)["error"]
    assert receiver.heard == []


async def test_no_answer_in_time_is_a_failure(outbox: Outbox, receiver: Receiver) -> None:
    receiver.holds = asyncio.Event()
    channel = await outbox.channel(receiver.url)
    settings = OutboxSettings(allowed_networks=["127.0.0.0/8"], timeout_s=0.2)
    hasty = Sender(settings, outbox.secret, outbox.sender._reader, outbox.rows)
    await outbox.tell(1)
    assert not await hasty.send_next(channel)
    assert outbox.the_channel(channel)["error"] == "no answer within 0.2 s"
    assert outbox.states() == ["waiting"]


async def test_a_receiver_that_stands_keeps_no_other_waiting(
    outbox: Outbox, receiver: Receiver
) -> None:
    receiver.holds = asyncio.Event()
    await outbox.channel(receiver.url, "stands")
    away = await outbox.channel("http://127.0.0.1:1/", "away")
    await outbox.tell(1)
    running = asyncio.create_task(outbox.sender.run())
    await wait_until(lambda: bool(receiver.heard) and outbox.the_channel(away)["failures"] > 0)
    receiver.holds.set()
    await wait_until(lambda: "delivered" in outbox.states())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_dies_between_sending_and_noting_sends_again_under_the_same_id(
    outbox: Outbox, receiver: Receiver
) -> None:
    channel = await outbox.channel(receiver.url)
    await outbox.tell(1, 2)

    class Dies:
        async def write(self, operation: str, /, **_: Any) -> Any:
            raise ConnectionError(f"dead before {operation}")

    dying = Sender(
        OutboxSettings(allowed_networks=["127.0.0.0/8"]), outbox.secret, outbox.sender._reader,
        Dies(),
    )  # fmt: skip
    with pytest.raises(ConnectionError):
        await dying.send_next(channel)
    await work_off(outbox, channel)
    assert numbers(receiver) == [1, 1, 2]
    assert receiver.heard[0][0]["webhook-id"] == receiver.heard[1][0]["webhook-id"]


async def test_for_a_day_both_secrets_prove_it(outbox: Outbox, receiver: Receiver) -> None:
    channel = await outbox.channel(receiver.url)
    old = outbox.secrets[channel]
    new = "whsec_" + "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
    for until_us, both in ((now_us() + 10**9, True), (now_us() - 1, False)):
        await outbox.rows.write(
            "outbox_channels.rotate",
            channel_id=channel,
            secret_sealed=seal(outbox.secret, new, f"outbox:{channel}"),
            old_until_us=until_us,
        )
        await outbox.tell(1 if both else 2)
        await work_off(outbox, channel)
        headers, body = receiver.heard[-1]
        verify = guides_verify()
        verify(new, headers, body)
        if both:
            verify(old, headers, body)
        else:
            with pytest.raises(ValueError):
                verify(old, headers, body)


async def test_a_channel_that_is_removed_is_told_no_more(
    outbox: Outbox, receiver: Receiver
) -> None:
    channel = await outbox.channel(receiver.url)
    await outbox.tell(1)
    await outbox.rows.write("outbox_channels.remove", channel_id=channel)
    await outbox.tell(2)
    await work_off(outbox, channel)
    assert receiver.heard == []
    assert outbox.states() == ["dead"]


async def test_what_is_over_is_forgotten_and_what_waits_is_not(
    outbox: Outbox, receiver: Receiver
) -> None:
    channel = await outbox.channel(receiver.url)
    await outbox.tell(1)
    await work_off(outbox, channel)
    await outbox.tell(2)
    assert await outbox.rows.write("outbox.forget", before_us=now_us() + 1) == 1
    assert outbox.states() == ["waiting"]


async def test_what_nobody_would_take_is_refused(outbox: Outbox) -> None:
    with outbox.engine.connect() as connection, pytest.raises(RowError, match="bytes at most"):
        from gateway.outbox import put

        put(connection, "big", {"text": "井" * 100_000}, "big", topic="alarms")
