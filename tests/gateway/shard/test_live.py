"""The door of live view: which Stream a session is given, and that waiting opens no back door."""

from __future__ import annotations

import asyncio

import pytest

from camera_adapters.stream import Variant
from gateway.identifiers import now_us
from gateway.live.whep import SessionRefused
from gateway.shard.live import LiveDoor
from gateway.shard.sessions import LiveSessions
from gateway.tickets import Ticket, TicketSigner
from tests.gateway.shard.conftest import CAMERA, World

SIGNER = TicketSigner(bytes(32))


def ticket(variant: str, camera_id: str = CAMERA) -> str:
    expires_us = now_us() + 30_000_000
    return SIGNER.sign(
        Ticket(
            "ses_1", "usr_1", "chen", (camera_id,), variant, "live", None, None, expires_us, False
        )
    )


async def test_a_camera_that_nobody_records_is_pulled_for_its_viewer(world: World) -> None:
    await world.hold(world.source(Variant.SUB, recorded=False, name="gate/sub"))
    sessions = LiveSessions(SIGNER)
    stream, session = await LiveDoor(world.shard, sessions).for_webrtc(ticket("sub"))
    assert stream.running
    assert session.session_id == "ses_1"
    assert sessions.viewers()[CAMERA, Variant.SUB] == 1


async def test_a_camera_that_is_not_here_is_refused_and_leaves_no_session(world: World) -> None:
    sessions = LiveSessions(SIGNER)
    with pytest.raises(SessionRefused) as refused:
        await LiveDoor(world.shard, sessions).for_mse(ticket("main", "cam_other"))
    assert refused.value.status == 404
    assert len(sessions) == 0


async def test_who_is_revoked_while_waiting_for_a_picture_gets_none(world: World) -> None:
    for replay in world.cameras._replays:
        replay.silent = True
    await world.hold(world.source(Variant.SUB, recorded=False, name="gate/sub"))
    sessions = LiveSessions(SIGNER)
    waiting = asyncio.create_task(LiveDoor(world.shard, sessions).for_webrtc(ticket("sub")))
    await world.until_state("connecting")
    sessions.revoke(["ses_1"])
    for replay in world.cameras._replays:
        replay.silent = False
    with pytest.raises(SessionRefused) as refused:
        await waiting
    assert refused.value.code == "revoked"
    assert len(sessions) == 0
