"""What a camera's shard has recorded but not indexed yet: the newest minutes of every timeline."""

from __future__ import annotations

from gateway.api.processes import Processes
from gateway.control.channel import ControlError
from recorder.segments import Segment


async def read_open_segments(
    processes: Processes, camera_id: str
) -> tuple[list[Segment], str | None]:
    """The segments in the spool of the camera's shard; the shard's name if it is away."""
    shard = await processes.shard_of(camera_id)
    if shard is None:
        return [], None
    try:
        answer = await processes.client(shard).call(
            "spool.open_segments", source_id=f"{camera_id}/main"
        )
    except (ConnectionError, TimeoutError, ControlError):
        return [], shard
    return [Segment.from_message(message) for message in answer["segments"]], None
