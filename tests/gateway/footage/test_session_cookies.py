from __future__ import annotations

from gateway.footage.sessions import COOKIE_PREFIX, COOKIES_LIMIT


async def test_the_newest_session_counts_however_many_were_opened(world, h264) -> None:
    """A wall that replays all day opens many; a browser sends the oldest cookies first."""
    await world.record(h264.tracks, h264.units[:40])
    for number in range(COOKIES_LIMIT * 2):
        answer = await world.open(session_id=f"ses_{number}")
        assert answer.status_code == 201
        assert (await world.get("/runs/none/init.mp4")).status_code == 404
    kept = [name for name in world.http.cookies if name.startswith(COOKIE_PREFIX)]
    assert len(kept) == COOKIES_LIMIT
    assert f"{COOKIE_PREFIX}ses_{COOKIES_LIMIT * 2 - 1}" in kept
    assert (await world.index())["fragments"]["number"]
