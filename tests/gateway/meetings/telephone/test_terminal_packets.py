"""What video terminals are sent and may send, packet by packet, with pages in the same meeting."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from camera_adapters.webrtc.feedback import parse_feedback, picture_loss, sender_report
from tests.gateway.meetings.a_shard import Page, Shard, marks, picture
from tests.gateway.meetings.telephone.an_exchange import AnExchange, an_exchange
from tests.gateway.meetings.telephone.test_exchange import accept, in_the_meeting
from tests.peers.meeting_site import VP8, MeetingSite
from tests.peers.raw_terminal import H264, RawTerminal
from tests.peers.telephone import Telephone

MARK = b"TERM"
LEVEL_13 = "profile-level-id=42e00d;packetization-mode=1;level-asymmetry-allowed=1"


@pytest.fixture
async def exchange(shard: Shard, tmp_path: Path) -> AsyncIterator[AnExchange]:
    async with an_exchange(shard, tmp_path) as made:
        yield made


@contextlib.asynccontextmanager
async def terminal(exchange: AnExchange, name: str, **more: Any) -> AsyncIterator[RawTerminal]:
    made = RawTerminal(name, exchange.port, **more)
    await made.open()
    try:
        yield made
    finally:
        if made.remote_sound is not None:
            made.hang_up()
            await asyncio.sleep(0.05)
        made.close()


class Vp8Site(MeetingSite):
    """Its camera speaks nothing else."""

    @property
    def offer(self) -> str:
        before, camera = super().offer.split("m=video", 1)
        camera, *slots = camera.split("m=video")
        lines = [line for line in camera.splitlines() if ":96 " not in line and ":97 " not in line]
        lines[0] = lines[0].replace("96 97 98 99", "98 99")
        return "m=video".join((before, "\n".join([*lines, ""]), *slots))


async def sits(exchange: AnExchange, meeting_id: str, one: Telephone) -> Any:
    number, pin = exchange.open_link(meeting_id)
    assert await one.call(f"{number}*{pin}") == 200
    one.talk(440)
    return await in_the_meeting(exchange.shard, meeting_id, one.name)


def films(one: RawTerminal, mark: bytes = MARK) -> None:
    one.film(lambda keyframe: picture(mark, keyframe=keyframe))


def seat(page: Page, participant_id: str) -> dict[str, Any]:
    """What a page was told of a participant: all of it first, then what has changed."""
    found: dict[str, Any] = {}
    for message in page.told:
        for one in message.get("participants", ()):
            if one["id"] == participant_id:
                found |= one
    return found


def keyframes_wanted(page: Page) -> int:
    """How often a page's camera was asked for one."""
    return sum(len(parse_feedback(one).keyframe_wanted) for one in page.site.reports)


async def test_a_page_sees_a_terminal_and_the_terminal_the_page(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, camera=True)
    async with terminal(exchange, "hall") as hall:
        row = await sits(exchange, meeting_id, hall)
        films(hall)
        await page.until(lambda: (seat(page, row.id).get("device") or {}).get("camera") is True)
        await page.look(("v0", row.id))
        await page.site.until(lambda: MARK in marks(page.site.in_slot("v0")), 30)
        await hall.until(lambda: page.mark in hall.marks())
        assert MARK not in hall.marks()
        assert {one.payload_type for one in hall.pictures} == {H264}
        assert max(len(one.payload) for one in hall.pictures) <= 1200 - 12


