"""The duty roster and the seats of the hotline: who may put whom there, and who sees it."""

from __future__ import annotations

from typing import Any

from gateway.identifiers import US_PER_S, now_us
from tests.gateway.api.accounts import audited
from tests.gateway.api.conftest import County

HOUR_US = 3600 * US_PER_S


def shift(county: County, user: str, **fields: Any) -> dict[str, Any]:
    """Eight hours from now on."""
    at_us = now_us()
    return {
        "area_id": county.village, "user_id": county.users[user], "post": "leader",
        "start_us": at_us, "end_us": at_us + 8 * HOUR_US, "phone": "0724-110", **fields,
    }  # fmt: skip


async def test_a_duty_is_put_changed_and_taken_back_on_record(county: County) -> None:
    await county.user("desk", "agent", county.town)
    await county.user("clerk", "operator", county.village)
    during = {"start_us": now_us(), "end_us": now_us() + HOUR_US}
    async with await county.sign_in("desk") as desk:
        assert (await desk.put("/api/duty/new", json=shift(county, "clerk"))).status_code == 204
        (listed,) = (await desk.get("/api/duty", params=during)).json()["items"]
        assert (listed["user"]["name"], listed["post"]) == ("clerk!", "leader")
        changed = shift(county, "clerk", post="handler")
        assert (await desk.put(f"/api/duty/{listed['id']}", json=changed)).status_code == 204
        (listed,) = (await desk.get("/api/duty", params=during)).json()["items"]
        assert listed["post"] == "handler"
        later = {"start_us": now_us() + 9 * HOUR_US, "end_us": now_us() + 10 * HOUR_US}
        assert (await desk.get("/api/duty", params=later)).json()["items"] == []
        assert (await desk.delete(f"/api/duty/{listed['id']}")).status_code == 204
        assert (await desk.get("/api/duty", params=during)).json()["items"] == []
    assert len(await audited(county, "duty.put")) == 2
    assert len(await audited(county, "duty.delete")) == 1


async def test_a_roster_is_for_who_dispatches_there(county: County) -> None:
    await county.user("desk", "agent", county.town)
    await county.user("clerk", "operator", county.village)
    async with await county.sign_in("clerk") as clerk, await county.sign_in("desk") as desk:
        refused = await clerk.put("/api/duty/new", json=shift(county, "clerk"))
        assert refused.status_code == 403
        foreign = shift(county, "clerk", area_id=county.other_town)
        assert (await desk.put("/api/duty/new", json=foreign)).status_code in (403, 404)
        backwards = shift(county, "clerk", end_us=now_us() - HOUR_US)
        assert (await desk.put("/api/duty/new", json=backwards)).status_code == 422


async def test_a_seat_is_taken_and_left_and_seen_where_incidents_are_read(county: County) -> None:
    await county.user("desk", "agent", county.town)
    await county.user("chief", "agent", county.root)
    await county.user("elsewhere", "agent", county.other_town)
    seat = {"area_id": county.town, "state": "ready"}
    async with await county.sign_in("desk") as desk, await county.sign_in("chief") as chief:
        assert (await desk.put("/api/agents/self", json=seat)).status_code == 204
        (seen,) = (await chief.get("/api/agents")).json()["items"]
        assert (seen["user"]["name"], seen["state"]) == ("desk!", "ready")
        await desk.put("/api/agents/self", json={**seat, "state": "talking"})
        (seen,) = (await desk.get("/api/agents")).json()["items"]
        assert seen["state"] == "talking"
        async with await county.sign_in("elsewhere") as elsewhere:
            assert (await elsewhere.get("/api/agents")).json()["items"] == []
            assert (await elsewhere.put("/api/agents/self", json=seat)).status_code in (403, 404)
        await desk.put("/api/agents/self", json={**seat, "state": None})
        assert (await chief.get("/api/agents")).json()["items"] == []
