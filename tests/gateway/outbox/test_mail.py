"""What is told by e-mail arrives at a real server: encrypted, signed in, to all it is for."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from hypothesis import given
from hypothesis import strategies as st

from gateway.outbox.accounts import MailAccount, bad_mail_address
from gateway.outbox.addresses import AddressGuard
from gateway.outbox.mail import deliver_mail
from gateway.outbox.mail_wording import mail_of
from gateway.outbox.message import Message, Outcome
from gateway.secrets import seal
from gateway.transport.local_authority import LocalAuthority
from tests.gateway.outbox.conftest import Outbox

INSIDE = AddressGuard(["127.0.0.0/8", "::1/128"])
PASSWORD = "correct horse"
ACCOUNT = MailAccount("gridsight", "video@county.test", ("a@county.test", "b@county.test"))
MESSAGE = Message(
    "msg_1", "alarm.notice", {"rule": "夜班", "subject": "村口", "step": 0}, 1_800_000_000_000_000
)


# It is encrypted before the server's first word.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@dataclass
class MailServer:
    """Takes mail by STARTTLS at one port and encrypted from the first byte at another; says no to
    ``refused``, and ``statuses`` to mail in their order before it takes any.
    """

    starttls_port: int = 0
    tls_port: int = 0
    plain_port: int = 0
    refused: set[str] = field(default_factory=set)
    statuses: list[str] = field(default_factory=list)
    taken: list[tuple[list[str], EmailMessage]] = field(default_factory=list)

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        if self.statuses:
            return self.statuses.pop(0)
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.taken.append((list(envelope.rcpt_tos), mail))
        return "250 OK"


def knows(_: Any, __: Any, ___: Any, ____: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    good = data == LoginPassword(b"gridsight", PASSWORD.encode())
    # Whoever is not known is told so by the server.
    return AuthResult(success=good, handled=good)


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MailServer]:
    authority = LocalAuthority(tmp_path / "authority", "mail.test")
    issued = authority.issue(["localhost"], datetime.datetime.now(datetime.UTC))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority/authority.crt"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    made = MailServer()
    loop = asyncio.get_running_loop()

    def smtp(**more: Any) -> SMTP:
        return SMTP(made, authenticator=knows, auth_required=True, loop=loop, **more)

    listening = [
        await loop.create_server(one, "127.0.0.1", 0, ssl=encrypted)
        for one, encrypted in (
            (lambda: smtp(tls_context=context, require_starttls=True), None),
            (lambda: smtp(auth_require_tls=False), context),
            # One that knows nothing of encryption.
            (lambda: smtp(auth_require_tls=False), None),
        )
    ]
    ports = [one.sockets[0].getsockname()[1] for one in listening]
    made.starttls_port, made.tls_port, made.plain_port = ports
    yield made
    for one in listening:
        one.close()


async def send(address: str, account: MailAccount = ACCOUNT, password: str = PASSWORD) -> Outcome:
    return await deliver_mail(INSIDE, address, account, password, MESSAGE, 10)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_it_arrives_encrypted_for_all_it_is_for(server: MailServer, scheme: str) -> None:
    port = server.starttls_port if scheme == "smtp" else server.tls_port
    outcome = await send(f"{scheme}://localhost:{port}")
    assert outcome.error is None
    ((recipients, mail),) = server.taken
    assert recipients == ["a@county.test", "b@county.test"]
    assert mail["Subject"] == "[视频网关] 报警 夜班 村口"
    assert mail["From"] == "视频网关 <video@county.test>"
    assert mail["Message-ID"] == "<msg_1@county.test>"
    text = mail.get_content()
    assert "时间：2027-01-15 16:00:00（北京时间）" in text
    assert '"id": "msg_1"' in text


async def test_without_encryption_nothing_is_said_at_all(server: MailServer) -> None:
    outcome = await send(f"smtp://localhost:{server.plain_port}")
    assert outcome.error is not None
    assert "STARTTLS" in outcome.error
    assert server.taken == []


async def test_a_certificate_of_another_name_opens_nothing(server: MailServer) -> None:
    for address in (
        f"smtps://127.0.0.1:{server.tls_port}",
        f"smtp://127.0.0.1:{server.starttls_port}",
    ):
        outcome = await send(address)
        assert outcome.error is not None
        assert "certificate" in outcome.error.lower(), outcome
    assert server.taken == []


async def test_a_wrong_password_is_said_and_is_not_told(server: MailServer) -> None:
    outcome = await send(f"smtps://localhost:{server.tls_port}", password="battery")
    assert outcome.status == 535
    assert "battery" not in str(outcome.error)


async def test_some_refused_is_delivered_and_all_refused_is_not(server: MailServer) -> None:
    address = f"smtps://localhost:{server.tls_port}"
    server.refused = {"a@county.test"}
    assert (await send(address)).error is None
    assert server.taken[0][0] == ["b@county.test"]
    server.refused.add("b@county.test")
    outcome = await send(address)
    assert outcome.status == 550
    assert outcome.error == "a@county.test: 550 no such person"


async def test_behind_mail_that_is_put_off_everything_waits_its_turn(
    outbox: Outbox, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox.sender, "_guard", INSIDE)
    channel_id = await outbox.channel(
        f"smtps://localhost:{server.tls_port}", kind="email", options=ACCOUNT.options()
    )
    sealed = seal(outbox.secret, PASSWORD, f"outbox:{channel_id}")
    await outbox.rows.write(
        "outbox_channels.change", channel_id=channel_id, columns={"secret_sealed": sealed}
    )
    server.statuses = ["451 later"]
    await outbox.tell(1, 2)
    assert not await outbox.sender.send_next(channel_id)
    known = outbox.the_channel(channel_id)
    assert (known["failures"], known["error"]) == (1, "451 later")
    assert outbox.deliveries()[0]["status"] == 451
    await outbox.at_once(channel_id)
    while await outbox.sender.send_next(channel_id):
        pass
    assert outbox.states() == ["delivered"] * 2
    ids = [mail["Message-ID"] for _, mail in server.taken]
    assert ids == [f"<{one['id']}@county.test>" for one in outbox.deliveries()]


@pytest.mark.parametrize("address", ["smtps://127.0.0.1", "smtp://localhost:25", "http://h"])
async def test_nothing_goes_where_nothing_may_go(address: str) -> None:
    outcome = await deliver_mail(AddressGuard(), address, ACCOUNT, PASSWORD, MESSAGE, 5)
    assert outcome.error is not None
    assert "allowed_networks" in outcome.error or "write an address" in outcome.error


@given(st.text(max_size=300), st.text(max_size=60))
def test_no_words_become_a_header(title: str, kind: str) -> None:
    mail = mail_of(ACCOUNT, Message("msg_1", kind, {"title": title, "words": title}, 0))
    read = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert sorted(read.keys()) == sorted(mail.keys())
    assert read["To"] == "a@county.test, b@county.test"


def test_what_is_no_mail_address_is_named() -> None:
    good = ["a@b.cn", "a.b+c@d-e.gov.cn"]
    assert bad_mail_address(good) is None
    for bad in ("a", "a@b\nBcc: c@d", "a b@c.d", "<a@b.c>", "a@b,c@d", "村@b.c"):
        assert bad_mail_address([*good, bad]) == bad
