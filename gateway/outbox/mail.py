"""One message by e-mail: encrypted always, to a server whose address was checked."""

from __future__ import annotations

import asyncio
import socket
import ssl

import aiosmtplib
import structlog

from gateway.outbox.accounts import MailAccount
from gateway.outbox.addresses import MAIL, AddressGuard, AddressRefused, Endpoint, reachable
from gateway.outbox.mail_wording import mail_of
from gateway.outbox.message import Message, Outcome

_log = structlog.get_logger(__name__)


async def deliver_mail(
    guard: AddressGuard,
    address: str,
    account: MailAccount,
    password: str,
    message: Message,
    timeout_s: float,
) -> Outcome:
    """Send it once; every failure is an outcome. It has arrived when the server took it for one of
    its recipients: who was refused is logged, since to try again would tell the others twice.
    """
    try:
        async with asyncio.timeout(timeout_s):
            endpoint = await reachable(guard, address, MAIL)
            return await _send(endpoint, account, password, message, timeout_s)
    except AddressRefused as error:
        return Outcome(None, str(error)[:300])
    except TimeoutError:
        return Outcome(None, f"no answer within {timeout_s:g} s")
    except aiosmtplib.SMTPRecipientsRefused as error:
        first = error.recipients[0]
        return Outcome(first.code, f"{first.recipient}: {first.code} {first.message}"[:300])
    except aiosmtplib.SMTPResponseException as error:
        return Outcome(error.code, f"{error.code} {error.message}"[:300])
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return Outcome(None, (str(error) or type(error).__name__)[:300])


async def _send(
    endpoint: Endpoint, account: MailAccount, password: str, message: Message, timeout_s: float
) -> Outcome:
    context = await asyncio.to_thread(ssl.create_default_context)
    client = aiosmtplib.SMTP(
        hostname=endpoint.host,
        sock=await _connected(endpoint),
        use_tls=endpoint.scheme == "smtps",
        # Encrypted, or not at all.
        start_tls=endpoint.scheme == "smtp",
        tls_context=context,
        username=account.username,
        password=password if account.username is not None else None,
        local_hostname=account.sender.rpartition("@")[2],
        timeout=timeout_s,
    )
    async with client:
        refused, said = await client.send_message(
            mail_of(account, message),
            sender=account.sender,
            recipients=list(account.recipients),
        )
    if refused:
        _log.warning("mail was refused for some", id=message.id, refused=sorted(refused), said=said)
    return Outcome(250, None)


async def _connected(endpoint: Endpoint) -> socket.socket:
    """A connection to the first of its addresses that takes one. Raises OSError."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{endpoint.host} has no address")
    for address in endpoint.addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, (address, endpoint.port))
        except OSError as error:
            failure = error
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure
