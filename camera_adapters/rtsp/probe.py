"""``camera test``: one try at a camera, and one line about what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from camera_adapters.rtp.clocks import CameraClock, SteadyClock
from camera_adapters.rtsp.client import FailureCode
from camera_adapters.rtsp.client_transport import (
    CameraSession,
    Outcome,
    credentials_for,
    follow_redirect,
    open_session,
)
from camera_adapters.rtsp.url import CameraUrl, parse_camera_url
from camera_adapters.stream import AccessUnit, Codec, Interruption, Stream, Track, Variant


@dataclass(frozen=True, slots=True)
class ProbeVideo:
    """The format of the first keyframe. ``frames_per_second`` is 0.0 where none is declared."""

    codec: Codec
    width: int
    height: int
    frames_per_second: float
    has_b_frames: bool


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a try gave. ``code`` is stable: ``ok``, ``bad_address``, ``unresolved``,
    ``closed_port``, ``unreachable``, ``timed_out``, ``refused`` (401), ``forbidden``, ``not_found``
    (404), ``no_video``, ``no_keyframe``, ``transport``, ``server_error``, ``protocol``, ``lost``.
    ``line`` says it in one English line, without credentials, and what to do about it; ``audio`` is
    the sound's codec.
    """

    ok: bool
    code: str
    line: str
    video: ProbeVideo | None = None
    audio: Codec | None = None


ADVICE: dict[str, str] = {
    "unresolved": "check its spelling, or give the camera's IP address",
    "closed_port": "554 is usual; see whether RTSP is switched on in the camera",
    "unreachable": "check the address, the camera's power and cable, and the firewalls on the way",
    "timed_out": "see whether this is its RTSP port, and not that of its web page",
    "refused": "check both in the camera, which may lock a user for a while after wrong ones",
    "forbidden": "allow the user to watch live in the camera",
    "not_found": "look the path up in its manual or its web page",
    "no_video": "take the address of its video stream",
    "transport": "switch RTP over TCP on in the camera",
    "server_error": "restart the camera; if that does not help, ask for newer firmware",
    "protocol": "see whether this is its RTSP port, and whether there is newer firmware",
    "lost": "try again; a camera with too many viewers hangs up",
}


class FirstKeyframe:
    """A Sink that waits for the first run."""

    def __init__(self) -> None:
        self.tracks: asyncio.Future[tuple[Track, ...]] = asyncio.get_running_loop().create_future()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """Keep the first."""
        if not self.tracks.done():
            self.tracks.set_result(tracks)

    def on_access_unit(self, unit: AccessUnit) -> None:
        """Nothing."""

    def on_interrupted(self, interruption: Interruption) -> None:
        """Nothing."""

    def on_closed(self) -> None:
        """Nothing."""


async def probe(
    url: str, username: str = "", password: str = "", timeout_s: float = 10.0
) -> ProbeResult:
    """Connect, wait for the first keyframe for at most ``timeout_s``, and disconnect.

    TCP is tried, then UDP where the camera does not do TCP. Raises nothing but cancellation.
    """
    try:
        camera_url = parse_camera_url(url)
    except ValueError as error:
        return ProbeResult(False, "bad_address", str(error))
    result = await _try(camera_url, username, password, timeout_s, tcp=True)
    if result.code == FailureCode.TRANSPORT:
        result = await _try(camera_url, username, password, timeout_s, tcp=False)
    advice = ADVICE.get(result.code)
    return replace(result, line=f"{result.line}: {advice}") if advice else result


async def _try(
    url: CameraUrl, username: str, password: str, timeout_s: float, *, tcp: bool
) -> ProbeResult:
    stream = Stream("probe", Variant.MAIN)
    keyframe = FirstKeyframe()
    stream.attach(keyframe)
    credentials = credentials_for(url, username, password)
    hops = 0
    while True:
        session = await open_session(
            url,
            credentials=credentials,
            tcp=tcp,
            stream=stream,
            clock=SteadyClock(),
            camera_clock=CameraClock(),
            on_run=lambda: None,
        )
        if isinstance(session, Outcome):
            return ProbeResult(False, session.code, session.line)
        try:
            waited: list[asyncio.Future[Any]] = [keyframe.tracks, session.ended]
            await asyncio.wait(waited, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            outcome = session.ended.result() if session.ended.done() else None
            session.end(Outcome("stopped", "stopped"))
        if keyframe.tracks.done():
            return success_of(keyframe.tracks.result())
        # A session gives up by itself after ten seconds of silence: the same, told sooner.
        if outcome is None or outcome.code == "silent":
            return _without_keyframe(session, timeout_s)
        if outcome.code != "redirected":
            return ProbeResult(False, outcome.code, outcome.line)
        following = follow_redirect(url, outcome, credentials, hops)
        if isinstance(following, Outcome):
            return ProbeResult(False, following.code, following.line)
        url, credentials = following
        hops += 1


def success_of(tracks: tuple[Track, ...]) -> ProbeResult:
    """What a run of these tracks means."""
    video = tracks[0]
    audio = tracks[1].codec if len(tracks) > 1 else None
    rate = f" at {video.frames_per_second:g} pictures a second" if video.frames_per_second else ""
    sound = f", sound {audio}" if audio else ", no sound"
    return ProbeResult(
        True,
        "ok",
        f"{video.codec} {video.width}x{video.height}{rate}{sound}",
        ProbeVideo(
            video.codec,
            video.width,
            video.height,
            video.frames_per_second,
            video.reorder_depth > 0,
        ),
        audio,
    )


def _without_keyframe(session: CameraSession, timeout_s: float) -> ProbeResult:
    if not session.playing:
        return ProbeResult(
            False, "timed_out", f"the camera does not answer RTSP requests in {timeout_s:g} s"
        )
    packets = session.ingest.receivers[0].counters.packets if session.ingest else 0
    if not packets:
        return ProbeResult(
            False,
            "no_keyframe",
            f"the camera accepts, but sends no video in {timeout_s:g} s: see whether its encoder "
            "is on, and whether a firewall stops the pictures",
        )
    return ProbeResult(
        False,
        "no_keyframe",
        f"no keyframe in {timeout_s:g} s: set the camera's keyframe interval to 2 s or so",
    )
