"""What a camera's shard has recorded but not indexed yet: the newest minutes of every timeline."""

from __future__ import annotations

from gateway.api.processes import Processes
from gateway.control.channel import ControlError
from recorder.segments import Segment


async def read_open_segments(
    processes: Processes, camera_id: str
) -> tuple[list[Segment], str | None]:
    """The segments in the spool of the camera's shard, and in that of the one before it for as
    long as it may have any; the shard's name if it is away.
    """
    shard, before = await processes.holders_of(camera_id)
    found: list[Segment] = []
    silent = None
    for name in dict.fromkeys(one for one in (shard, before) if one):
        try:
            answer = await processes.client(name).call(
                "spool.open_segments", source_id=f"{camera_id}/main"
            )
        except (ConnectionError, TimeoutError, ControlError):
            silent = name if name == shard else silent
            continue
        found += [Segment.from_message(message) for message in answer["segments"]]
    return found, silent
