"""The cookies and ranges that a browser, or anybody else, sends to the footage server."""

from __future__ import annotations

from starlette.requests import Request

from gateway.footage.parts import wanted_part
from gateway.footage.sessions import PlaybackSessions

SEEDS = [
    b"gridsight_playback_ses_1=eyJhIjoxfQ.AAAA; gridsight_session=x",
    b'gridsight_playback_=; ; =; gridsight_playback_a="b\\054"',
    b"bytes=0-99",
    b"bytes=-5",
]
_SESSIONS = PlaybackSessions(b"s" * 32, None)  # type: ignore[arg-type]


def target(data: bytes) -> None:
    """Nothing comes out: what is no cookie of ours is no session, what is no range is the whole."""
    text = data.decode("latin-1")
    _SESSIONS.stale_cookies(text)
    wanted_part(Request({"type": "http", "headers": [(b"range", data)]}), 1000, "tag")
