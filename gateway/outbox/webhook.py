"""One message by HTTP: to an address that was checked, within limits, following nothing."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp

from gateway.outbox.addresses import (
    AddressGuard,
    AddressRefused,
    GuardedResolver,
    check_plain_literal,
)
from gateway.outbox.message import Message, Outcome
from gateway.outbox.signing import signed_headers

_ANSWER_BYTES = 4096
_GONE = 410


async def deliver(
    guard: AddressGuard, url: str, secrets: Sequence[str], message: Message, timeout_s: float
) -> Outcome:
    """Send it once; every failure is an outcome."""
    try:
        guard.check_url(url)
        check_plain_literal(guard, url)
        async with asyncio.timeout(timeout_s):
            return await _post(guard, url, secrets, message)
    except AddressRefused as error:
        return Outcome(None, str(error)[:300])
    except TimeoutError:
        return Outcome(None, f"no answer within {timeout_s:g} s")
    except (aiohttp.ClientError, ssl.SSLError, OSError, UnicodeError, ValueError) as error:
        return Outcome(None, _why(error)[:300])


async def _post(guard: AddressGuard, url: str, secrets: Sequence[str], message: Message) -> Outcome:
    body = message.content()
    headers = {
        "content-type": "application/json",
        "user-agent": "gridsight",
        **signed_headers(secrets, message.id, int(time.time()), body),
    }
    # A connection of its own: none is left open to a receiver that is seldom told of anything.
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(guard, plain=urlsplit(url).scheme == "http"),
        use_dns_cache=False,
        force_close=True,
    )
    async with (
        aiohttp.ClientSession(connector=connector, trust_env=False) as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        # Only that it ends: what it says is nobody's business here, and may be without end.
        await answer.content.read(_ANSWER_BYTES)
        if 200 <= answer.status < 300:
            return Outcome(answer.status, None)
        if 300 <= answer.status < 400:
            return Outcome(answer.status, "it points elsewhere, which is not followed")
        gone = answer.status == _GONE
        return Outcome(answer.status, f"it answers {answer.status}", gone)


def _why(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
