from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa

import gateway.people.account_rows  # noqa: F401
from gateway.footage.sessions import SESSION_LIFE_US, PlaybackSessions
from gateway.identifiers import now_us
from gateway.secrets import derive_key
from gateway.tickets import TicketSigner
from tests.gateway.footage.conftest import SECRET, START_US

INDEX = f"/index?start_us={START_US}&end_us={START_US + 10_000_000}"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_without_a_session_nothing_is_given(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    assert code(await world.get(INDEX)) == (401, "session_unknown")
    for path in ("/keyframes?start_us=0&end_us=9", "/hls/index.m3u8?start_us=0&end_us=9",
                 "/mp4?start_us=0&end_us=9", "/frame.jpg?at_us=1", "/runs/x/init.mp4",
                 "/segments/x/fragments/0-0.m4s", "/segments/x/keyframes/0.m4s",
                 "/segments/x/segment.mp4", "/transcode/runs/x/init.mp4",
                 "/transcode/segments/x/fragments/0-0.m4s",
                 "/transcode/segments/x/keyframes/0.m4s"):  # fmt: skip
        assert (await world.get(path)).status_code == 401, path


async def test_the_cookie_is_for_this_server_only(world) -> None:
    answer = await world.open()
    assert answer.status_code == 201
    assert answer.json()["cameras"] == [
        {"camera_id": "cam_one", "base_url": "/s/footage-1/playback/cam_one"}
    ]
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "Path=/s/footage-1;" in cookie
    assert "SameSite=strict" in cookie


async def test_expired_altered_and_foreign_tickets_are_refused(world) -> None:
    assert code(await world.open(expires_us=now_us() - 1)) == (401, "ticket_refused")
    altered = world.ticket().replace(".", "A.", 1)
    answer = await world.http.post(f"{world.base}/sessions", json={"ticket": altered})
    assert code(answer) == (401, "ticket_refused")
    foreign = TicketSigner(b"x" * 32).sign(world.signer.verify(world.ticket()))
    answer = await world.http.post(f"{world.base}/sessions", json={"ticket": foreign})
    assert code(answer) == (401, "ticket_refused")
    assert code(await world.open(action="live")) == (403, "not_allowed")
    assert code(await world.http.post(f"{world.base}/sessions", json=[1])) == (422, "invalid")


async def test_another_camera_is_not_found(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.record(h264.tracks, h264.units[:100], camera_id="cam_two")
    await world.open()
    other = await world.http.get(world.url(INDEX, "cam_two"))
    assert code(other) == (404, "not_found")
    # Nor does its footage come under a camera that is granted.
    (segment,) = {
        item.segment.id
        for item in await world.server.reader.between("cam_two", "main", START_US, START_US + 1)
    }
    assert code(await world.get(f"/segments/{segment}/fragments/0-0.m4s")) == (404, "not_found")
    run = (await world.server.reader.segment("cam_two", "main", segment)).run
    assert code(await world.get(f"/runs/{run.id}/init.mp4")) == (404, "not_found")


async def test_footage_outside_of_the_granted_minutes_is_refused(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:400])
    everything = await world.server.reader.between(
        "cam_one", "main", START_US, START_US + 40_000_000
    )
    await world.open(start_us=START_US, end_us=START_US + 5_000_000)
    index = await world.index()
    assert max(index["fragments"]["start_us"]) < START_US + 5_000_000
    last = everything[-1].segment.id
    assert code(await world.get(f"/segments/{last}/fragments/0-0.m4s")) == (403, "not_allowed")
    assert code(await world.get(f"/segments/{last}/keyframes/0.m4s")) == (403, "not_allowed")
    assert code(await world.get(f"/frame.jpg?at_us={START_US + 20_000_000}")) == (
        403,
        "not_allowed",
    )


async def test_a_masked_variant_never_falls_back_to_the_bare_one(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.open(variant="masked")
    assert (await world.index())["runs"] == []
    (item,) = await world.server.reader.between("cam_one", "main", START_US, START_US + 1)
    answer = await world.get(f"/segments/{item.segment.id}/fragments/0-0.m4s")
    assert code(answer) == (404, "not_found")


async def test_a_revoked_session_ends_at_once(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.open()
    assert (await world.get(INDEX)).status_code == 200
    assert await world.server.revoke(["ses_1"]) == 1
    assert (await world.get(INDEX)).status_code == 401
    assert code(await world.open()) == (403, "revoked")


async def test_it_outlives_its_ticket_and_the_server(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    expires_us = now_us() + 500_000
    await world.open(expires_us=expires_us)
    while now_us() <= expires_us:
        assert (await world.get(INDEX)).status_code == 200
    assert (await world.get(INDEX)).status_code == 200
    world.server.asked.sessions = PlaybackSessions(SECRET, world.engine)
    assert (await world.get(INDEX)).status_code == 200


async def test_a_restarted_server_knows_what_was_revoked_meanwhile(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.rows.write(
        "viewing.open",
        records=[],
        id="ses_1",
        user_id="usr_1",
        token_hash=None,
        process="footage-1",
        action="playback",
        camera_ids=["cam_one"],
    )
    await world.open()
    assert (await world.get(INDEX)).status_code == 200
    await world.rows.write("viewing.ended", session_ids=["ses_1"])
    world.server.asked.sessions = PlaybackSessions(SECRET, world.engine)
    assert (await world.get(INDEX)).status_code == 401


async def test_a_player_without_cookies_carries_its_ticket(world, h264) -> None:
    await world.record(h264.tracks, h264.units[:100])
    ticket = world.ticket()
    async with httpx.AsyncClient() as player:
        answer = await player.get(world.url(f"{INDEX}&ticket={ticket}"))
        assert answer.status_code == 200
    expired = world.ticket(expires_us=now_us() - 1, session_id="ses_late")
    async with httpx.AsyncClient() as player:
        answer = await player.get(world.url(f"{INDEX}&ticket={expired}"))
        assert code(answer) == (401, "ticket_refused")


async def test_a_ticket_that_is_carried_is_good_as_long_as_a_cookie(
    world, h264, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.record(h264.tracks, h264.units[:100])
    expires_us = now_us() + 30_000_000
    path = world.url(f"{INDEX}&ticket={world.ticket(expires_us=expires_us)}")
    async with httpx.AsyncClient() as player:
        assert (await player.get(path)).status_code == 200
        for late_us, expected in ((0, 200), (1, 401)):
            at_us = expires_us + SESSION_LIFE_US + late_us
            monkeypatch.setattr("gateway.footage.sessions.now_us", lambda at_us=at_us: at_us)
            assert (await player.get(path)).status_code == expected


async def test_two_sessions_side_by_side_each_keep_their_minutes(world, h264) -> None:
    await world.record(h264.tracks, h264.units)
    await world.open(session_id="ses_a", end_us=START_US + 10_000_000)
    await world.open(session_id="ses_b", start_us=START_US + 60_000_000)
    assert (await world.index(START_US, START_US + 9_000_000))["fragments"]["start_us"]
    later = await world.index(START_US + 60_000_000, START_US + 70_000_000)
    assert later["fragments"]["start_us"]
    middle = await world.get(
        f"/index?start_us={START_US + 20_000_000}&end_us={START_US + 30_000_000}"
    )
    assert code(middle) == (403, "not_allowed")


async def test_cookies_that_are_good_for_nothing_are_taken_back(world) -> None:
    signer = TicketSigner(derive_key(SECRET, "footage-sessions"))
    old = replace(world.signer.verify(world.ticket()), expires_us=now_us() - 1, session_id="old")
    world.http.cookies.set("gridsight_playback_old", signer.sign(old))
    answer = await world.open()
    taken = [c for c in answer.headers.get_list("set-cookie") if "gridsight_playback_old" in c]
    assert "Max-Age=0" in taken[0]


async def test_withdrawn_grants_end_downloads_of_open_sessions(world, h264, rows) -> None:
    await world.record(h264.tracks, h264.units[:100])
    await world.open()
    query = f"/mp4?start_us={START_US}&end_us={START_US + 5_000_000}"
    assert (await world.get(query)).status_code == 200
    with rows._engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM grants WHERE user_id = 'usr_1'"))
    assert code(await world.get(query)) == (403, "not_allowed")


async def test_the_newest_session_says_what_the_browser_plays(world, h265) -> None:
    await world.record(h265.tracks, h265.units[:50])
    await world.open(session_id="ses_old", variant="h264")
    await world.open(session_id="ses_new", variant="main")
    assert not (await world.index())["runs"][0]["transcode"]
    await world.open(session_id="ses_newest", variant="h264")
    assert (await world.index())["runs"][0]["transcode"]
