"""``media.session``: INVITE to a channel, as a shard asks for it over the control channel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from camera_adapters.gb28181 import mansrtsp, session_description, xml_bodies
from camera_adapters.gb28181.broadcast import Broadcast
from camera_adapters.gb28181.envelope import Outcome
from camera_adapters.gb28181.media_status import MediaStatus
from camera_adapters.gb28181.session_description import FORMATS, PCMA, SessionDescription
from camera_adapters.sip.endpoint import SipRefused
from camera_adapters.sip.fields import SipUri
from gateway.control.channel import ControlError
from gateway.database.gb28181_tables import gb28181_dialogs
from gateway.platforms.gb28181_below import media, queries
from tests.gateway.platforms.gb28181_below.upper import CODE, Upper, upper_gateway
from tests.peers.gb28181_device import DOMAIN, PLATFORM_CODE, GbDevice

GATE = "34020000001310000001"
START_US = 1_700_000_000_000_000


@dataclass
class Pair:
    upper: Upper
    device: GbDevice
    platform_id: str

    async def dialogs(self) -> int:
        async with self.upper.reader.connect() as connection:
            found = await connection.scalar(sa.select(sa.func.count()).select_from(gb28181_dialogs))
        return int(found or 0)

    async def no_dialogs(self) -> None:
        while True:
            if not await self.dialogs():
                return
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def registered(folder: Path, **options: Any) -> AsyncIterator[Pair]:
    async with upper_gateway(folder) as upper:
        platform_id = await upper.add(**options)
        device = await upper.device()
        assert (await device.register()).status == 200
        yield Pair(upper, device, platform_id)


async def test_live_over_udp(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        async with pair.upper.session(pair.platform_id, channel=GATE) as session:
            answer = await anext(session)
            (offer,) = pair.device.offers
            assert (offer.purpose, offer.address, offer.port) == ("play", "127.0.0.1", 30_000)
            assert (offer.direction, offer.transport) == ("recvonly", "udp")
            # 0, then digits 4 to 8 of the domain's code, then a serial number.
            assert f"{offer.ssrc:010}".startswith("020000")
            assert pair.device.subjects == [f"{GATE}:{offer.ssrc:010},{PLATFORM_CODE}:0"]
            assert answer["type"] == "answer"
            assert (answer["ssrc"], answer["address"]) == (offer.ssrc, "127.0.0.1")
            assert answer["formats"] == {"96": "PS/90000"}
            assert await pair.dialogs() == 1
            theirs = await pair.device.sessions.get()
            ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            theirs.on_end = ended.set_result
        assert await ended == "bye"
        await pair.no_dialogs()


@pytest.mark.parametrize(
    ("transport", "setup"), [("tcp_passive", "passive"), ("tcp_active", "active")]
)
async def test_live_over_tcp_in_both_directions(tmp_path: Path, transport: str, setup: str) -> None:
    async with (
        registered(tmp_path) as pair,
        pair.upper.session(pair.platform_id, channel=GATE, transport=transport) as session,
    ):
        answer = await anext(session)
        (offer,) = pair.device.offers
        assert (offer.transport, offer.setup) == ("tcp", setup)
        assert (answer["transport"], answer["port"]) == (transport, 15_060)


async def test_receiver_without_an_address_is_given_that_of_the_route(tmp_path: Path) -> None:
    async with (
        registered(tmp_path) as pair,
        pair.upper.session(pair.platform_id, address="") as session,
    ):
        await anext(session)
        assert pair.device.offers[0].address == "127.0.0.1"


async def test_device_that_says_no_ssrc_sends_ours(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        pair.device.answer_ssrc = False
        async with pair.upper.session(pair.platform_id) as session:
            assert (await anext(session))["ssrc"] == pair.device.offers[0].ssrc


async def test_two_sessions_never_share_an_ssrc(tmp_path: Path) -> None:
    async with (
        registered(tmp_path) as pair,
        pair.upper.session(pair.platform_id) as one,
        pair.upper.session(pair.platform_id) as two,
    ):
        assert (await anext(one))["ssrc"] != (await anext(two))["ssrc"]


async def test_bye_of_the_device_is_told(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        async with pair.upper.session(pair.platform_id) as session:
            await anext(session)
            await (await pair.device.sessions.get()).end()
            ended = await anext(session)
            assert (ended["type"], ended["cause"]) == ("ended", "bye")
        await pair.no_dialogs()


async def test_refusals_say_what_it_is(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:

        async def code_of(**arguments: Any) -> str:
            with pytest.raises(ControlError) as refused:
                await anext(pair.upper.session(pair.platform_id, **arguments))
            return refused.value.code

        pair.device.on_invite = lambda incoming: incoming.respond(486)
        assert await code_of() == "busy"
        pair.device.on_invite = lambda incoming: incoming.respond(404)
        assert await code_of() == "not_found"
        pair.device.on_invite = None
        pair.device.media_transport = "udp"
        assert await code_of(transport="tcp_passive") == "unsupported"
        pair.device.answer_address = "239.0.0.1"
        assert await code_of() == "unsupported"
        assert await code_of(purpose="playback") == "device_error"
        await pair.device.register(0)
        assert await code_of() == "offline"
        assert await pair.dialogs() == 0


async def test_offer_refused_by_transport_is_ended_at_the_device(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        pair.device.media_transport = "udp"
        with pytest.raises(ControlError, match="choose UDP"):
            await anext(pair.upper.session(pair.platform_id, transport="tcp_passive"))
        theirs = await pair.device.sessions.get()
        assert theirs.ended == "bye"


async def test_playback_is_paused_sought_and_ends_with_its_file(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        session = pair.upper.session(
            pair.platform_id,
            channel=GATE,
            purpose="playback",
            start_us=START_US,
            end_us=START_US + 600_000_000,
        )
        async with session:
            answer = await anext(session)
            (offer,) = pair.device.offers
            assert (offer.purpose, offer.uri_code) == ("playback", GATE)
            assert (offer.start_s, offer.end_s) == (1_700_000_000, 1_700_000_600)
            assert f"{offer.ssrc:010}".startswith("120000")

            async def control(**item: Any) -> mansrtsp.PlaybackControl:
                await session.send({"type": "control", **item})
                return mansrtsp.parse(await pair.device.infos.get())

            assert (await control(action="pause")).method == "PAUSE"
            assert (await control(action="resume")).method == "PLAY"
            assert (await control(action="seek", from_s=42.5)).from_s == 42.5
            assert (await control(action="scale", scale=4)).scale == 4.0
            await session.send({"type": "control", "action": "dance"})
            assert (await anext(session))["type"] == "control_failed"

            theirs = await pair.device.sessions.get()
            status = xml_bodies.to_bytes(MediaStatus(1, GATE).to_element())
            assert (await theirs.request("MESSAGE", body=status)).status == 200
            assert await anext(session) == {"type": "file_end"}
            # Others send it under a Call-ID of its own.
            assert await pair.device.tell(MediaStatus(2, GATE).to_element()) == 200
            assert await anext(session) == {"type": "file_end"}
            assert answer["file_bytes"] is None


async def test_download_names_its_speed_and_its_size(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        session = pair.upper.session(
            pair.platform_id,
            channel=GATE,
            purpose="download",
            start_us=START_US,
            end_us=START_US + 60_000_000,
            speed=8.0,
        )
        async with session:
            assert (await anext(session))["file_bytes"] == 123_456
            assert pair.device.offers[0].download_speed == 8.0


@pytest.mark.parametrize("killed", [True, False])
async def test_restart_of_signalling_does_not_end_the_media(tmp_path: Path, killed: bool) -> None:
    async with registered(tmp_path) as pair:
        session = pair.upper.session(pair.platform_id, channel=GATE)
        answer = await anext(session)
        theirs = await pair.device.sessions.get()
        await pair.upper.restart(killed=killed)
        assert theirs.ended is None
        async with pair.upper.session(
            pair.platform_id, channel=GATE, resume=answer["dialog"]
        ) as resumed:
            assert await anext(resumed) == answer
            await resumed.send({"type": "control", "action": "pause"})
            assert mansrtsp.parse(await pair.device.infos.get()).method == "PAUSE"
            assert theirs.ended is None
            ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            theirs.on_end = ended.set_result
        assert await ended == "bye"
        await pair.no_dialogs()


async def test_what_nobody_asks_for_after_a_restart_gets_its_bye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "RESUME_WITHIN_S", 0.1)
    async with registered(tmp_path) as pair:
        answer = await anext(pair.upper.session(pair.platform_id))
        theirs = await pair.device.sessions.get()
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        theirs.on_end = ended.set_result
        await pair.upper.restart(killed=True)
        assert await ended == "bye"
        await pair.no_dialogs()
        with pytest.raises(ControlError) as refused:
            await anext(pair.upper.session(pair.platform_id, resume=answer["dialog"]))
        assert refused.value.code == "not_found"


async def test_voice_waits_for_the_device_to_invite_us(tmp_path: Path) -> None:
    """§9.12: a notice to the device, its INVITE to us, our port in the answer."""
    async with registered(tmp_path) as pair:
        device = pair.device
        asked = pair.upper.session(
            pair.platform_id, channel=GATE, purpose="talk", port=31_000, transport="udp"
        )
        opening = asyncio.create_task(anext(asked))
        notice = Broadcast.read(await device.asked_for("Broadcast"))
        assert (notice.source_id, notice.target_id) == (PLATFORM_CODE, GATE)
        outcome = Outcome("Broadcast", notice.serial_number, GATE, ok=True)
        await device.tell(outcome.to_element())
        offer = SessionDescription(
            "play",
            GATE,
            "127.0.0.1",
            16_000,
            ssrc=200_001,
            media="audio",
            direction="recvonly",
            formats={PCMA: FORMATS[PCMA]},
        )
        session = await device.endpoint.invite(
            f"sip:{PLATFORM_CODE}@{DOMAIN}",
            device.platform,
            local=SipUri(CODE, DOMAIN),
            headers=[("Subject", f"{PLATFORM_CODE}:0000200001,{GATE}:0")],
            body=offer.to_bytes(),
        )
        ours = session_description.parse(session.remote_body)
        assert (ours.port, ours.media, ours.direction) == (31_000, "audio", "sendonly")
        answer = await opening
        assert (answer["ssrc"], answer["port"]) == (200_001, 16_000)
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        session.on_end = ended.set_result
        await asked.close()
        assert await ended == "bye"


async def test_device_that_does_not_know_the_notice_is_invited_to_talk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "ANSWER_TIMEOUT_S", 0.1)
    async with registered(tmp_path) as pair:
        device = pair.device
        for count in (1, 2):
            session = pair.upper.session(
                pair.platform_id, channel=GATE, purpose="talk", port=31_000, transport="udp"
            )
            answer = await anext(session)
            offer = device.offers[-1]
            assert (offer.purpose, offer.media, offer.port) == ("talk", "audio", 31_000)
            assert offer.formats == {PCMA: FORMATS[PCMA]}
            assert (answer["ssrc"], answer["port"]) == (offer.ssrc, 15_060)
            theirs = await device.sessions.get()
            ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            theirs.on_end = ended.set_result
            await session.close()
            assert await ended == "bye"
            # The second time it is not asked what it does not know.
            assert len([one for one in device.asked if one.command == "Broadcast"]) == 1, count
        await pair.no_dialogs()


async def test_device_that_takes_no_voice_either_way_is_asked_both_ways_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "ANSWER_TIMEOUT_S", 0.1)
    async with registered(tmp_path) as pair:
        pair.device.on_invite = lambda incoming: incoming.respond(488)
        for _ in range(2):
            with pytest.raises(ControlError) as refused:
                await anext(pair.upper.session(pair.platform_id, purpose="talk", transport="udp"))
            assert refused.value.code == "unsupported"
        asked = [one for one in pair.device.asked if one.command == "Broadcast"]
        assert len(asked) == 2


async def test_invitation_that_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    async with registered(tmp_path) as pair:
        with pytest.raises(SipRefused) as refused:
            await pair.device.endpoint.invite(
                f"sip:{PLATFORM_CODE}@{DOMAIN}", pair.device.platform, local=SipUri(CODE, DOMAIN)
            )
        assert refused.value.response.status == 403
