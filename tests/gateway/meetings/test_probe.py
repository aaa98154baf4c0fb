"""The way to the port of sound and pictures, tried by a real peer before it joins anything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from camera_adapters.webrtc.conference.conference import Conference
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.identifiers import US_PER_S, now_us
from gateway.meetings import probe
from gateway.meetings.probe import ProbeEndpoint
from gateway.shard.web import serve_http
from gateway.tickets import Ticket, TicketSigner
from tests.peers.meeting_site import MeetingSite

NAME = "shard-1"
SIGNER = TicketSigner(bytes(32))


class Door:
    """Where to knock."""

    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        self._base = base
        self._http = http

    @asynccontextmanager
    async def knock(
        self, session_id: str = "prb_1", meeting_id: str = "", action: Any = "meeting"
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        ticket = Ticket(
            session_id, "usr_1", "wang", (), "main", action, None, None,
            now_us() + 30 * US_PER_S, False, meeting_id=meeting_id, participant_id="",
        )  # fmt: skip
        query = {"ticket": SIGNER.sign(ticket)}
        async with self._http.ws_connect(f"{self._base}/meeting/probe", params=query) as socket:
            yield socket


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    output = WebRtcOutput.open()
    conference = Conference(output.mux, output.identity, output.wheel, output.scratch, now_us)
    routes = ProbeEndpoint(SIGNER, conference).routes()
    async with serve_http(NAME, routes) as port, aiohttp.ClientSession() as http:
        yield Door(f"http://127.0.0.1:{port}/s/{NAME}", http)
    conference.close()
    output.close()


async def test_who_reaches_the_port_is_told_so(door: Door) -> None:
    async with door.knock() as socket:
        assert (await socket.receive_json())["type"] == "ready"
        site = MeetingSite(video_slots=0, sound_slots=1)
        await socket.send_str(json.dumps({"type": "offer", "sdp": site.offer, "sends": {}}))
        answer = await socket.receive_json()
        await site.connect(answer["sdp"])
        assert (await socket.receive_json())["type"] == "connected"
        assert (await socket.receive_json())["reason"] == "over"
        site.close()


async def test_whose_packets_do_not_arrive_is_told_so(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LASTS_S", 0.2)
    async with door.knock() as socket:
        await socket.receive_json()
        site = MeetingSite(video_slots=0, sound_slots=1)
        await socket.send_str(json.dumps({"type": "offer", "sdp": site.offer, "sends": {}}))
        assert (await socket.receive_json())["type"] == "answer"
        assert (await socket.receive_json())["reason"] == "no_packets"


@pytest.mark.parametrize("said", ["", "{}", '{"type":"ping"}', '{"type":"offer","sdp":"v=0"}'])
async def test_what_is_no_offer_is_refused_and_over(door: Door, said: str) -> None:
    async with door.knock() as socket:
        await socket.receive_json()
        await socket.send_str(said)
        assert (await socket.receive_json())["type"] == "error"
        assert (await socket.receive_json())["reason"] == "refused"


async def test_a_ticket_is_for_one_probe_and_a_meetings_is_for_none(door: Door) -> None:
    async with door.knock("prb_2") as socket:
        assert (await socket.receive_json())["type"] == "ready"
    for ticket in (("prb_2", ""), ("prb_3", "mtg_1")):
        async with door.knock(*ticket) as socket:
            assert (await socket.receive_json())["reason"] == "ticket_refused"
    async with door.knock("prb_4", action="live") as socket:
        assert (await socket.receive_json())["reason"] == "ticket_refused"


async def test_too_many_at_once_come_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "AT_ONCE_LIMIT", 0)
    async with door.knock() as socket:
        assert (await socket.receive_json())["reason"] == "busy"
