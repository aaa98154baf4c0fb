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


def ticket(variant: str, camera_id: str = CAMERA, *, may_lift_masks: bool = False) -> str:
    return SIGNER.sign(
        Ticket(
            session_id="ses_1",
            user_id="usr_1",
            user_name="chen",
            camera_ids=(camera_id,),
            variant=variant,
            action="live",
            start_us=None,
            end_us=None,
            expires_us=now_us() + 30_000_000,
            may_lift_masks=may_lift_masks,
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


async def test_a_ticket_from_before_the_masks_were_drawn_opens_nothing(world: World) -> None:
    await world.hold(world.source(Variant.MAIN))
    sessions = LiveSessions(SIGNER)
    door = LiveDoor(world.shard, sessions)
    _, early = await door.for_mse(ticket("main"))
    world.shard.derived.cover({CAMERA: (((0, 0), (1, 0), (1, 1)),)})
    with pytest.raises(SessionRefused) as refused:
        await door.for_mse(ticket("main"))
    assert (refused.value.status, refused.value.code) == (503, "masked")
    # Who came before is found, to be sent away; who may see beneath masks is not.
    assert sessions.seeing_all_of(lambda camera_id: camera_id == CAMERA) == [early]
    early.ended("masks_changed")
    await door.for_mse(ticket("main", may_lift_masks=True))
    assert sessions.seeing_all_of(lambda _: True) == []