async def test_a_terminal_sees_who_has_the_floor_in_one_stream_without_a_gap(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    first = await shard.join(meeting_id, a, camera=True)
    second = await shard.join(meeting_id, b, camera=True)
    async with terminal(exchange, "hall") as hall:
        await sits(exchange, meeting_id, hall)
        for who, page in ((a, first), (b, second), (a, first)):
            await shard.command("give_floor", meeting_id, participant_id=who, given=True)
            since = len(hall.pictures)
            await hall.until(lambda at=since, one=page: one.mark in hall.marks(at))
            seen = len(hall.pictures)
            await hall.until(lambda at=seen: len(hall.pictures) > at + 10)
            assert hall.marks(seen) == {page.mark}
            await shard.command("give_floor", meeting_id, participant_id=who, given=False)
        packets = hall.pictures
        assert len({one.ssrc for one in packets}) == 1
        for one, after in itertools.pairwise(packets):
            assert after.sequence == (one.sequence + 1) & 0xFFFF
            passed = (after.timestamp - one.timestamp) & 0xFFFFFFFF
            assert passed == 0 if not one.marker else 0 < passed < 90_000 * 20
        # A picture of somebody else begins with what a decoder needs.
        slices = [one for one in packets if one.payload[0] & 31 in (1, 5)]
        for one, after in itertools.pairwise(slices):
            if after.payload[2:6] != one.payload[2:6]:
                assert after.payload[0] & 31 == 5


async def test_a_terminal_of_a_low_level_is_sent_the_small_picture_of_several(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    page = await shard.join(meeting_id, a, MeetingSite(qualities=("l", "m", "h"), video_slots=1))
    watching = await shard.join(meeting_id, b)
    await page.say(type="device", camera=True)
    for rid in ("h", "m", "l"):
        page.film(rid)
    await watching.look(("v0", a), height_px=720)
    await shard.command("give_floor", meeting_id, participant_id=a, given=True)
    async with terminal(exchange, "old", format=LEVEL_13) as old:
        row = await sits(exchange, meeting_id, old)
        await old.until(lambda: page.mark in old.marks())
        widths = {one.payload for one in old.pictures if one.payload[0] & 31 == 7}
        small = bytearray(picture(page.mark, keyframe=True, rid="l")[0])
        assert small[3] == 31
        small[3] = 13  # as low as the terminal says; the picture needs no more
        stapled = [one.payload for one in old.pictures if one.payload[0] & 31 == 24]
        assert widths <= {bytes(small)}
        assert all(bytes(small) in one for one in stapled)
        assert widths or stapled
        assert seat(watching, row.id)["unshown"] is None


async def test_where_nothing_fits_the_terminal_is_in_it_by_its_sound_and_the_chair_knows_why(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    page = await shard.join(meeting_id, a, camera=True)
    async with (
        terminal(exchange, "old", format=LEVEL_13) as old,
        terminal(exchange, "new") as new,
    ):
        row = await sits(exchange, meeting_id, old)
        await page.until(lambda: seat(page, row.id).get("unshown") == "size")
        await sits(exchange, meeting_id, new)
        await new.until(lambda: page.mark in new.marks())
        assert old.pictures == []
        # Somebody who sends what it takes is on, and it sees again.
        other = await shard.join(meeting_id, b, MeetingSite(qualities=("l",), video_slots=1))
        await other.say(type="device", camera=True)
        other.film("l")
        await shard.command("give_floor", meeting_id, participant_id=b, given=True)
        await old.until(lambda: other.mark in old.marks())
        await page.until(lambda: seat(page, row.id)["unshown"] is None)


async def test_a_page_that_sends_vp8_is_not_shown_and_said_why(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, Vp8Site(video_slots=1))
    await page.say(type="device", camera=True)
    camera = page.site.camera(payload_type=VP8)
    keyframe = b"\x10\x00\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(20)
    page.shoot(camera, [keyframe])
    async with terminal(exchange, "hall") as hall:
        row = await sits(exchange, meeting_id, hall)
        await page.until(lambda: seat(page, row.id).get("unshown") == "codec")
        assert hall.pictures == []


async def test_each_side_is_asked_for_keyframes_by_rtcp_where_that_was_agreed(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, camera=True)
    async with terminal(exchange, "hall") as hall:
        row = await sits(exchange, meeting_id, hall)
        assert "a=rtcp-fb:* nack pli" in hall.remote_sdp
        hall.send_report(sender_report(4711, 0, 0, 1, 1, b"hall"))
        await page.look(("v0", row.id))
        # Keyframes never come by themselves: it is asked until one does.
        hall.film(lambda keyframe: picture(MARK, keyframe=False))
        await hall.until(
            lambda: any(4711 in parse_feedback(one).keyframe_wanted for one in hall.reports)
        )
        hall.send(picture(MARK, keyframe=True))
        await page.site.until(lambda: MARK in marks(page.site.in_slot("v0")), 30)
        await hall.until(lambda: page.mark in hall.marks())
        (ssrc,) = {one.ssrc for one in hall.pictures}
        asked = keyframes_wanted(page)
        hall.send_report(picture_loss(4711, ssrc))
        await page.site.until(lambda: keyframes_wanted(page) > asked, 30)


async def test_each_side_is_asked_by_signalling_where_no_feedback_was_agreed(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, camera=True)
    async with terminal(exchange, "hall", lines="") as hall:
        row = await sits(exchange, meeting_id, hall)
        assert "rtcp-fb" not in hall.remote_sdp
        await page.look(("v0", row.id))
        hall.film(lambda keyframe: picture(MARK, keyframe=False))
        asked_for = await hall.hears("INFO")
        assert "application/media_control+xml" in asked_for
        assert "<picture_fast_update/>" in asked_for
        assert not any(parse_feedback(one).keyframe_wanted for one in hall.reports)
        await hall.until(lambda: page.mark in hall.marks())
        asked = keyframes_wanted(page)
        hall.inform(
            "application/media_control+xml",
            "<media_control><vc_primitive><to_encoder><picture_fast_update></picture_fast_update>"
            "</to_encoder></vc_primitive></media_control>",
        )
        await page.site.until(lambda: keyframes_wanted(page) > asked, 30)


async def test_pictures_are_added_held_and_dropped_in_a_call_that_stands(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, camera=True)
    async with terminal(exchange, "hall") as hall:
        hall.with_pictures = False
        row = await sits(exchange, meeting_id, hall)
        assert hall.remote_pictures == 0
        hall.with_pictures = True
        assert await hall.invite() == 200
        assert hall.remote_pictures > 0
        films(hall)
        await hall.until(lambda: page.mark in hall.marks())
        await page.until(lambda: (seat(page, row.id).get("device") or {}).get("camera") is True)
        assert await hall.invite(hall.sdp + "a=sendonly\r\n") == 200
        assert hall.remote_sdp.endswith("a=recvonly\r\n")
        await asyncio.sleep(0.5)
        held = len(hall.pictures)
        await asyncio.sleep(0.5)
        assert len(hall.pictures) == held
        assert await hall.invite() == 200
        await hall.until(lambda: len(hall.pictures) > held)
        hall.with_pictures = False
        assert await hall.invite() == 200
        await page.until(lambda: (seat(page, row.id).get("device") or {}).get("camera") is False)
        assert (seat(page, row.id)["device"])["microphone"] is True


async def test_a_terminal_that_only_shows_is_a_participant_without_a_camera(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, camera=True)
    async with terminal(exchange, "screen", lines="a=recvonly\r\n") as screen:
        row = await sits(exchange, meeting_id, screen)
        assert "a=sendonly" in screen.remote_sdp
        await screen.until(lambda: page.mark in screen.marks())
        films(screen)  # whatever it agreed to
        await screen.until(lambda: len(screen.pictures) > 100)
        assert seat(page, row.id)["device"]["camera"] is False


async def test_nobody_but_the_terminal_is_taken_for_it(shard: Shard, exchange: AnExchange) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a)
    async with terminal(exchange, "hall") as hall, terminal(exchange, "thief") as thief:
        row = await sits(exchange, meeting_id, hall)
        films(hall)
        await page.until(lambda: (seat(page, row.id).get("device") or {}).get("camera") is True)
        await page.look(("v0", row.id))
        await page.site.until(lambda: MARK in marks(page.site.in_slot("v0")), 30)
        thief.remote_pictures = hall.remote_pictures
        films(thief, b"EVIL")
        came = len(page.site.in_slot("v0"))
        await page.site.until(lambda: len(page.site.in_slot("v0")) > came + 100, 30)
        assert b"EVIL" not in marks(page.site.in_slot("v0"))


async def test_nothing_of_a_terminal_in_the_lobby_gets_further_and_nothing_to_it(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, camera=True)
    async with terminal(exchange, "hall") as hall:
        number, pin = exchange.open_link(meeting_id)
        assert await hall.call(f"{number}*{pin}") == 200
        films(hall)
        await hall.until_tone(500, share=0.2)
        await page.look(("v0", None), ("v1", None))
        sent = page.sent
        await page.until(lambda: page.sent > sent + 50)
        assert MARK not in marks(page.pictures())
        assert hall.pictures == []


async def test_the_pictures_of_an_observer_are_let_through_by_nobody(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a,) = await shard.running("a")
    page = await shard.join(meeting_id, a, camera=True)
    async with terminal(exchange, "hall") as hall:
        row = await sits(exchange, meeting_id, hall)
        await shard.command("role", meeting_id, participant_id=row.id, role="observer")
        films(hall)
        await page.until(lambda: (seat(page, row.id).get("device") or {}).get("camera") is True)
        await page.look(("v0", row.id))
        await hall.until(lambda: len(hall.pictures) > 50)
        assert MARK not in marks(page.pictures())


async def test_pieces_of_a_picture_go_singly_to_who_takes_only_whole_ones(
    shard: Shard, exchange: AnExchange
) -> None:
    meeting_id, (a, b) = await shard.running("a", "b")
    page = await shard.join(meeting_id, a, camera=True)
    async with terminal(exchange, "simple", format="profile-level-id=42e01f") as simple:
        row = await sits(exchange, meeting_id, simple)
        assert "packetization-mode=0" in simple.remote_sdp
        await simple.until(lambda: {1, 5} <= {one.payload[0] & 31 for one in simple.pictures})
        assert {one.payload[0] & 31 for one in simple.pictures} == {1, 5, 7, 8}
        other = await shard.join(meeting_id, b)
        await other.say(type="device", camera=True)
        slice_ = b"\x65\x88" + other.mark + bytes(4000)
        cut = [slice_[1:][at : at + 1000] for at in range(0, len(slice_) - 1, 1000)]
        heads = [b"\x7c\x85", *[b"\x7c\x05"] * (len(cut) - 2), b"\x7c\x45"]
        pieces = [head + one for head, one in zip(heads, cut, strict=True)]
        other.shoot(other.site.camera(), [*picture(other.mark, keyframe=True)[:2], *pieces])
        await shard.command("give_floor", meeting_id, participant_id=b, given=True)
        await page.until(lambda: seat(page, row.id).get("unshown") == "packets")
        assert other.mark not in simple.marks()
        # Who sends fragments itself takes them, whatever it says.
        simple.send([head + bytes(400) for head in (b"\x7c\x85", b"\x7c\x45")])
        await simple.until(lambda: any(one.payload[:2] == b"\x7c\x85" for one in simple.pictures))


async def test_who_refuses_a_call_for_its_pictures_is_dialled_again_without(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, _ = await shard.running("a")
    async with (
        an_exchange(shard, tmp_path, dials_addresses=True) as exchange,
        terminal(exchange, "desk") as desk,
    ):
        seat = {"kind": "sip", "subject": f"sip:desk@127.0.0.1:{desk.port}", "name": "desk"}
        (participant_id,) = shard.write("invite", meeting_id, participants=[seat], invited_by="x")
        assert "m=video" in await desk.ring("488 Not Acceptable Here")
        desk.with_pictures = False
        assert "m=video" not in await desk.ring()
        await accept(desk)
        await shard.written(lambda: shard.rows.participant(participant_id).state == "connected")


async def test_pictures_that_are_switched_off_are_neither_offered_nor_taken(
    shard: Shard, tmp_path: Path
) -> None:
    meeting_id, _ = await shard.running("a")
    async with (
        an_exchange(shard, tmp_path, picture_kbps=0, dials_addresses=True) as exchange,
        terminal(exchange, "hall") as hall,
        terminal(exchange, "desk") as desk,
    ):
        await sits(exchange, meeting_id, hall)
        assert "m=video 0 " in hall.remote_sdp
        seat = {"kind": "sip", "subject": f"sip:desk@127.0.0.1:{desk.port}", "name": "desk"}
        shard.write("invite", meeting_id, participants=[seat], invited_by="x")
        assert "m=video" not in await desk.ring()
