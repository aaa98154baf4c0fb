"""Live from the scene: what a telephone offers is published in the place of its camera.

The API has asked who it is; the camera's key stays within the cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from camera_adapters.webrtc.offer_answering import OfferRefused
from gateway.control.channel import ControlError
from gateway.live.whip import WhipEndpoint
from gateway.sources.push_door import PushDoor


def scene_calls(door: PushDoor, whip: WhipEndpoint) -> dict[str, Callable[..., Any]]:
    """``scene.publish``: the SDP answer; refused with ``not_here`` while the shard does not hold
    the camera, else as OfferRefused.
    """

    async def publish(camera_id: str, offer: str, address: str | None) -> str:
        slot = door.held(camera_id)
        if slot is None:
            raise ControlError("not_here", "this camera is not held here")
        try:
            _, answer = whip.publish(slot, offer, address)
        except OfferRefused as refusal:
            raise ControlError(refusal.code, str(refusal)) from None
        return answer

    return {"scene.publish": publish}
