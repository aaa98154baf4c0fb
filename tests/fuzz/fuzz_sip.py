"""SIP: datagrams, a stream, and a user agent in the midst of registrations and dialogs."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from camera_adapters.gb28181.registrar import Account, Registrar
from camera_adapters.sip.core import Asked, SipCore
from camera_adapters.sip.fields import SipUri
from camera_adapters.sip.messages import (
    Headers,
    MessageError,
    SipRequest,
    StreamParser,
    parse_datagram,
)
from camera_adapters.sip.peer import Peer

_HEAD = (
    b"Via: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK1\r\n"
    b"From: <sip:34020000001320000001@3402000000>;tag=1\r\n"
    b"To: <sip:34020000001320000001@3402000000>\r\nCall-ID: 7\r\n"
)
SEEDS = [
    b"REGISTER sip:a@b SIP/2.0\r\n" + _HEAD + b"CSeq: 1 REGISTER\r\nExpires: 3600\r\n"
    b'Authorization: Digest username="34020000001320000001", realm="r", nonce="x", uri="sip:a", '
    b'response="00000000000000000000000000000000", qop=auth, nc=00000001, cnonce="c"\r\n'
    b"Contact: <sip:a@10.0.0.1>;expires=60\r\nContent-Length: 0\r\n\r\n",
    b"INVITE sip:a@b SIP/2.0\r\n" + _HEAD + b"CSeq: 1 INVITE\r\nContent-Length: 3\r\n\r\nv=0"
    b"CANCEL sip:a@b SIP/2.0\r\n" + _HEAD + b"CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
    b"BYE sip:a@b SIP/2.0\r\nv: SIP/2.0/TCP x\r\nf: a <sip:b@c>;tag=2\r\nt: <sip:d@e>;tag=3\r\n"
    b"i: 9\r\nCSeq: 2 BYE\r\nl: 0\r\n\r\n",
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKours\r\n"
    b"To: <sip:x@y>;tag=4\r\nCSeq: 1 INVITE\r\nContact: <sip:x@10.0.0.1>\r\n"
    b"Content-Length: 0\r\n\r\n",
]
_PEER = Peer("10.0.0.1", 5060)


def target(data: bytes) -> None:
    parser = StreamParser()
    messages = []
    with contextlib.suppress(MessageError):
        for start in range(0, len(data), 53):
            messages += parser.receive(data[start : start + 53])
    with contextlib.suppress(MessageError):
        message = parse_datagram(data)
        if message is not None:
            messages.append(message)
    core = SipCore(lambda peer: "10.0.0.9:5060")
    registrar = Registrar("r", b"key", lambda code: Account("secret"), newcomers_password="n")
    invite = SipRequest(
        "INVITE",
        "sip:x@10.0.0.1",
        Headers(
            [
                ("From", f"<{SipUri('us', 'd')}>;tag=1"),
                ("To", "<sip:x@y>"),
                ("Call-ID", "7"),
                ("CSeq", "1 INVITE"),
            ]
        ),
    )
    core.request(invite, _PEER, 0.0)
    for number, message in enumerate(messages):
        now = float(number)
        core.receive(message, _PEER, now)
        for event in core.events():
            if not isinstance(event, Asked):
                continue
            if event.request.method == "REGISTER":
                answer = registrar.register(event.request, event.peer, now, datetime.now(UTC))
                core.respond(
                    event.transaction,
                    event.request,
                    answer.status,
                    now,
                    headers=Headers(answer.headers),
                )
            elif event.request.method in ("INVITE", "SUBSCRIBE"):
                core.accept(event.transaction, event.request, event.peer, "<sip:a@b>", now)
            else:
                core.respond(event.transaction, event.request, 200, now)
        core.poll(now)
        core.outgoing()
    core.poll(1000.0)
    core.outgoing()
    core.events()
