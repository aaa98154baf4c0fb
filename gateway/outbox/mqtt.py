"""One message by MQTT 3.1.1 at quality 1: delivered when the broker says that it has it."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiomqtt

from gateway.outbox.accounts import MqttAccount
from gateway.outbox.addresses import MQTT, AddressGuard, AddressRefused, Endpoint, reachable
from gateway.outbox.message import Message, Outcome


class _NamedContext(ssl.SSLContext):
    """Asks for the certificate of a name while the connection goes to an address that was judged:
    the client knows only one of both.
    """

    server_name = ""

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        """As its parent's, of the name."""
        return super().wrap_socket(*arguments, **{**named, "server_hostname": self.server_name})


async def deliver_mqtt(
    guard: AddressGuard,
    address: str,
    account: MqttAccount,
    password: str,
    message: Message,
    timeout_s: float,
) -> Outcome:
    """Publish it once, below the account's topic; every failure is an outcome."""
    try:
        async with asyncio.timeout(timeout_s):
            endpoint = await reachable(guard, address, MQTT)
            await _publish(endpoint, account, password, message, timeout_s)
        return Outcome(None, None)
    except AddressRefused as error:
        return Outcome(None, str(error)[:300])
    except TimeoutError:
        return Outcome(None, f"no answer within {timeout_s:g} s")
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        return Outcome(None, (str(error) or type(error).__name__)[:300])


async def _publish(
    endpoint: Endpoint, account: MqttAccount, password: str, message: Message, timeout_s: float
) -> None:
    context = None
    if endpoint.scheme == "mqtts":
        context = await asyncio.to_thread(_context, endpoint.host)
    failure = aiomqtt.MqttError(f"{endpoint.host} has no address")
    for address in endpoint.addresses:
        client = aiomqtt.Client(
            address,
            endpoint.port,
            username=account.username,
            password=password if account.username is not None else None,
            tls_context=context,
            timeout=timeout_s,
        )
        try:
            async with client:
                topic = f"{account.topic}/{message.kind}"
                await client.publish(topic, message.content_with_id(), qos=1)
                return
        except aiomqtt.MqttError as error:
            failure = error
    raise failure


def _context(host: str) -> ssl.SSLContext:
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = host
    context.load_default_certs()
    return context
