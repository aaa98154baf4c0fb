"""The footage server's HTTP, as docs/http-api.md lists it under "Timeline and playback"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.audit.watching import FootageWatched
from gateway.footage.asked_footage import TIME_LIMIT_US, AskedFootage, integer_of
from gateway.footage.borrowing import borrow
from gateway.footage.download_route import Downloads
from gateway.footage.errors import BadParameter, with_errors
from gateway.footage.export_rights import Exports
from gateway.footage.fragments import FragmentMaker
from gateway.footage.frames import WIDTH_LIMIT, FrameMaker
from gateway.footage.hls import HLS_SPAN_LIMIT_US, media_playlist
from gateway.footage.parts import part_response, unsatisfiable, wanted_part
from gateway.footage.playback_index import (
    Range,
    build_index,
    keyframes_in,
    page_of,
)
from gateway.footage.privacy import Privacy
from gateway.footage.reader import FootageGone, FootageReader, Located, Shards
from gateway.footage.session_cookie import set_session_cookie
from gateway.footage.sessions import PlaybackSession, PlaybackSessions, SessionRefused
from gateway.footage.transcoding import PlaybackTranscoding
from gateway.identifiers import US_PER_S
from gateway.masks import Polygons, footage_path
from gateway.transcoder.errors import TranscodeError

KEYFRAMES_LIMIT = 5000
KEYFRAMES_SPAN_LIMIT_US = 24 * 3600 * US_PER_S
_BODY_BYTES_LIMIT = 16 * 1024
_IMMUTABLE = "private, max-age=31536000, immutable"


@dataclass(slots=True)
class FootageServer:
    """What the routes work with. ``name`` is the process's, and part of every path."""

    name: str
    reader: FootageReader
    fragments: FragmentMaker
    frames: FrameMaker
    transcoding: PlaybackTranscoding
    privacy: Privacy
    shards: Shards
    asked: AskedFootage
    downloads: Downloads

    def routes(self) -> list[Route]:
        """Everything below ``/s/{name}``."""
        # The second for sessions that see masked footage; see gateway.masks.footage_path.
        cameras = ("/playback/{camera_id}", "/masked/{covered:int}/{camera_id}")
        get = [
            ("/index", self.index),
            ("/keyframes", self.keyframes),
            ("/runs/{run_id}/init.mp4", self.initialisation),
            ("/segments/{segment_id}/fragments/{first:int}-{last:int}.m4s", self.media),
            ("/segments/{segment_id}/keyframes/{number:int}.m4s", self.keyframe),
            ("/segments/{segment_id}/segment.mp4", self.segment),
            ("/frame.jpg", self.frame),
            ("/mp4", self.downloads.mp4),
            ("/hls/index.m3u8", self.hls),
            ("/transcode/runs/{run_id}/init.mp4", self.transcoded_initialisation),
            (
                "/transcode/segments/{segment_id}/fragments/{first:int}-{last:int}.m4s",
                self.transcoded_media,
            ),
            (
                "/transcode/segments/{segment_id}/keyframes/{number:int}.m4s",
                self.transcoded_keyframe,
            ),
        ]
        return [
            Route("/sessions", with_errors(self.open_session), methods=["POST"]),
            *(
                Route(camera + "/borrow", with_errors(self.borrow), methods=["POST"])
                for camera in cameras
            ),
            *(
                Route(camera + path, with_errors(endpoint))
                for camera in cameras
                for path, endpoint in get
            ),
        ]

    async def revoke(self, session_ids: list[str]) -> int:
        """End these sessions; their next request is refused."""
        ended = self.asked.sessions.revoke(session_ids)
        self.asked.watched.ended(session_ids)
        await self.transcoding.release(set(session_ids))
        return ended

    # ---- sessions

    async def open_session(self, request: Request) -> Response:
        """``POST /sessions`` ``{ticket}``: the session's cookie, for this server's paths."""
        body = await request.body()
        try:
            ticket = json.loads(body)["ticket"] if len(body) <= _BODY_BYTES_LIMIT else None
        except (ValueError, TypeError, KeyError):
            ticket = None
        if not isinstance(ticket, str):
            raise BadParameter("ticket", 'send {"ticket": …} as JSON')
        session, cookie = await self.asked.sessions.open(ticket)
        response = JSONResponse(
            {
                "session_id": session.id,
                "start_us": session.range.start_us,
                "end_us": session.range.end_us,
                "cameras": [
                    {
                        "camera_id": one,
                        "base_url": footage_path(
                            self.name, one, await self.privacy.covered_as(one, session)
                        ),
                    }
                    for one in session.ticket.camera_ids
                ],
            },
            201,
            {"Cache-Control": "no-store"},
        )
        set_session_cookie(request, response, self.asked.sessions, self.name, session.id, cookie)
        return response

    # ---- what there is

    async def index(self, request: Request) -> Response:
        """``/index``."""
        camera_id, session, wanted = await self.asked.range_of(request, TIME_LIMIT_US)
        page, next_us = page_of(wanted)
        items = await self.reader.between(camera_id, session.variant, page.start_us, page.end_us)
        gaps = await self.reader.gaps_between(
            camera_id, session.variant, page.start_us, page.end_us, items
        )
        document = await asyncio.to_thread(build_index, items, page, gaps, next_us)
        covered = await self.privacy.covered_as(camera_id, session)
        if session.transcode_h265 or covered:
            by_id = {item.run.id: item.run for item in items}
            for run in document["runs"]:
                if covered or by_id[run["run_id"]].video_codec == "h265":
                    run["transcode"] = True
                    run["mime"] = await self.transcoding.mime(by_id[run["run_id"]])
        return JSONResponse(document, headers={"Cache-Control": "no-store"})

    async def borrow(self, request: Request) -> Response:
        """``POST /borrow?at_us=``: have what the camera's device holds from there on fetched."""
        at_us = integer_of(request, "at_us")
        camera_id, session = await self.asked.find(request, Range(at_us, at_us + 1))
        if Range(at_us, at_us + 1).clipped(session.range).empty:
            raise SessionRefused(403, "not_allowed", "this session does not reach to that time")
        answer = await borrow(self.reader, self.shards, camera_id, at_us, session.range.end_us)
        return JSONResponse(answer, 202, {"Cache-Control": "no-store"})

    async def keyframes(self, request: Request) -> Response:
        """``/keyframes``."""
        camera_id, session, wanted = await self.asked.range_of(request, KEYFRAMES_SPAN_LIMIT_US)
        limit = integer_of(request, "limit", default=1000, least=1, most=KEYFRAMES_LIMIT)
        items = await self.reader.between(
            camera_id, session.variant, wanted.start_us, wanted.end_us
        )
        found = await asyncio.to_thread(keyframes_in, items, wanted, limit)
        return JSONResponse({"items": found}, headers={"Cache-Control": "no-store"})

    async def hls(self, request: Request) -> Response:
        """``/hls/index.m3u8``."""
        camera_id, session, wanted = await self.asked.range_of(request, HLS_SPAN_LIMIT_US)
        items = await self.reader.between(
            camera_id, session.variant, wanted.start_us, wanted.end_us
        )
        ticket = request.query_params.get("ticket")
        covered = bool(await self.privacy.covered_as(camera_id, session))
        playlist = await asyncio.to_thread(media_playlist, items, wanted, ticket, covered)
        if "#EXTINF" not in playlist:
            raise FootageGone("there is no footage in that range: see the timeline's gaps")
        return Response(
            playlist,
            media_type="application/vnd.apple.mpegurl",
            headers={"Cache-Control": "no-store"},
        )

    # ---- media

    async def initialisation(self, request: Request) -> Response:
        """``/runs/{run_id}/init.mp4``."""
        session, run = await self.asked.run_of(request)
        await self.privacy.require_uncovered(request.path_params["camera_id"], session)
        return _media(self.fragments.initialisation(run), f"i-{run.id}", request)

    async def media(self, request: Request) -> Response:
        """``/segments/{segment_id}/fragments/{first}-{last}.m4s``."""
        located, session, first, last = await self.asked.fragments_of(request)
        await self.privacy.require_uncovered(request.path_params["camera_id"], session)
        tag = f"f-{located.segment.id}-{first}-{last}"
        if _unchanged(request, tag):
            return _not_modified(tag)
        return _media(await self.fragments.fragments(located, first, last), tag, request)

    async def keyframe(self, request: Request) -> Response:
        """``/segments/{segment_id}/keyframes/{number}.m4s``."""
        located, session, number, _ = await self.asked.fragments_of(request)
        await self.privacy.require_uncovered(request.path_params["camera_id"], session)
        tag = f"k-{located.segment.id}-{number}"
        if _unchanged(request, tag):
            return _not_modified(tag)
        return _media(await self.fragments.keyframe(located, number), tag, request)

    async def segment(self, request: Request) -> Response:
        """``/segments/{segment_id}/segment.mp4``: the recorded object, by byte ranges (HLS)."""
        located = await self.asked.segment_of(request, 0)
        segment = located.segment
        tag = f"s-{segment.id}-{segment.size_bytes}"
        part = wanted_part(request, segment.size_bytes, tag)
        if part is None:
            return unsatisfiable(segment.size_bytes)
        touched = [
            item
            for item in located.fragments
            if item.offset < part.end and item.offset + item.size_bytes > part.start
        ]
        for item in touched[:1] + touched[-1:]:
            camera_id, session = await self.asked.permit(
                request, item.start_us, item.start_us + item.duration_us
            )
            await self.privacy.require_uncovered(camera_id, session)
        if touched:
            last = touched[-1]
            self.asked.shown(
                session, camera_id, touched[0].start_us, last.start_us + last.duration_us
            )
        else:
            camera_id, session = await self.asked.find(request, None)
            await self.privacy.require_uncovered(camera_id, session)
        taken = _pieces(self.reader, located, part.start, part.end)
        return part_response(request, taken, part, tag, {"Cache-Control": _IMMUTABLE})

    async def frame(self, request: Request) -> Response:
        """``/frame.jpg``."""
        at_us = integer_of(request, "at_us")
        width = integer_of(request, "width", default=0, least=0, most=WIDTH_LIMIT)
        exact = request.query_params.get("exact", "true") not in ("false", "0")
        camera_id, session = await self.asked.permit(request, at_us, at_us + 1)
        self.asked.shown(session, camera_id, at_us, at_us + 1)
        jpeg = await self.frames.picture(
            camera_id,
            session.variant,
            at_us,
            width=width or None,
            exact=exact,
            masks=await self.privacy.masks(camera_id, session, at_us, at_us + 1),
            caption=await self.privacy.caption(camera_id, session),
        )
        # It names its viewer: the next who signs in at this browser gets another.
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    # ---- transcoded

    async def transcoded_initialisation(self, request: Request) -> Response:
        """``/transcode/runs/{run_id}/init.mp4``."""
        _, run = await self.asked.run_of(request)
        return _media(await self.transcoding.initialisation(run), f"ti-{run.id}", request)

    async def transcoded_media(self, request: Request) -> Response:
        """``/transcode/segments/{segment_id}/fragments/{first}-{last}.m4s``."""
        located, session, first, last = await self.asked.fragments_of(request)
        camera_id = request.path_params["camera_id"]
        viewer = (session.id, camera_id)
        masks = await self.privacy.masks_of(camera_id, session, [located])
        tag = f"tf-{located.segment.id}-{first}-{last}"
        if _unchanged(request, tag) and not masks:
            return _not_modified(tag)
        try:
            data = await self.transcoding.fragments(viewer, located, first, last, masks)
        except TranscodeError as error:
            # A live viewer took the place: ask for another, and say where in the queue.
            if error.code != "preempted":
                raise _unavailable(error, masks) from error
            data = await self.transcoding.fragments(viewer, located, first, last, masks)
        return await self._transcoded(data, tag, request, session, masks)

    async def transcoded_keyframe(self, request: Request) -> Response:
        """``/transcode/segments/{segment_id}/keyframes/{number}.m4s``."""
        located, session, number, _ = await self.asked.fragments_of(request)
        camera_id = request.path_params["camera_id"]
        viewer = (session.id, camera_id)
        masks = await self.privacy.masks_of(camera_id, session, [located])
        tag = f"tk-{located.segment.id}-{number}"
        if _unchanged(request, tag) and not masks:
            return _not_modified(tag)
        try:
            data = await self.transcoding.keyframe(viewer, located, number, masks)
        except TranscodeError as error:
            raise _unavailable(error, masks) from error
        return await self._transcoded(data, tag, request, session, masks)

    async def _transcoded(
        self,
        data: bytes,
        tag: str,
        request: Request,
        session: PlaybackSession,
        masks: Polygons,
    ) -> Response:
        """Kept by browsers where the address says what it shows: see gateway.masks.footage_path."""
        shown = await self.privacy.covered_as(request.path_params["camera_id"], session)
        if masks and request.path_params.get("covered") != shown:
            return Response(data, media_type="video/mp4", headers={"Cache-Control": "no-store"})
        return _media(data, f"{tag}-{shown}" if masks else tag, request)


