"""Pictures that a roll call keeps of who is called."""

from __future__ import annotations

from gateway.api.meeting_pictures import Sitter, keep_pictures
from gateway.control.channel import ControlError, ControlServer, control_path
from gateway.secrets import cluster_secret
from tests.gateway.api.conftest import County


async def test_who_sends_no_picture_yet_is_asked_once_more(county: County) -> None:
    asked = []

    async def snapshot(meeting_id: str, participant_id: str) -> None:
        asked.append(participant_id)
        raise ControlError("no_picture", "this site sends no picture")

    settings = county.services.settings
    path = control_path(settings, "shard-1")
    server = ControlServer(path, cluster_secret(settings), {"meetings.snapshot": snapshot})
    await server.start()
    try:
        sitters = [Sitter("mpt_1", "彭墩村"), Sitter("mpt_2", "九里村")]
        kept = await keep_pictures(county.services, "shard-1", "mtg_1", "rcl_1", sitters, "chair")
    finally:
        await server.close()
    assert (kept, sorted(asked)) == (0, ["mpt_1", "mpt_1", "mpt_2", "mpt_2"])
