"""Asking the camera's shard to borrow what its device has, for a player that has come there."""

from __future__ import annotations

from typing import Any

from gateway.control.channel import ControlError
from gateway.footage.footage_ids import is_meeting
from gateway.footage.reader import FootageGone, FootageReader, FootageUnreadable, Shards

UNKNOWN = "no media process holds this camera at the moment: try again"


async def borrow(
    reader: FootageReader, shards: Shards, camera_id: str, at_us: int, end_us: int
) -> dict[str, Any]:
    """As :meth:`gateway.fetching.borrowing.Borrowing.borrow`. Raises FootageGone for a camera that
    no device brings, FootageUnreadable while the shard is away or has no place.
    """
    if is_meeting(camera_id):
        raise FootageGone("a meeting is recorded here and nowhere else")
    own = [one for one in await reader.sources_of(camera_id, "main") if one.owner]
    if not own:
        raise FootageUnreadable(UNKNOWN)
    owner = own[0].owner
    assert owner is not None
    try:
        answer: dict[str, Any] = await shards.call(
            owner, "fetch.borrow", camera_id=camera_id, at_us=at_us, end_us=end_us
        )
    except ControlError as error:
        if error.code == "not_found":
            raise FootageGone(str(error)) from None
        raise FootageUnreadable(str(error)) from None
    except (ConnectionError, TimeoutError):
        raise FootageUnreadable(UNKNOWN) from None
    return answer
