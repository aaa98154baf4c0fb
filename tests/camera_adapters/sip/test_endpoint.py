"""Two endpoints on loopback, over UDP and TCP: requests, invitations, subscriptions."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from camera_adapters.http_digest import DigestServer
from camera_adapters.sip.digest import verify
from camera_adapters.sip.endpoint import (
    Credentials,
    IncomingRequest,
    SipEndpoint,
    SipRefused,
    SipSession,
    SipTimeout,
    SipUnreachable,
)
from camera_adapters.sip.fields import parse_uri
from camera_adapters.sip.peer import Peer, Transport

HERE = "127.0.0.1"
PLATFORM = parse_uri("sip:34020000002000000001@3402000000")
DEVICE = parse_uri("sip:34020000001320000001@3402000000")
URI = str(DEVICE)


@contextlib.asynccontextmanager
async def listening(
    on_request: Callable[[IncomingRequest], None] = lambda incoming: incoming.respond(200),
) -> AsyncIterator[SipEndpoint]:
    endpoint = SipEndpoint(on_request)
    await endpoint.open(HERE, 0)
    try:
        yield endpoint
    finally:
        await endpoint.close()


def at(endpoint: SipEndpoint, transport: Transport = "udp") -> Peer:
    return Peer(HERE, endpoint.port, transport)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_request_is_answered(transport: Transport) -> None:
    came: list[IncomingRequest] = []

    def answer(incoming: IncomingRequest) -> None:
        came.append(incoming)
        incoming.respond(200, headers=[("Date", "2026-11-22T15:00:00")], body=b"<a/>")

    async with listening(answer) as device, listening() as platform:
        response = await platform.request(
            "MESSAGE",
            URI,
            at(device, transport),
            local=PLATFORM,
            body="<名/>".encode("gb18030"),
            content_type="Application/MANSCDP+xml",
        )
    assert (response.status, response.body) == (200, b"<a/>")
    assert response.headers.get("date") == "2026-11-22T15:00:00"
    (incoming,) = came
    assert incoming.request.body == "<名/>".encode("gb18030")
    assert incoming.request.headers.get("c") == "Application/MANSCDP+xml"
    assert incoming.peer.transport == transport
    assert incoming.session is None


async def test_challenge_is_answered_once() -> None:
    guard = DigestServer("3402000000", b"key")
    verdicts: list[str] = []

    def registrar(incoming: IncomingRequest) -> None:
        proof = verify(guard, incoming.request, lambda username: "secret", 1000.0)
        verdicts.append(proof.verdict)
        if proof.accepted:
            incoming.respond(200)
        else:
            challenges = [("WWW-Authenticate", value) for value in guard.challenges(1000.0)]
            incoming.respond(401, headers=challenges)

    async def register(password: str) -> int:
        response = await device.request(
            "REGISTER",
            str(PLATFORM),
            at(platform),
            local=DEVICE,
            remote=DEVICE,
            credentials=Credentials("34020000001320000001", password),
        )
        return response.status

    async with listening(registrar) as platform, listening() as device:
        assert await register("secret") == 200
        assert await register("wrong") == 401
    assert verdicts == ["missing", "accepted", "missing", "wrong"]


async def test_nobody_answers_within_the_callers_time() -> None:
    async with listening(lambda incoming: None) as deaf, listening() as platform:
        with pytest.raises(SipTimeout):
            await platform.request("MESSAGE", URI, at(deaf), local=PLATFORM, timeout_s=0.05)
        assert platform.figures()["transactions"] == 0


async def test_refused_connection_is_unreachable_at_once() -> None:
    async with listening() as platform:
        with pytest.raises(SipUnreachable):
            await platform.request("MESSAGE", URI, Peer(HERE, free_port(), "tcp"), local=PLATFORM)


async def accepted_by(
    platform: SipEndpoint, device: SipEndpoint, transport: Transport = "udp"
) -> SipSession:
    return await platform.invite(URI, at(device, transport), local=PLATFORM, body=b"v=0 offer")


class Device:
    """Accepts every INVITE and SUBSCRIBE, and keeps their sessions."""

    def __init__(self) -> None:
        self.sessions: asyncio.Queue[SipSession] = asyncio.Queue()

    def __call__(self, incoming: IncomingRequest) -> None:
        session = incoming.accept(body=b"v=0 answer", content_type="Application/SDP")
        assert session is not None
        self.sessions.put_nowait(session)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_invitation_info_and_bye(transport: Transport) -> None:
    device_side = Device()
    async with listening(device_side) as device, listening() as platform:
        ours = await accepted_by(platform, device, transport)
        theirs = await device_side.sessions.get()
        assert (ours.remote_body, theirs.remote_body) == (b"v=0 answer", b"v=0 offer")

        told: list[bytes] = []

        def on_info(incoming: IncomingRequest) -> None:
            told.append(incoming.request.body)
            incoming.respond(200)

        theirs.on_request = on_info
        response = await ours.request("INFO", body=b"PAUSE", content_type="Application/MANSRTSP")
        assert (response.status, told) == (200, [b"PAUSE"])

        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        theirs.on_end = ended.set_result
        await ours.end()
        assert await ended == "bye"
        assert ours.ended == "local"
        assert platform.figures()["sessions"] == device.figures()["sessions"] == 0


async def test_bye_of_the_device_ends_our_session() -> None:
    device_side = Device()
    async with listening(device_side) as device, listening() as platform:
        ours = await accepted_by(platform, device)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        ours.on_end = ended.set_result
        await (await device_side.sessions.get()).end()
        assert await ended == "bye"


@pytest.mark.parametrize(
    ("what", "status"), [("their tag", b"481"), ("our tag", b"481"), ("nothing", b"403")]
)
async def test_forged_bye_ends_nothing(what: str, status: bytes) -> None:
    """Somebody who saw the Call-ID, or even both tags, but is not at the device's address."""
    device_side = Device()
    async with listening(device_side) as device, listening() as platform:
        ours = await accepted_by(platform, device)
        ours_tag = "x" if what == "our tag" else ours.local_tag
        their_tag = "x" if what == "their tag" else ours.remote_tag
        bye = (
            f"BYE sip:x@{HERE} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2;rport;branch=z9hG4bK1\r\n"
            f"From: <{URI}>;tag={their_tag}\r\nTo: <{PLATFORM}>;tag={ours_tag}\r\n"
            f"Call-ID: {ours.call_id}\r\nCSeq: 99 BYE\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.2", 0))
            stranger.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendto(stranger, bye.encode(), (HERE, platform.port))
            answer = await loop.sock_recv(stranger, 2000)
        assert answer.split()[1] == status
        assert ours.ended is None
        assert platform.figures()["forged"] == 1


