"""Sites whose network lets no UDP through: by a real TURN server, with TLS."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Iterator
from pathlib import Path

import aioice.stun
import pytest

from camera_adapters.webrtc import ice_lite
from gateway.identifiers import US_PER_S, now_us
from gateway.live.ice_servers import IceAccess, ice_access
from gateway.settings import IceServer
from tests.gateway.meetings.a_county import Rows
from tests.gateway.meetings.a_shard import Page, a_shard
from tests.peers.coturn import TurnServer, running_turn_server
from tests.peers.relayed_site import RelayedSite

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[TurnServer]:
    with running_turn_server(tmp_path) as server:
        yield server


def relayed(turn: TurnServer, name: str, *, tls: bool = True) -> RelayedSite:
    """A site with an account as the gateway makes it."""
    [access] = ice_access([IceServer.model_validate(turn.settings())], name)
    return RelayedSite(turn, access, tls=tls, video_slots=3, sound_slots=3)


async def test_sites_behind_one_relay_join_and_are_heard_until_it_is_gone(
    rows: Rows, turn: TurnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ice_lite, "CONSENT_S", 5.0)
    async with a_shard(rows) as shard:
        meeting_id, ids = await shard.running("a", "b", "c")
        sites = [relayed(turn, "ses_a"), relayed(turn, "ses_b", tls=False), None]
        pages: list[Page] = []
        checking: list[asyncio.Task[None]] = []
        for who, site in zip(ids, sites, strict=True):
            page = await shard.join(meeting_id, who, site, camera=True, microphone=True)
            checking.append(asyncio.create_task(_check_for_ever(page)))
            pages.append(page)
        # For us, peers at one address: the relay's, with a port for each.
        paths = [peer.transport.path for peer in shard.conference.peers]
        places = {path[1][:2] for path in paths if path is not None}
        assert {one.relayed_address for one in sites if one is not None} < places
        assert [address for address, _ in places].count(turn.relay_address) == 2

        for page in pages:
            await page.look(*zip(("v0", "v1", "v2"), ids, strict=True))
        for page in pages:
            for slot, other in zip(("v0", "v1", "v2"), pages, strict=True):
                if other is not page:
                    await page.sees(other, slot)
                    await page.listens_to(other)

        turn.stop()
        # Their checks stay away: nothing more is sent to where nobody asked for it.
        await pages[0].hears("end", reason="media_lost")
        await pages[1].hears("end", reason="media_lost")
        assert len(shard.conference.peers) == 1
        assert pages[2].newest("end") is None
        for task in checking:
            task.cancel()


async def _check_for_ever(page: Page) -> None:
    while True:
        await asyncio.sleep(0.5)
        page.site.check()


async def test_the_relay_reaches_nobody_but_the_media_port(rows: Rows, turn: TurnServer) -> None:
    async with a_shard(rows) as shard:
        meeting_id, [who] = await shard.running("a")
        site = relayed(turn, "ses_a")
        await shard.join(meeting_id, who, site)
        for forbidden in ("127.0.0.2", "10.1.2.3", "169.254.169.254"):
            site.errors.clear()
            site.send_to(b"\0" * 20, (forbidden, 80))
            await site.until(lambda: bool(site.errors))
            [error] = site.errors
            assert isinstance(error, aioice.stun.TransactionFailed)
            assert error.response.attributes["ERROR-CODE"][0] == 403


@pytest.mark.parametrize("fault", ["over", "forged", "none"])
async def test_the_relay_is_not_for_everybody(turn: TurnServer, fault: str) -> None:
    account = IceAccess([])
    if fault != "none":
        until_s = now_us() // US_PER_S + (-1 if fault == "over" else 600)
        username = f"{until_s}:ses_a"
        secret = turn.secret if fault == "over" else "guessed"
        mac = hmac.digest(secret.encode(), username.encode(), "sha1")
        account = IceAccess([], username, base64.b64encode(mac).decode())
    with pytest.raises(aioice.stun.TransactionFailed, match="401"):
        await RelayedSite(turn, account)._open()
