"""SIP on the event loop that the gateway's processes run on."""

from __future__ import annotations

import uvloop

from camera_adapters.sip.endpoint import IncomingRequest, SipEndpoint
from camera_adapters.sip.fields import parse_uri
from camera_adapters.sip.peer import Peer

HERE = "127.0.0.1"


def test_tcp_is_spoken_on_uvloop_both_ways() -> None:
    def answer(incoming: IncomingRequest) -> None:
        incoming.respond(200)

    async def ask() -> int:
        asked, asking = SipEndpoint(answer), SipEndpoint(answer)
        await asked.open(HERE, 0)
        await asking.open(HERE, 0)
        response = await asking.request(
            "MESSAGE",
            "sip:34020000002000000001@3402000000",
            Peer(HERE, asked.port, "tcp"),
            local=parse_uri("sip:34020000001320000001@3402000000"),
            body=b"<a/>",
            content_type="Application/MANSCDP+xml",
            timeout_s=10,
        )
        await asking.close()
        await asked.close()
        return response.status

    assert uvloop.run(ask()) == 200
