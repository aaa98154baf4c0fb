"""The route of downloads: MP4 made as it is read, for as long as the right to it lasts."""

from __future__ import annotations

import datetime
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.footage.asked_footage import AskedFootage
from gateway.footage.download import DOWNLOAD_SPAN_LIMIT_US, VirtualFile, plan_download
from gateway.footage.export_rights import Exports
from gateway.footage.masked_download import pieces, plan
from gateway.footage.parts import part_response, unsatisfiable, wanted_part
from gateway.footage.playback_index import Range
from gateway.footage.privacy import Privacy
from gateway.footage.sessions import PlaybackSession, SessionRefused
from gateway.footage.transcoding import PlaybackTranscoding
from gateway.identifiers import US_PER_S

_PLANS_KEPT = 8
# How long a download goes on at most after the right to it has gone.
_RECHECK_S = 2.0


@dataclass(frozen=True, slots=True)
class Downloads:
    """What a download needs. A player that asks for parts of one has its plan made once."""

    asked: AskedFootage
    exports: Exports
    privacy: Privacy
    transcoding: PlaybackTranscoding
    _plans: dict[tuple[str, str, Range], VirtualFile] = field(default_factory=dict)

    async def mp4(self, request: Request) -> Response:
        """``/mp4``: a download."""
        camera_id, session, wanted = await self.asked.range_of(request, DOWNLOAD_SPAN_LIMIT_US)
        await self.exports.permit(session, camera_id, wanted, _peer_address(request))
        covered = await self.privacy.covered_as(camera_id, session)
        if covered:
            return await self._masked_mp4(camera_id, session, wanted, covered)
        key = (camera_id, session.variant, wanted)
        plan = self._plans.get(key) if "range" in request.headers else None
        if plan is None:
            plan = await plan_download(self.asked.reader, camera_id, session.variant, wanted)
            while len(self._plans) >= _PLANS_KEPT:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = plan
        part = wanted_part(request, plan.size_bytes, plan.tag)
        if part is None:
            return unsatisfiable(plan.size_bytes)
        read = plan.read(self.asked.reader, part.start, part.end)
        taken = self._while_exported(read, camera_id, session, covered)
        name = f"{camera_id}_{_file_time(plan.start_us)}_{_file_time(plan.end_us)}.mp4"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-cache",
        }
        return part_response(request, taken, part, plan.tag, headers)

    async def _masked_mp4(
        self, camera_id: str, session: PlaybackSession, wanted: Range, covered: int
    ) -> Response:
        items = await self.asked.reader.between(
            camera_id, session.variant, wanted.start_us, wanted.end_us
        )
        batches = plan(items, wanted)
        masks = await self.privacy.masks(camera_id, session, wanted.start_us, wanted.end_us)
        # A place of its own: who downloads may go on watching.
        made = pieces(self.transcoding, (session.id, f"{camera_id} download"), batches, masks)
        first = await anext(made)
        name = f"{camera_id}_{_file_time(wanted.start_us)}_{_file_time(wanted.end_us)}.mp4"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        taken = self._while_exported(_after(first, made), camera_id, session, covered)
        return StreamingResponse(taken, 200, headers, media_type="video/mp4")

    async def _while_exported(
        self,
        taken: AsyncIterator[bytes],
        camera_id: str,
        session: PlaybackSession,
        covered: int,
    ) -> AsyncIterator[bytes]:
        """A download takes minutes: it breaks off when the right to it goes, or when other masks
        are drawn than those under which it began.
        """
        checked = time.monotonic()
        async for piece in taken:
            if time.monotonic() - checked >= _RECHECK_S:
                await self.asked.sessions.require_unrevoked(session)
                await self.exports.authorize(session, camera_id)
                if await self.privacy.covered_as(camera_id, session) != covered:
                    raise SessionRefused(403, "masked", "the masks were changed: download it again")
                checked = time.monotonic()
            yield piece


def _peer_address(request: Request) -> str | None:
    """Who asks: the pass-through in front says for whom."""
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[-1].strip()
    return forwarded or (request.client.host if request.client else None)


def _file_time(at_us: int) -> str:
    at = datetime.datetime.fromtimestamp(at_us // US_PER_S, datetime.UTC)
    return f"{at:%Y%m%dT%H%M%SZ}"


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
