"""What a request of the footage server asks for, and whether its session may have it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from gateway.audit.watching import FootageWatched
from gateway.footage.errors import BadParameter
from gateway.footage.fragments import check_numbers
from gateway.footage.playback_index import Range
from gateway.footage.reader import FootageReader, Located
from gateway.footage.sessions import PlaybackSession, PlaybackSessions, SessionRefused
from gateway.identifiers import US_PER_S
from recorder.segments import Run

TIME_LIMIT_US = 1 << 60


@dataclass(slots=True)
class AskedFootage:
    """Reads requests: everything that comes out of it may be shown to who asks."""

    reader: FootageReader
    sessions: PlaybackSessions
    watched: FootageWatched

    async def find(self, request: Request, wanted: Range | None) -> tuple[str, PlaybackSession]:
        """Whose session asks, for footage of which camera. It must reach into ``wanted``, if that
        is known yet.

        Raises :class:`SessionRefused`.
        """
        camera_id = request.path_params["camera_id"]
        session = await self.sessions.find(
            camera_id,
            wanted,
            request.headers.get("cookie", ""),
            request.query_params.get("ticket"),
        )
        return camera_id, session

    async def permit(
        self, request: Request, start_us: int, end_us: int
    ) -> tuple[str, PlaybackSession]:
        """The same for footage that is certainly shown: every part of it must be allowed."""
        camera_id = request.path_params["camera_id"]
        session = await self.sessions.permitting(
            camera_id,
            Range(start_us, max(end_us, start_us + 1)),
            request.headers.get("cookie", ""),
            request.query_params.get("ticket"),
        )
        return camera_id, session

    async def range_of(
        self, request: Request, longest_us: int
    ) -> tuple[str, PlaybackSession, Range]:
        """What of ``start_us`` … ``end_us`` the session reaches; at most ``longest_us``."""
        start_us, end_us = integer_of(request, "start_us"), integer_of(request, "end_us")
        if end_us <= start_us:
            raise BadParameter("end_us", "the range ends before it begins")
        camera_id, session = await self.find(request, Range(start_us, end_us))
        clipped = Range(start_us, end_us).clipped(session.range)
        if clipped.empty:
            raise SessionRefused(403, "not_allowed", "this session does not reach to that time")
        if clipped.end_us - clipped.start_us > longest_us:
            raise BadParameter("end_us", f"ask for at most {longest_us // US_PER_S} s at once")
        return camera_id, session, clipped

    async def run_of(self, request: Request) -> tuple[PlaybackSession, Run]:
        """The run that the path names."""
        camera_id, session = await self.find(request, None)
        run = await self.reader.run(camera_id, session.variant, request.path_params["run_id"])
        return session, run

    async def segment_of(self, request: Request, fragments: int) -> Located:
        """The segment that the path names, with its first ``fragments`` fragments at least."""
        camera_id, session = await self.find(request, None)
        segment_id = request.path_params["segment_id"]
        return await self.reader.segment(camera_id, session.variant, segment_id, fragments)

    async def fragments_of(self, request: Request) -> tuple[Located, PlaybackSession, int, int]:
        """The fragments that the path names, first and last, permitted and noted as shown."""
        parameters = request.path_params
        first = parameters["first"] if "first" in parameters else parameters["number"]
        last = parameters.get("last", first)
        located = await self.segment_of(request, last + 1)
        check_numbers(located, first, last)
        begin, end = located.fragments[first], located.fragments[last]
        _, session = await self.permit(request, begin.start_us, begin.start_us + begin.duration_us)
        end_us = end.start_us + end.duration_us
        if last != first:
            await self.permit(request, end.start_us, end_us)
        self.shown(session, parameters["camera_id"], begin.start_us, end_us)
        return located, session, first, last

    def shown(self, session: PlaybackSession, camera_id: str, start_us: int, end_us: int) -> None:
        """For the register: which minutes were really looked at."""
        self.watched.note(session.id, session.ticket.user_id, camera_id, start_us, end_us)


def integer_of(
    request: Request,
    name: str,
    *,
    default: int | None = None,
    least: int = 0,
    most: int = TIME_LIMIT_US,
) -> int:
    """A whole number of the query; raises :class:`BadParameter` without one, or out of bounds."""
    text = request.query_params.get(name)
    if text is None:
        if default is None:
            raise BadParameter(name, "is missing")
        return default
    try:
        value = int(text)
    except ValueError:
        raise BadParameter(name, "is not a whole number") from None
    if not least <= value <= most:
        raise BadParameter(name, f"is not between {least} and {most}")
    return value
