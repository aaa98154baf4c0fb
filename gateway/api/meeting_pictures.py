"""Pictures of who sits in a meeting: one at a time, or of all sites within a minute."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from gateway.api.services import Services
from gateway.control.channel import ControlError
from gateway.identifiers import now_us
from gateway.live.snapshot import Keyframe
from gateway.meetings.kept import STORE_PREFIX, keep
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.errors import TranscodeError
from gateway.watermark import picture_lines
from recorder.rows import RowError
from recorder.stores import StoreError

_log = structlog.get_logger(__name__)

WIDTH = 640
# A site that was not looked at has to begin to send first: most of the time is waiting.
_AT_ONCE = 32
# A first picture may be late by a line that is just being joined, or a transcoder that restarts.
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Sitter:
    """Whom to picture: the participant, and what is written into the picture."""

    participant_id: str
    name: str


class NoPicture(Exception):
    """There is none of them now; the message says why."""


async def picture(
    services: Services, shard: str, meeting_id: str, sitter: Sitter, viewer: str
) -> tuple[bytes, int]:
    """A JPEG of what they send now, with when that was. Raises NoPicture."""
    try:
        message = await services.processes.client(shard).call(
            "meetings.snapshot", meeting_id=meeting_id, participant_id=sitter.participant_id
        )
        newest = Keyframe.from_message(message)
        transcoder = TranscoderClient(*services.processes.transcoders())
        lines = picture_lines(sitter.name, viewer, newest.unit.wall_us)
        jpeg = await transcoder.picture(newest.track, [newest.unit], width=WIDTH, lines=lines)
    except (ControlError, TranscodeError, ConnectionError, TimeoutError) as error:
        raise NoPicture(str(error)) from None
    return jpeg, newest.unit.wall_us


async def keep_pictures(
    services: Services,
    shard: str,
    meeting_id: str,
    roll_call_id: str,
    sitters: Sequence[Sitter],
    viewer: str,
) -> int:
    """Picture them for a roll call, many at once; gives of how many there is a picture. Whoever
    sends none is left out, and the log says why.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(sitter: Sitter) -> bool:
        async with places:
            try:
                jpeg, at_us = await _picture_at_last(services, shard, meeting_id, sitter, viewer)
                folder = f"{STORE_PREFIX}{meeting_id}/{roll_call_id}"
                key = f"{folder}/{sitter.participant_id}-{now_us()}.jpg"
                store = services.storage.store
                await keep(store, key, jpeg)
                before = await services.rows.write(
                    "roll_calls.picture", roll_call_id=roll_call_id,
                    participant_id=sitter.participant_id, key=key, at_us=at_us,
                )  # fmt: skip
                if before is not None:
                    await store.delete([before])
            except (NoPicture, StoreError, OSError, RowError) as error:
                _log.info("no picture for a roll call", site=sitter.name, why=str(error))
                return False
            return True

    return sum(await asyncio.gather(*(one(sitter) for sitter in sitters)))


async def _picture_at_last(
    services: Services, shard: str, meeting_id: str, sitter: Sitter, viewer: str
) -> tuple[bytes, int]:
    for _ in range(_TRIES - 1):
        with contextlib.suppress(NoPicture):
            return await picture(services, shard, meeting_id, sitter, viewer)
    return await picture(services, shard, meeting_id, sitter, viewer)
