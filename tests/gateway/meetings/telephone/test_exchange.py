"""Telephones in meetings: they call, know the PIN, wait, are let in, speak and hear; or are
dialled.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.sip.digest import answer_challenge
from camera_adapters.stream import Codec, Track
from camera_adapters.webrtc.wheel import Wheel
from gateway.database.audit_tables import audit_log
from gateway.database.meeting_tables import meeting_participants
from gateway.identifiers import now_us
from gateway.meetings.hours import Hours, taken_unasked
from gateway.meetings.telephone.lines import TelephoneLines
from gateway.transcoder.audio import open_audio_decoder, open_audio_encoder
from tests.gateway.meetings.a_shard import Page, Shard
from tests.gateway.meetings.telephone.an_exchange import AnExchange, an_exchange
from tests.peers.telephone import Telephone, strengths


@pytest.fixture
async def exchange(shard: Shard, tmp_path: Path) -> AsyncIterator[AnExchange]:
    async with an_exchange(shard, tmp_path) as made:
        yield made


@contextlib.asynccontextmanager
async def telephone(exchange: AnExchange, name: str) -> AsyncIterator[Telephone]:
    made = Telephone(name, exchange.port)
    await made.open()
    try:
        yield made
    finally:
        if made.remote_sound is not None:
            made.hang_up()
            await asyncio.sleep(0.05)
        made.close()


def caller(shard: Shard, name: str) -> Any:
    """The participant that this caller is; None before."""
    table = meeting_participants.c
    shown = table.name.in_((name, f"☎ {name} (?)"))
    found = shard.rows.all(meeting_participants, table.kind == "sip", shown)
    return found[0] if found else None


async def in_the_lobby(shard: Shard, name: str) -> Any:
    await shard.written(lambda: (row := caller(shard, name)) is not None and row.state == "lobby")
    await shard.written(
        lambda: any(
            member.participant_id == caller(shard, name).id
            for room in shard.rooms.rooms.values()
            for member in room.members.values()
        )
    )
    return caller(shard, name)


async def in_the_meeting(shard: Shard, meeting_id: str, name: str) -> Any:
    row = await in_the_lobby(shard, name)
    await shard.command(
        "admit", meeting_id, participant_ids=[row.id], user_id=shard.rows.users["chair"]
    )
    await shard.written(lambda: caller(shard, name).state == "connected")
    return row


class Speaker:
    """A page that says a tone in Opus, and knows the tone that it hears."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._decoder: Any = open_audio_decoder(Track("audio", Codec.OPUS, 48_000, channels=1))
        self._seen = 0
        self._samples: list[Any] = []

    async def say(self, hertz: float) -> None:
        encoder = open_audio_encoder(Codec.OPUS, 48_000, "mono")
        sending = self.page.site.microphone()
        loop = asyncio.get_running_loop()
        due = loop.time()
        number = 0
        while True:
            at = np.arange(960) + 960 * number
            samples = (9000 * np.sin(2 * np.pi * hertz * at / 48_000)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "mono")
            frame.sample_rate = 48_000
            for packet in encoder.encode(frame):
                sending.send(bytes(packet), ticks=960, level=0x80 | 15)
            number += 1
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    def tone(self, slots: tuple[str, ...] = ("a0", "a1", "a2")) -> dict[int, float]:
        packets = [one for slot in slots for one in self.page.site.in_slot(slot)]
        for packet in packets[self._seen :]:
            for frame in self._decoder.decode(av.Packet(packet.payload)):
                self._samples.append(frame.to_ndarray().reshape(-1).astype(float))
        self._seen = len(packets)
        return strengths(np.concatenate(self._samples[-40:]), 48_000) if self._samples else {}

    async def until_tone(self, hertz: int) -> None:
        async with asyncio.timeout(30):
            while self.tone().get(hertz, 0.0) < 0.5:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def accept(phone: Telephone, key: str = "1") -> None:
    """It is announced that there is a meeting, and they press the key."""
    await phone.until_tone(800, share=0.2)
    phone.press(key)


def invited(shard: Shard, meeting_id: str, phone: Telephone) -> str:
    """Have it dialled at its own address; gives the participant."""
    seat = {"kind": "sip", "subject": f"sip:{phone.name}@127.0.0.1:{phone.port}", "name": "x"}
    found: str = shard.write("invite", meeting_id, participants=[seat], invited_by="x")[0]
    return found


async def a_speaker(shard: Shard, meeting_id: str, participant_id: str) -> Speaker:
    page = await shard.join(meeting_id, participant_id)
    await page.say(type="device", microphone=True)
    return Speaker(page)