async def test_reinvitation_is_refused_and_changes_nothing() -> None:
    device_side = Device()
    async with listening(device_side) as device, listening() as platform:
        ours = await accepted_by(platform, device)
        theirs = await device_side.sessions.get()
        assert (await theirs.request("INVITE", body=b"v=0 other")).status == 488
        assert ours.ended is None


async def test_refused_invitation() -> None:
    async with listening(lambda incoming: incoming.respond(486)) as device, listening() as ours:
        with pytest.raises(SipRefused) as refused:
            await ours.invite(URI, at(device), local=PLATFORM)
        assert refused.value.response.status == 486


async def test_invitation_given_up_is_cancelled() -> None:
    cancelled = asyncio.Event()

    def ring(incoming: IncomingRequest) -> None:
        incoming.on_cancel(cancelled.set)

    async with listening(ring) as device, listening() as platform:
        with pytest.raises(SipTimeout):
            await platform.invite(URI, at(device), local=PLATFORM, timeout_s=0.05)
        await cancelled.wait()


async def test_late_200_to_a_cancelled_invitation_gets_a_bye() -> None:
    """The device's 200 and our CANCEL cross: RFC 3261 §9.1, §15."""
    waiting: asyncio.Queue[IncomingRequest] = asyncio.Queue()
    async with listening(waiting.put_nowait) as device, listening() as platform:
        # The CANCEL of whoever gives up before any provisional answer waits for one.
        invitation = asyncio.create_task(platform.invite(URI, at(device), local=PLATFORM))
        incoming = await waiting.get()
        session = incoming.accept()
        assert session is not None
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        session.on_end = ended.set_result
        invitation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await invitation
        assert await ended == "bye"
        assert platform.figures()["sessions"] == 0


