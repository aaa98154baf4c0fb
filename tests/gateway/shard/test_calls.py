"""What the shard answers other processes."""

from __future__ import annotations

import asyncio
from typing import Any

from camera_adapters.stream import Variant
from gateway.live.snapshot import Snapshots
from gateway.masks import Polygons
from gateway.shard.calls import media_calls
from tests.gateway.shard.conftest import CAMERA, World

MASKS: Polygons = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)


class Transcoder:
    """Remembers with which masks it was asked."""

    def __init__(self) -> None:
        self.masks: list[Polygons] = []

    async def picture(self, *_: object, masks: Polygons, **__: object) -> bytes:
        self.masks.append(masks)
        return b"jpeg"


async def test_masks_drawn_while_a_camera_is_waited_for_are_in_the_snapshot(world: World) -> None:
    for replay in world.cameras._replays:
        replay.silent = True
    await world.hold(world.source(Variant.SUB, recorded=False, name="gate/sub"))
    transcoder: Any = Transcoder()
    jpeg = media_calls(world.shard, Snapshots(transcoder))["snapshot.jpeg"]
    asked = {"camera_id": CAMERA, "width": None, "camera": "gate", "viewer": "chen"}
    masked = asyncio.create_task(jpeg(**asked, may_lift_masks=False))
    lifted = asyncio.create_task(jpeg(**asked, may_lift_masks=True))
    await world.until_state("connecting")
    world.shard.derived.cover({CAMERA: MASKS})
    for replay in world.cameras._replays:
        replay.silent = False
    assert (await masked, await lifted) == (b"jpeg", b"jpeg")
    assert sorted(transcoder.masks) == [(), MASKS]
