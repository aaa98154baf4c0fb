"""Hardware codecs: what they send by WHIP is a site like any other, what they show goes by WHEP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator

import pytest

from gateway.database.audit_tables import audit_log
from gateway.meetings.door import WRONG_TOKENS_A_MINUTE
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import NAME, Shard, a_shard, marks, picture
from tests.peers.meeting_site import MeetingSite

TOKEN = "a device's token"


@pytest.fixture
async def shard(rows: Rows) -> AsyncIterator[Shard]:
    async with a_shard(rows) as made:
        yield made


async def with_device(shard: Shard) -> tuple[str, str, str]:
    """A meeting, a village in it, and a device."""
    meeting_id = shard.rows.called()
    (a,) = shard.rows.invite(meeting_id, "a")
    device = {
        "kind": "whip", "subject": "", "name": "会议终端",
        "token_hash": hashlib.sha256(TOKEN.encode()).hexdigest(),
    }  # fmt: skip
    (device_id,) = shard.rows.write(
        "meetings.invite", meeting_id=meeting_id, participants=[device], invited_by="x"
    )
    await shard.command("start", meeting_id, shard=NAME)
    return meeting_id, a, device_id


async def post(
    shard: Shard, path: str, offer: str, token: str = TOKEN, address: str = "127.0.0.1"
) -> tuple[int, str, str]:
    async with shard.http.post(
        f"{shard.base}/meeting/{path}",
        data=offer.encode(),
        headers={
            "Content-Type": "application/sdp",
            "Authorization": f"Bearer {token}",
            "X-Forwarded-For": address,
        },
    ) as response:
        return response.status, await response.text(), response.headers.get("Location", "")


async def test_a_device_is_seen_by_whip_and_sees_the_program_by_whep(shard: Shard) -> None:
    meeting_id, a, device_id = await with_device(shard)
    page = await shard.join(meeting_id, a, camera=True, microphone=True)
    await shard.command("give_floor", meeting_id, participant_id=a, given=True)
    sending = MeetingSite(video_slots=0, sound_slots=0)
    status, answer, location = await post(shard, "whip", sending.offer)
    assert status == 201
    await sending.connect(answer)
    (record,) = shard.rows.all(audit_log, audit_log.c.action == "meeting.join")
    detail = json.loads(record.detail)
    assert (detail["participant"], detail["device"]) == (device_id, "whip")
    receiving = MeetingSite(video_slots=1, sound_slots=1)
    status, answer, _ = await post(shard, "whep", receiving.offer)
    assert status == 201
    await receiving.connect(answer)
    await receiving.until(lambda: page.mark in marks(receiving.in_slot("v0")), 30)
    await receiving.until(lambda: page.mark in marks(receiving.in_slot("a0")), 30)
    await page.look(("v0", device_id))
    camera = sending.camera()
    page.shoot(camera, picture(b"whip", keyframe=True))
    await page.site.until(lambda: b"whip" in marks(page.site.in_slot("v0")), 30)
    # Both connections are one participant, present once.
    await shard.written(lambda: len(shard.rows.spans(device_id)) == 1)
    async with shard.http.delete(f"{shard.base}/meeting/{location}") as response:
        assert response.status == 200
    room = shard.rooms.rooms[meeting_id]
    assert device_id not in room.members and f"{device_id}/listens" in room.members
    (span,) = shard.rows.spans(device_id)
    assert span.left_us is None
    sending.close()
    receiving.close()


async def test_a_device_is_told_of_relays_with_an_account_of_its_own(shard: Shard) -> None:
    _, _, device_id = await with_device(shard)
    async with shard.http.post(
        f"{shard.base}/meeting/whip",
        data=MeetingSite(video_slots=0, sound_slots=0).offer.encode(),
        headers={"Content-Type": "application/sdp", "Authorization": f"Bearer {TOKEN}"},
    ) as response:
        assert response.status == 201
        assert f':{device_id}"; credential="' in response.headers["Link"]


async def test_a_wrong_token_opens_nothing_and_is_written_down(shard: Shard) -> None:
    await with_device(shard)
    status, _, _ = await post(shard, "whip", MeetingSite().offer, "wrong")
    assert status == 403
    assert shard.refused == ["a device's token opens no running meeting"]


async def test_who_tries_tokens_is_soon_not_looked_at_any_more_and_harms_no_other(
    shard: Shard,
) -> None:
    await with_device(shard)
    for _ in range(WRONG_TOKENS_A_MINUTE):
        assert (await post(shard, "whip", MeetingSite().offer, "wrong"))[0] == 403
    status, text, _ = await post(shard, "whip", MeetingSite().offer)
    assert status == 429 and "try again in" in text
    assert len(shard.refused) == WRONG_TOKENS_A_MINUTE
    # A device elsewhere is not kept waiting.
    offer = MeetingSite(video_slots=0, sound_slots=0).offer
    status, _, _ = await post(shard, "whip", offer, address="192.0.2.7")
    assert status == 201


async def test_an_offer_that_sends_nothing_is_refused_with_the_reason(shard: Shard) -> None:
    meeting_id, _, _ = await with_device(shard)
    site = MeetingSite(video_slots=0, sound_slots=0)
    offer = site.offer.replace("a=sendonly", "a=recvonly")
    status, text, _ = await post(shard, "whip", offer)
    assert status == 422 and "sends nothing" in text
    assert shard.rooms.rooms[meeting_id].members == {}
    assert shard.conference.peers == []


async def test_a_device_that_is_removed_is_gone(shard: Shard) -> None:
    meeting_id, _, device_id = await with_device(shard)
    site = MeetingSite(video_slots=0, sound_slots=0)
    status, answer, _ = await post(shard, "whip", site.offer)
    assert status == 201
    await site.connect(answer)
    await shard.command("remove", meeting_id, participant_id=device_id)
    assert shard.conference.peers == []
    assert (await post(shard, "whip", site.offer))[0] == 403
    site.close()


async def test_a_lock_keeps_out_a_device_that_was_never_in(shard: Shard) -> None:
    meeting_id, _, device_id = await with_device(shard)
    await shard.command("lock", meeting_id, locked=True)
    site = MeetingSite(video_slots=0, sound_slots=0)
    for way in ("whip", "whep"):
        status, text, _ = await post(shard, way, site.offer)
        assert status == 403 and "meeting_locked" in text
    await shard.command("lock", meeting_id, locked=False)
    _, answer, _ = await post(shard, "whip", site.offer)
    await site.connect(answer)
    await shard.written(lambda: shard.rows.participant(device_id).state == "connected")
    # Who was in comes back in.
    await shard.command("lock", meeting_id, locked=True)
    again = MeetingSite(video_slots=0, sound_slots=0)
    assert (await post(shard, "whip", again.offer))[0] == 201
    site.close()


async def test_without_token_or_offer_the_device_is_told_what_is_missing(shard: Shard) -> None:
    url = f"{shard.base}/meeting/whip"
    async with shard.http.post(url, data=b"v=0", headers={"Content-Type": "application/sdp"}) as r:
        assert r.status == 401
    async with shard.http.post(url, data=b"{}") as r:
        assert r.status == 415
    async with shard.http.get(url) as r:
        assert r.status == 405
    async with shard.http.delete(f"{url}/none") as r:
        assert r.status == 404