async def test_subscription_notifies_refreshes_and_ends() -> None:
    asked: asyncio.Queue[IncomingRequest] = asyncio.Queue()
    device_side = Device()
    async with listening(device_side) as device, listening() as platform:
        ours = await platform.subscribe(
            URI, at(device), local=PLATFORM, event="Catalog", expires_s=600, body=b"<Query/>"
        )
        ours.on_request = asked.put_nowait
        theirs = await device_side.sessions.get()
        notification = asyncio.create_task(
            theirs.request("NOTIFY", headers=[("Event", "Catalog")], body=b"<Notify/>")
        )
        incoming = await asked.get()
        assert (incoming.request.method, incoming.request.body) == ("NOTIFY", b"<Notify/>")
        assert incoming.session is ours
        incoming.respond(200)
        assert (await notification).status == 200

        refreshes: asyncio.Queue[IncomingRequest] = asyncio.Queue()
        theirs.on_request = refreshes.put_nowait
        refresh = asyncio.create_task(ours.request("SUBSCRIBE", headers=[("Expires", "600")]))
        (incoming := await refreshes.get()).respond(200)
        assert incoming.request.headers.get("expires") == "600"
        assert (await refresh).status == 200

        ending = asyncio.create_task(ours.end())
        incoming = await refreshes.get()
        assert incoming.request.headers.get("expires") == "0"
        assert incoming.request.headers.get("event") == "Catalog"
        incoming.respond(200)
        await ending


async def test_session_goes_on_in_another_process() -> None:
    """Signalling restarted: the journal is all that is left, the device has noticed nothing."""
    device_side = Device()
    async with listening(device_side) as device:
        async with listening() as before:
            journal = (await accepted_by(before, device)).to_journal()
        theirs = await device_side.sessions.get()
        async with listening() as after:
            resumed = after.resume(journal)
            theirs.on_request = lambda incoming: incoming.respond(200)
            assert (await resumed.request("INFO", body=b"PLAY")).status == 200
            theirs.peer = at(after)
            ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            theirs.on_end = ended.set_result
            await resumed.end()
            assert await ended == "bye"


async def test_unknown_dialog_makes_a_session_lost() -> None:
    device_side = Device()
    async with listening(device_side) as device, listening() as platform:
        ours = await accepted_by(platform, device)
        journal = ours.to_journal()
        await (await device_side.sessions.get()).end()
        resumed = platform.resume(journal)
        assert (await resumed.request("INFO")).status == 481
        assert resumed.ended == "lost"


async def test_handler_that_fails_harms_no_other_request() -> None:
    def fail_first(incoming: IncomingRequest) -> None:
        if incoming.request.body == b"bad":
            raise RuntimeError("cannot take this")
        incoming.respond(200)

    async with listening(fail_first) as device, listening() as platform:
        with pytest.raises(SipTimeout):
            await platform.request(
                "MESSAGE", URI, at(device), local=PLATFORM, body=b"bad", timeout_s=0.05
            )
        response = await platform.request("MESSAGE", URI, at(device), local=PLATFORM, body=b"good")
        assert response.status == 200


async def test_flood_of_one_stranger_leaves_the_others_their_answers() -> None:
    async with listening() as platform, listening() as device:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect((HERE, platform.port))
            for number in range(1000):
                stranger.send(
                    f"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP x;rport;branch={number}\r\n"
                    f"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {number}\r\n"
                    "CSeq: 1 OPTIONS\r\n\r\n".encode()
                )
            response = await device.request("MESSAGE", str(PLATFORM), at(platform), local=DEVICE)
        assert response.status == 200
        figures = platform.figures()
        assert figures["flooded"] >= 800
        assert figures["transactions"] <= 250
