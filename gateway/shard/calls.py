"""What the shard answers on its control socket; see docs/architecture.md."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from camera_adapters.stream import AccessUnit, Interruption, Stream, Track, Variant
from gateway.control.channel import ControlError
from gateway.live.snapshot import Caption, Keyframe, Snapshots, newest_keyframe
from gateway.live.waiting import keyframe_comes, run_begins
from gateway.shard.clock_watch import ClockWatch
from gateway.shard.shard import MediaShard
from gateway.shard.variant_state import track_facts
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.wire import track_to_wire, units_to_wire
from recorder.recorder import Recorder
from recorder.spool import SegmentGone

# Shorter than the callers' own patience, so that they hear why.
SNAPSHOT_WAIT_S = 8.0
FORMATS_WAIT_S = 5.0
_READ_BYTES_LIMIT = 64 * 1024 * 1024
_UNITS_WAITING_LIMIT = 500

Handler = Callable[..., Any]


def footage_calls(recorder: Recorder) -> dict[str, Handler]:
    """``spool.open_segments`` and ``spool.read``: footage that is not in store and index yet."""

    async def open_segments(source_id: str) -> dict[str, Any]:
        held = recorder.open_segments(source_id)
        runs = {run.id: run.to_message() for _, run in held}
        return {
            "segments": [segment.to_message() for segment, _ in held],
            "runs": list(runs.values()),
        }

    async def read(segment_id: str, offset: int, length: int) -> bytes:
        if not 0 <= length <= _READ_BYTES_LIMIT:
            raise ControlError("invalid", f"read at most {_READ_BYTES_LIMIT} bytes at once")
        try:
            return await recorder.read_open(segment_id, offset, length)
        except SegmentGone as error:
            raise ControlError("gone", f"segment {error} has left the spool: see its row") from None

    return {"spool.open_segments": open_segments, "spool.read": read}


def media_calls(shard: MediaShard, snapshots: Snapshots) -> dict[str, Handler]:
    """``snapshot.*`` and ``stream.*``; an on-demand camera is pulled for them, except for
    ``snapshot.standing``: what comes anyway.
    """

    async def keyframe(camera_id: str, variant: str) -> dict[str, Any]:
        return (await _keyframe(_stream(shard, camera_id, variant))).to_message()

    async def standing(camera_id: str) -> dict[str, Any]:
        newest = newest_keyframe(_snapshot_stream(shard, camera_id))
        if newest is None:
            raise ControlError("no_picture", "nothing is pulled from this camera at the moment")
        return newest.to_message()

    async def jpeg(
        camera_id: str, width: int | None, may_lift_masks: bool, camera: str, viewer: str
    ) -> bytes:
        stream = _snapshot_stream(shard, camera_id)
        newest = await _keyframe(stream)
        # Looked up only now: they may have been drawn while the camera was waited for.
        masks = () if may_lift_masks else shard.derived.masks(camera_id)
        try:
            return await snapshots.jpeg(stream, newest, width, masks, Caption(camera, viewer))
        except TranscodeError as error:
            raise ControlError(error.code, str(error)) from None

    async def units(camera_id: str, variant: str) -> AsyncIterator[dict[str, Any]]:
        stream = _stream(shard, camera_id, variant)
        tap = _Tap()
        stream.attach(tap)
        try:
            while (message := await tap.take()) is not None:
                yield message
        finally:
            stream.detach(tap)

    async def formats(camera_id: str, variant: str) -> dict[str, Any]:
        stream = _stream(shard, camera_id, variant)
        if not stream.running:
            await run_begins(stream, FORMATS_WAIT_S)
        return track_facts(stream.tracks)

    return {
        "stream.formats": formats,
        "snapshot.keyframe": keyframe,
        "snapshot.standing": standing,
        "snapshot.jpeg": jpeg,
        "stream.units": units,
    }


def live_calls(
    reconcile: Callable[[], Awaitable[None]],
    revoke: Callable[[list[str]], int],
    hand_over: Callable[[list[str], str], None],
) -> dict[str, Handler]:
    """``shard.reconcile``, ``live.revoke`` and ``live.hand_over``."""

    async def reconcile_now() -> None:
        await reconcile()

    async def revoke_now(session_ids: list[str]) -> int:
        return revoke(session_ids)

    async def hand_over_now(session_ids: list[str], user_id: str) -> None:
        hand_over(session_ids, user_id)

    return {
        "shard.reconcile": reconcile_now,
        "live.revoke": revoke_now,
        "live.hand_over": hand_over_now,
    }


def clock_calls(watch: ClockWatch) -> dict[str, Handler]:
    """``clock.accept``: an operator knows of a camera's clock."""

    async def accept(camera_id: str) -> None:
        try:
            watch.accept(camera_id)
        except LookupError as error:
            raise ControlError("not_found", str(error)) from None
        except ValueError as error:
            raise ControlError("conflict", str(error)) from None

    return {"clock.accept": accept}


async def _keyframe(stream: Stream) -> Keyframe:
    found = newest_keyframe(stream)
    if found is None:
        await keyframe_comes(stream, SNAPSHOT_WAIT_S)
        found = newest_keyframe(stream)
    if found is None:
        why = stream.interruption.detail if stream.interruption else "the camera sends nothing"
        raise ControlError("no_picture", f"no live picture: {why}")
    return found


def _snapshot_stream(shard: MediaShard, camera_id: str) -> Stream:
    """What is being pulled anyway, best first; else the cheaper of what could be pulled."""
    found = []
    for variant in (Variant.MAIN, Variant.SUB):
        with contextlib.suppress(LookupError):
            found.append(shard.stream(camera_id, variant))
    if not found:
        raise ControlError("not_found", f"{camera_id} is not held here")
    return next((stream for stream in found if stream.running), found[-1])


def _stream(shard: MediaShard, camera_id: str, variant: str) -> Stream:
    try:
        return shard.stream(camera_id, Variant(variant))
    except (LookupError, ValueError) as error:
        raise ControlError("not_found", str(error)) from None


class _Tap:
    """A Sink that another process reads; it skips to a keyframe when that one is slow."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._units: list[AccessUnit] = []
        self._tracks: tuple[Track, ...] = ()
        self._needs_keyframe = False
        self._closed = False
        self._wake = asyncio.Event()

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        self._tracks = tracks
        self._needs_keyframe = False
        self._put({"type": "run", "tracks": [track_to_wire(track) for track in tracks]})

    def on_access_unit(self, unit: AccessUnit) -> None:
        if self._needs_keyframe:
            if not unit.keyframe or self._tracks[unit.track_index].kind != "video":
                return
            self._needs_keyframe = False
        elif len(self._units) >= _UNITS_WAITING_LIMIT:
            self._units.clear()
            self._needs_keyframe = True
            self._messages.append({"type": "skipped"})
            return
        self._units.append(unit)
        self._wake.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        self._put(
            {
                "type": "interrupted",
                "cause": str(interruption.cause),
                "detail": interruption.detail,
            }
        )

    def on_closed(self) -> None:
        self._closed = True
        self._wake.set()

    async def take(self) -> dict[str, Any] | None:
        """The next message, waiting units as one; None at the end."""
        while True:
            if self._messages:
                return self._messages.pop(0)
            if self._units:
                units, self._units = self._units, []
                return {"type": "units", "units": units_to_wire(units)}
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()

    def _put(self, message: dict[str, Any]) -> None:
        if self._units:
            self._messages.append({"type": "units", "units": units_to_wire(self._units)})
            self._units = []
        self._messages.append(message)
        self._wake.set()