async def test_a_telephone_is_heard_in_the_room_and_hears_it_but_not_itself(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    speaker = await a_speaker(shard, meeting_id, a)
    async with telephone(exchange, "13800001111") as phone:
        assert await phone.call(f"{number}*{pin}") == 200
        await in_the_meeting(shard, meeting_id, "13800001111")
        phone.talk(1300)
        await speaker.until_tone(1300)
        # It alone speaks: of the room it hears nothing, and nothing of itself.
        heard = len(phone.heard)
        async with asyncio.timeout(30):
            while len(phone.heard) < heard + 120:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert phone.tone() == {}
        saying = asyncio.create_task(speaker.say(700))
        await phone.until_tone(700, share=0.8)
        saying.cancel()
        phone.hang_up()
        await shard.written(lambda: caller(shard, "13800001111").state == "left")


async def test_nothing_is_heard_either_way_before_somebody_lets_the_caller_in(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    speaker = await a_speaker(shard, meeting_id, a)
    saying = asyncio.create_task(speaker.say(700))
    async with telephone(exchange, "555") as phone:
        assert await phone.call(f"{number}*{pin}") == 200
        phone.talk(1300)
        await in_the_lobby(shard, "555")
        before = len(phone.heard)
        async with asyncio.timeout(30):
            while len(phone.heard) < before + 100:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert phone.tone(100).get(700, 0.0) < 0.01
        assert speaker.tone() == {}
        await in_the_meeting(shard, meeting_id, "555")
        await phone.until_tone(700)
        await speaker.until_tone(1300)
        await shard.command("remove", meeting_id, participant_id=caller(shard, "555").id)
        await phone.hears("BYE")
    saying.cancel()


async def test_the_number_and_the_pin_are_dialled_by_keys(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, _ = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    async with telephone(exchange, "555") as phone:
        assert await phone.call("meetings") == 200
        await phone.until_tone(600, share=0.2)  # the number is asked for
        phone.press(number + pin)
        row = await in_the_meeting(shard, meeting_id, "555")
        phone.press("*9")
        await shard.written(lambda: shard.rows.participant(row.id).hand_us is not None)
        phone.press("*9")
        await shard.written(lambda: shard.rows.participant(row.id).hand_us is None)
        written = {one.action for one in shard.rows.all(audit_log)}
        assert {"telephone.call", "meeting.join"} <= written


async def test_wrong_pins_end_the_call_and_pause_the_caller(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, _ = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    wrong = "0" * len(pin) if pin != "0" * len(pin) else "1" * len(pin)
    for _ in range(2):
        async with telephone(exchange, "555") as phone:
            assert await phone.call(f"{number}*{wrong}") == 200
            await phone.until_tone(300, share=0.2)
            phone.press((number + wrong) * 2)
            await phone.hears("BYE")
    async with telephone(exchange, "555") as phone:
        assert await phone.call(f"{number}*{pin}") == 480
        assert "Retry-After" in phone.answer
    async with telephone(exchange, "556") as phone:
        assert await phone.call(f"{number}*{pin}") == 200
        await in_the_lobby(shard, "556")
    refused = shard.rows.all(audit_log, audit_log.c.action == "telephone.pin_refused")
    assert len(refused) == 6
    assert caller(shard, "555") is None


async def test_strangers_are_not_answered(shard: Shard, tmp_path: Path) -> None:
    async with (
        an_exchange(shard, tmp_path, trunk_networks=["10.0.0.0/8"]) as exchange,
        telephone(exchange, "555") as phone,
    ):
        assert await phone.call("meetings") == 403
    async with (
        an_exchange(shard, tmp_path, accounts={"1001": "s3cret"}, trunk_networks=[]) as exchange,
        telephone(exchange, "1001") as phone,
    ):
        assert await phone.call("meetings") == 401
        assert "WWW-Authenticate: Digest" in phone.answer
    assert shard.rows.all(audit_log, audit_log.c.action == "telephone.call") == []


async def test_a_name_that_anybody_may_claim_is_not_told_like_one_that_was_proven(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, _ = await shard.running("a")
    async with an_exchange(shard, tmp_path, accounts={"1001": "s3cret"}) as exchange:
        number, pin = exchange.open_link(meeting_id)
        async with telephone(exchange, "☎1001\u202e") as phone:
            assert await phone.call(f"{number}*{pin}") == 200
            await shard.written(lambda: caller(shard, "1001") is not None)
            assert caller(shard, "1001").name == "☎ 1001 (?)"
    table = meeting_participants.c
    first = shard.write(
        "called_in", meeting_id, caller="1001", proven=True, session_id="ses_x1", records=[]
    )
    (seat,) = shard.rows.all(meeting_participants, table.id == first)
    assert (seat.name, seat.subject) == ("1001", "account:1001")
    assert len(shard.rows.all(meeting_participants, table.kind == "sip")) == 2


async def test_callers_are_told_when_it_is_recorded(shard: Shard, exchange: AnExchange) -> None:
    meeting_id, _ = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    async with telephone(exchange, "555") as phone:
        assert await phone.call(f"{number}*{pin}") == 200
        await in_the_meeting(shard, meeting_id, "555")
        await phone.until_tone(900, share=0.2)
        await shard.command("change", meeting_id, columns={"records": True})
        await phone.until_tone(1400, share=0.2)


async def test_a_line_that_is_held_is_sent_nothing_and_goes_on_afterwards(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, _ = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    async with telephone(exchange, "555") as phone:
        assert await phone.call(f"{number}*{pin}") == 200
        await in_the_meeting(shard, meeting_id, "555")
        assert await phone.invite(phone.sdp + "a=sendonly\r\n") == 200
        assert "a=recvonly" in phone.remote_sdp
        assert (
            await phone.invite(phone.sdp.replace("RTP/AVP 8", "RTP/AVP 3").replace("PCMA", "GSM"))
            == 488
        )
        assert await phone.invite() == 200
        heard = len(phone.heard)
        async with asyncio.timeout(30):
            while len(phone.heard) < heard + 10:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert caller(shard, "555").state == "connected"


async def test_who_is_invited_by_an_address_is_dialled_and_in_the_meeting(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, (a,) = await shard.running("a")
    speaker = await a_speaker(shard, meeting_id, a)
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True) as exchange,
        telephone(exchange, "desk") as phone,
        telephone(exchange, "busy") as busy,
    ):
        uris = [f"sip:{one.name}@127.0.0.1:{one.port}" for one in (phone, busy)]
        ids = shard.write(
            "invite", meeting_id, invited_by="x",
            participants=[{"kind": "sip", "subject": one, "name": one} for one in uris],
        )  # fmt: skip
        await busy.ring("486 Busy Here")
        await shard.written(lambda: shard.rows.participant(ids[1]).state == "refused")
        assert "486" in shard.rows.participant(ids[1]).refusal
        await phone.ring()
        await phone.hears("ACK")
        await accept(phone)
        await shard.written(lambda: shard.rows.participant(ids[0]).state == "connected")
        phone.talk(1300)
        await speaker.until_tone(1300)
        await shard.command("end", meeting_id, reason="chair")
        await phone.hears("BYE")
    dialled = shard.rows.all(audit_log, audit_log.c.action == "telephone.dial")
    assert len(dialled) == 2


async def test_a_call_stands_and_sits_down_again_when_its_shard_is_lost(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    speaker = await a_speaker(shard, meeting_id, a)
    async with telephone(exchange, "555") as phone:
        assert await phone.call(f"{number}*{pin}") == 200
        row = await in_the_meeting(shard, meeting_id, "555")
        session_id = shard.rows.participant(row.id).session_id
        await exchange.lose_the_channel()
        await shard.written(lambda: shard.rows.participant(row.id).state == "left")
        await exchange.have_the_channel()
        await shard.written(lambda: shard.rows.participant(row.id).state == "connected")
        assert shard.rows.participant(row.id).session_id != session_id
        phone.talk(1300)
        await speaker.until_tone(1300)


async def test_calls_end_when_the_worker_dies_and_the_next_has_another(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, _ = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    async with telephone(exchange, "555") as phone:
        assert await phone.call(f"{number}*{pin}") == 200
        await in_the_lobby(shard, "555")
        exchange.kill_the_worker()
        await phone.hears("BYE")
        phone.remote_sound = None
    async with telephone(exchange, "556") as phone:
        assert await phone.call(f"{number}*{pin}") == 200
        await in_the_meeting(shard, meeting_id, "556")


async def test_nobody_but_the_telephone_itself_is_listened_to(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    number, pin = exchange.open_link(meeting_id)
    speaker = await a_speaker(shard, meeting_id, a)
    async with telephone(exchange, "555") as phone, telephone(exchange, "thief") as thief:
        assert await phone.call(f"{number}*{pin}") == 200
        await in_the_meeting(shard, meeting_id, "555")
        phone.talk(1300)
        await speaker.until_tone(1300)
        thief.remote_sound = phone.remote_sound
        thief.talk(2100)
        await asyncio.sleep(1.0)
        heard = speaker.tone()
        assert heard[1300] > 0.5
        assert heard[2100] < 0.05
        thief.remote_sound = None


async def test_nothing_is_sent_to_where_an_offer_says_before_it_is_acknowledged(
    shard: Shard, exchange: AnExchange
) -> None:
    async with telephone(exchange, "forged") as forged, telephone(exchange, "victim") as victim:
        forged.acknowledges = False
        assert await forged.call("meetings", victim.sdp) == 200
        async with telephone(exchange, "honest") as honest:
            assert await honest.call("meetings") == 200
            await honest.until_tone(600, share=0.2)
        assert victim.heard == []


async def test_a_telephone_that_signed_in_is_dialled_where_it_is(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, _ = await shard.running("a")
    accounts = {"1001": "s3cret", "1002": "other"}
    async with (
        an_exchange(shard, tmp_path, accounts=accounts, trunk_networks=[]) as exchange,
        telephone(exchange, "1001") as phone,
    ):
        phone.register(600)
        challenged = await phone.hears("SIP/2.0 401")
        challenge = re.findall(r"^WWW-Authenticate: (.*?)\r?$", challenged, re.MULTILINE)
        uri = f"sip:127.0.0.1:{exchange.port}"
        proof = answer_challenge(challenge, "1001", "s3cret", "REGISTER", uri)
        phone.register(600, f"Authorization: {proof}\r\n")
        await phone.hears("SIP/2.0 200")
        seats = [
            {"kind": "sip", "subject": f"sip:{name}@gateway", "name": name}
            for name in ("1001", "1002")
        ]
        ids = shard.write("invite", meeting_id, participants=seats, invited_by="x")
        await phone.ring()
        await phone.hears("ACK")
        await accept(phone, "#")
        await shard.written(lambda: shard.rows.participant(ids[0]).state == "connected")
        await shard.written(lambda: shard.rows.participant(ids[1]).state == "refused")
        assert shard.rows.participant(ids[1]).refusal == "1002 is not registered"
        await shard.command("remove", meeting_id, participant_id=ids[0])
        await phone.hears("BYE")
        phone.remote_sound = None


async def test_a_shard_that_no_telephone_has_called_keeps_no_socket_for_them(
    shard: Shard,
) -> None:
    def open_files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    wheel, before = Wheel(), open_files()
    lines = TelephoneLines(shard.rooms, wheel, SteadyClock().now_us)
    assert open_files() == before
    lines.close()


async def test_who_is_not_wanted_any_more_stops_ringing(shard: Shard, tmp_path: Path) -> None:
    meeting_id, _ = await shard.running("a")
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True) as exchange,
        telephone(exchange, "desk") as phone,
    ):
        seat = {"kind": "sip", "subject": f"sip:desk@127.0.0.1:{phone.port}", "name": "desk"}
        (participant_id,) = shard.write("invite", meeting_id, participants=[seat], invited_by="x")
        await phone.ring("180 Ringing")
        await shard.command("remove", meeting_id, participant_id=participant_id)
        await phone.hears("CANCEL")
        assert shard.rows.participant(participant_id).state == "removed"


async def test_who_picks_up_hears_and_is_heard_by_nobody_before_they_accept(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, (a,) = await shard.running("a")
    speaker = await a_speaker(shard, meeting_id, a)
    saying = asyncio.create_task(speaker.say(3000))
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True) as exchange,
        telephone(exchange, "desk") as phone,
    ):
        participant_id = invited(shard, meeting_id, phone)
        await phone.ring()
        await phone.hears("ACK")
        phone.talk(1300)
        await phone.until_tone(800, share=0.2)
        phone.press("5*6")
        async with asyncio.timeout(60):
            # Tone and words of the announcement, and the pause behind them.
            while len(phone.heard) < 540:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        samples = phone.sound(540)
        assert np.abs(samples).max() > 10_000
        heard = [strengths(one, 8000).get(3000, 0.0) for one in np.array_split(samples, 27)]
        assert max(heard) < 0.2
        assert speaker.tone() == {}
        assert shard.rows.participant(participant_id).state == "ringing"
        assert not any(room.state.invited[participant_id].session_id
                       for room in shard.rooms.rooms.values())  # fmt: skip
        phone.inform("application/dtmf-relay", "Signal=1\r\nDuration=160\r\n")
        await speaker.until_tone(1300)
        await phone.until_tone(3000, share=0.8)
        phone.hang_up()
        await shard.written(lambda: shard.rows.participant(participant_id).state == "left")
        phone.remote_sound = None
    saying.cancel()
    (joined,) = shard.rows.all(
        audit_log, audit_log.c.action == "meeting.join", audit_log.c.detail.like("%telephone%")
    )
    assert '"accepted_by":"key"' in joined.detail.replace(" ", "")


async def test_an_answering_machine_is_hung_up_on_and_the_chair_told(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, _ = await shard.running("a")
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True, accept_s=5) as exchange,
        telephone(exchange, "desk") as phone,
    ):
        participant_id = invited(shard, meeting_id, phone)
        await phone.ring()
        await phone.hears("ACK")
        phone.talk(1300)
        await phone.hears("BYE")
        phone.remote_sound = None
        row = shard.rows.participant(participant_id)
        assert (row.state, row.refusal) == ("refused", "nobody accepted")
        assert row.session_id is None
    assert shard.rows.all(audit_log, audit_log.c.action == "meeting.join") == []


async def test_who_hangs_up_instead_of_accepting_has_refused(shard: Shard, tmp_path: Path) -> None:
    meeting_id, _ = await shard.running("a")
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True) as exchange,
        telephone(exchange, "desk") as phone,
    ):
        participant_id = invited(shard, meeting_id, phone)
        await phone.ring()
        await phone.hears("ACK")
        await phone.until_tone(800, share=0.2)
        phone.hang_up()
        phone.remote_sound = None
        await shard.written(lambda: shard.rows.participant(participant_id).state == "refused")
        assert shard.rows.participant(participant_id).refusal == "hung up without accepting"


async def test_who_has_picked_up_may_accept_though_it_rings_no_more_but_not_when_taken_out(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, _ = await shard.running("a")
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True) as exchange,
        telephone(exchange, "desk") as phone,
        telephone(exchange, "hall") as other,
    ):
        ids = [invited(shard, meeting_id, one) for one in (phone, other)]
        for one in (phone, other):
            await one.ring()
            await one.hears("ACK")
            await one.until_tone(800, share=0.2)
        shard.rows.write("meetings.stop_ringing", before_us=now_us())
        await shard.command("remove", meeting_id, participant_id=ids[1])
        await other.hears("BYE")
        other.remote_sound = None
        assert shard.rows.participant(ids[1]).state == "removed"
        assert shard.rows.participant(ids[0]).state == "invited"
        # Reminded meanwhile, it is not dialled once more.
        await shard.command("ring", meeting_id, participant_ids=[ids[0]])
        phone.press("1")
        await shard.written(lambda: shard.rows.participant(ids[0]).state == "connected")
        assert not any(one.startswith("INVITE") for one in _queued(phone))
        await shard.command("remove", meeting_id, participant_id=ids[0])
        await phone.hears("BYE")
        phone.remote_sound = None


def _queued(phone: Telephone) -> list[str]:
    found = []
    while not phone.said.empty():
        found.append(phone.said.get_nowait())
    return found


@pytest.mark.parametrize(("days", "needs_key"), [([0, 1, 2, 3, 4, 5, 6], False), ([], True)])
async def test_a_terminal_in_a_site_needs_no_key_in_the_hours_that_the_site_has_named(
    shard: Shard, tmp_path: Path, days: list[int], needs_key: bool
) -> None:
    meeting_id, _ = await shard.running("a")
    area_id = shard.rows.areas["a"]
    whole_days = [{"days": days, "from_min": 0, "until_min": 24 * 60}] if days else []
    shard.rows.write("sites.hours", area_id=area_id, hours=whole_days, user_id="x")
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True, rooms={"hall": area_id}) as exchange,
        telephone(exchange, "hall") as phone,
    ):
        participant_id = invited(shard, meeting_id, phone)
        await phone.ring()
        await phone.hears("ACK")
        if needs_key:
            await accept(phone)
        await shard.written(lambda: shard.rows.participant(participant_id).state == "connected")
        await shard.command("remove", meeting_id, participant_id=participant_id)
        await phone.hears("BYE")
        phone.remote_sound = None


def test_hours_are_of_local_days_and_end_before_their_end() -> None:
    hours = [Hours(days=[0], from_min=60, until_min=120)]
    monday = datetime(2026, 11, 23)
    taken = {
        minute
        for minute in range(24 * 60)
        if taken_unasked(hours, monday + timedelta(minutes=minute))
    }
    assert taken == set(range(60, 120))
    assert not taken_unasked(hours, monday + timedelta(days=1, minutes=90))
    assert not taken_unasked([], monday)