def footage_server(
    name: str,
    reader: FootageReader,
    sessions: PlaybackSessions,
    fragments: FragmentMaker,
    frames: FrameMaker,
    transcoding: PlaybackTranscoding,
    exports: Exports,
    privacy: Privacy,
    watched: FootageWatched,
    shards: Shards,
) -> FootageServer:
    """A server of these parts."""
    asked = AskedFootage(reader, sessions, watched)
    downloads = Downloads(asked, exports, privacy, transcoding)
    return FootageServer(
        name,
        reader,
        fragments,
        frames,
        transcoding,
        privacy,
        shards,
        asked,
        downloads,
    )


def _unavailable(error: TranscodeError, masks: Polygons) -> Exception:
    """Where masks cannot be drawn there is nothing to see."""
    if masks and error.code == "unavailable":
        message = f"parts of this picture are masked, and nobody can draw the masks: {error}"
        return SessionRefused(503, "masked_unavailable", message)
    return error


def _unchanged(request: Request, tag: str) -> bool:
    return request.headers.get("if-none-match") == f'"{tag}"'


def _not_modified(tag: str) -> Response:
    return Response(None, 304, {"ETag": f'"{tag}"', "Cache-Control": _IMMUTABLE})


def _media(data: bytes, tag: str, request: Request) -> Response:
    if _unchanged(request, tag):
        return _not_modified(tag)
    return Response(
        data, media_type="video/mp4", headers={"ETag": f'"{tag}"', "Cache-Control": _IMMUTABLE}
    )


async def _pieces(
    reader: FootageReader, located: Located, start: int, end: int
) -> AsyncIterator[bytes]:
    step = 2 * 1024 * 1024
    for at in range(start, end, step):
        yield await reader.read(located, at, min(step, end - at))
