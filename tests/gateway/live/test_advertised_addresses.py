"""Answers name the addresses that are for the network of who asks, as the API passes it on."""

from __future__ import annotations

import ipaddress
import re

import httpx
import pytest

from camera_adapters.stream import Codec, Stream, Track, Variant
from camera_adapters.webrtc.advertised import NetworkAddresses
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.live.whep import SessionHandle, WhepEndpoint
from gateway.settings import Settings
from gateway.shard.web import serve_http
from tests.camera_adapters.webrtc.offers import CHROMIUM
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import a_shard
from tests.gateway.meetings.conftest import rows as rows

VILLAGES = NetworkAddresses(ipaddress.ip_network("10.7.0.0/16"), ("127.0.0.3", "127.0.0.2"))


class Session:
    session_id = "session"

    def ended(self, reason: str, *, watched: bool = False) -> None:
        """See SessionHandle."""


def told(answer: str) -> list[str]:
    """The addresses of an answer, in its order, of its first section."""
    section = answer.split("\r\nm=")[1]
    return re.findall(r"a=candidate:\d+ 1 udp \d+ (\S+) \d+ typ host", section)


@pytest.mark.parametrize(
    ("forwarded", "addresses"),
    [
        ("10.7.200.1", ["127.0.0.3", "127.0.0.2"]),
        ("10.8.0.1", ["127.0.0.1"]),
        ("not an address", ["127.0.0.1"]),
        (None, ["127.0.0.1"]),
    ],
)
async def test_a_viewer_is_told_the_addresses_of_its_network(
    forwarded: str | None, addresses: list[str]
) -> None:
    stream = Stream("cam_test", Variant.MAIN)
    stream.start_run((Track("video", Codec.H264, 90000, (b"\x67\x42\xe0\x1f", b"\x68\xce")),))

    async def open_session(ticket: str) -> tuple[Stream, SessionHandle]:
        return stream, Session()

    output = WebRtcOutput.open(networks=[VILLAGES])
    try:
        endpoint = WhepEndpoint(output, open_session)
        async with serve_http("shard-1", endpoint.routes()) as port, httpx.AsyncClient() as client:
            headers = {"Content-Type": "application/sdp"}
            if forwarded is not None:
                headers["X-Forwarded-For"] = forwarded
            answer = await client.post(
                f"http://127.0.0.1:{port}/s/shard-1/whep?ticket=any",
                headers=headers,
                content=CHROMIUM,
            )
        assert answer.status_code == 201
        assert told(answer.text) == addresses
        assert answer.text.count("c=IN IP4 " + addresses[0]) >= 1
    finally:
        output.close()


async def test_a_meetings_site_is_told_the_addresses_of_its_network(rows: Rows) -> None:
    async with a_shard(rows, [VILLAGES]) as shard:
        meeting_id, [village, town] = await shard.running("a", "b")
        for who, address, addresses in (
            (village, "10.7.200.1", ["127.0.0.3", "127.0.0.2"]),
            (town, "10.8.0.1", ["127.0.0.1"]),
        ):
            page = await shard.knock(shard.ticket(meeting_id, who), address=address)
            await page.hears("room")
            # Its media go by the address that it was told.
            await page.connect()
            answer = page.newest("answer")
            assert answer is not None
            assert told(answer["sdp"]) == addresses


@pytest.mark.parametrize(
    "network",
    [
        {"network": "10.7.0.1/16", "addresses": ["10.7.0.1"]},
        {"network": "county", "addresses": ["10.7.0.1"]},
        {"network": "10.7.0.0/16", "addresses": []},
        {"network": "10.7.0.0/16", "addresses": ["gateway.example"]},
    ],
)
def test_networks_and_addresses_of_the_settings_are_checked(network: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"network|address"):
        Settings.model_validate({"webrtc": {"networks": [network]}})
