"""Which Stream a live session is given, for each way of watching.

It is the shard's own, or one that another shard relays, where the ticket says so.
"""

from __future__ import annotations

from camera_adapters.stream import Codec, Stream, Variant
from gateway.live.waiting import run_begins
from gateway.live.whep import SessionRefused
from gateway.relay.receiving import Relays
from gateway.shard.sessions import LiveSession, LiveSessions
from gateway.shard.shard import MediaShard

FIRST_RUN_WAIT_S = 15.0
# Sound is worth a short wait; picture without sound beats no picture.
_SOUND_WAIT_S = 3.0


class LiveDoor:
    """Opens sessions by their tickets; an on-demand camera is pulled for it."""

    def __init__(
        self, shard: MediaShard, sessions: LiveSessions, relays: Relays | None = None
    ) -> None:
        self._shard = shard
        self._sessions = sessions
        self._relays = relays

    async def for_mse(self, ticket: str) -> tuple[Stream, LiveSession]:
        """See :data:`gateway.live.whep.OpenSession`."""
        session = self._sessions.open(ticket)
        return self._stream(session), session

    async def for_webrtc(self, ticket: str) -> tuple[Stream, LiveSession]:
        """As :meth:`for_mse`; AAC sound is made Opus, since browsers take no AAC by WebRTC."""
        session = self._sessions.open(ticket)
        stream = self._stream(session)
        try:
            chosen = await self._with_sound(stream)
            self._sessions.require_unrevoked(session.session_id)
            self._require_covered(session)
        except BaseException:
            session.ended("failed")
            raise
        return chosen, session

    async def _with_sound(self, stream: Stream) -> Stream:
        if not stream.running and not await run_begins(stream, FIRST_RUN_WAIT_S):
            return stream  # the endpoint says why there is no picture
        if stream.variant is not Variant.OPUS and _has_aac(stream):
            with_opus = self._shard.derived.get(stream, Variant.OPUS)
            if with_opus.running or await run_begins(with_opus, _SOUND_WAIT_S):
                return with_opus
        return stream

    def _stream(self, session: LiveSession) -> Stream:
        try:
            self._require_covered(session)
        except SessionRefused:
            session.ended("masked")
            raise
        try:
            return self._shard.stream(session.camera_id, session.variant, session.made_from)
        except LookupError:
            if session.relayed and self._relays is not None:
                return self._relays.stream(session.camera_id, session.variant, session.made_from)
            session.ended("not_found")
            raise SessionRefused(
                404, "not_found", "this camera is not held here: ask POST /api/live again"
            ) from None

    def _require_covered(self, session: LiveSession) -> None:
        """The API decides by the masks of when it was asked; they may have been drawn since."""
        if (
            self._shard.derived.masks(session.camera_id)
            and not session.may_lift_masks
            and session.variant is not Variant.MASKED
        ):
            raise SessionRefused(
                503, "masked", "masks were drawn meanwhile: ask POST /api/live again"
            )


def _has_aac(stream: Stream) -> bool:
    return any(track.codec is Codec.AAC for track in stream.tracks)
