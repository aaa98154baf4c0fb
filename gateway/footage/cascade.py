"""``cascade.send`` of recordings: playback and download for a platform above (GB/T 28181 §9.8–9.9).

Footage goes out at the pace of time, or as a download at a multiple of it. What was masked when it
was recorded, or is now, comes from the transcoder.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from camera_adapters.gb28181.media_ports import NoPortLeft, PortPool
from camera_adapters.gb28181.media_sending import MediaSending, open_sending
from camera_adapters.gb28181.sender import PsSender
from camera_adapters.stream import AccessUnit, Track
from gateway.control.channel import ControlError
from gateway.footage.fragments import read_fragments
from gateway.footage.playback_index import Range, fragments_in
from gateway.footage.reader import FootageGone, FootageReader, FootageUnreadable, Located
from gateway.footage.transcoding import PlaybackTranscoding, TranscodeQueued
from gateway.identifiers import US_PER_S, new_id
from gateway.masks import MaskReader, Polygons
from gateway.shard.cascade import media_target
from gateway.transcoder.errors import TranscodeError
from recorder.fmp4.reader import Mp4Error, iterate_boxes, read_tracks, read_units
from recorder.segments import Fragment

_log = structlog.get_logger(__name__)

_WINDOW_US = 600 * US_PER_S
_RANGE_LIMIT_US = 7 * 86_400 * US_PER_S
# From this pace on only keyframes are sent: more would be neither seen nor carried.
_KEYFRAMES_FROM_SCALE = 8.0
# Time without footage is passed over.
_SEAM_US = US_PER_S
_EARLY_S = 0.02
_TRANSCODER_PATIENCE_S = 60.0
# After its end it may still be sought back; then nobody wants it any more.
_LINGER_S = 120.0
_READY_LOOK_S = 0.02


class CascadePlayback:
    """All sessions of recordings for platforms above; ``address`` and ``ports`` are where they are
    sent from.
    """

    def __init__(
        self,
        reader: FootageReader,
        transcoding: PlaybackTranscoding,
        masks: MaskReader,
        address: str,
        ports: PortPool,
    ) -> None:
        self._reader = reader
        self._transcoding = transcoding
        self._masks = masks
        self._address = address
        self._ports = ports
        self._open = 0

    def __len__(self) -> int:
        return self._open

    def calls(self) -> dict[str, Callable[..., Any]]:
        """``cascade.send``."""
        return {"cascade.send": self._send}

    def masks_changed(self, camera_id: str) -> None:
        """Look at the camera's masks anew from the next fragment on."""
        self._masks.forget(camera_id)

    async def _send(
        self,
        camera_id: str,
        quality: str,
        may_lift_masks: bool,
        target: Mapping[str, Any],
        start_us: int,
        end_us: int,
        speed: float,
        incoming: AsyncIterator[Mapping[str, Any]],
    ) -> AsyncIterator[dict[str, Any]]:
        wanted = Range(start_us, min(end_us, start_us + _RANGE_LIMIT_US))
        variant = "sub" if quality == "sub" else "main"
        if not await self._has_footage(camera_id, variant, wanted):
            variant = "main"
            if not await self._has_footage(camera_id, variant, wanted):
                raise ControlError("not_found", "nothing is recorded in this range")
        where = media_target(target)
        try:
            sending = open_sending(self._ports, self._address, where)
        except (OSError, NoPortLeft) as error:
            raise ControlError("unreachable", f"nothing can be sent from here: {error}") from None
        sender = PsSender(sending, where)
        source = _Source(
            self._reader, self._transcoding, self._masks, camera_id, variant, may_lift_masks
        )
        playing = _Playing(source, sender, sending, wanted, speed)
        tasks = [asyncio.create_task(playing.listen(incoming)), asyncio.create_task(playing.run())]
        self._open += 1
        try:
            yield {"type": "ready", "address": None, "port": sending.port, "video": None}
            while (item := await playing.items.get()) is not None:
                yield item
            yield {
                "type": "ended",
                "cause": playing.cause,
                "detail": playing.detail,
                "start_us": sender.first_us,
                "end_us": sender.last_us,
                "bytes": sending.bytes_sent,
            }
        finally:
            self._open -= 1
            for task in tasks:
                task.cancel()
            sending.close()
            await self._transcoding.release({source.session_id})

    async def _has_footage(self, camera_id: str, variant: str, wanted: Range) -> bool:
        at_us = wanted.start_us
        while at_us < wanted.end_us:
            until_us = min(wanted.end_us, at_us + _WINDOW_US * 6)
            if await self._reader.between(camera_id, variant, at_us, until_us):
                return True
            at_us = until_us
        return False


@dataclass(frozen=True, slots=True)
class _Piece:
    """One fragment, ready to be sent: units of all tracks in decoding order, with wall clocks."""

    run_id: str
    tracks: tuple[Track, ...]
    units: list[AccessUnit]


class _Source:
    """Fragments of one camera as units, masked where they must be."""

    def __init__(
        self,
        reader: FootageReader,
        transcoding: PlaybackTranscoding,
        masks: MaskReader,
        camera_id: str,
        variant: str,
        may_lift_masks: bool,
    ) -> None:
        self.session_id = new_id("csc")
        self._reader = reader
        self._transcoding = transcoding
        self._masks = masks
        self._camera_id = camera_id
        self._variant = variant
        self._may_lift_masks = may_lift_masks

    async def fragments(self, wanted: Range) -> list[tuple[Located, Fragment]]:
        """The fragments of a window, in order of time."""
        items = await self._reader.between(
            self._camera_id, self._variant, wanted.start_us, wanted.end_us
        )
        return list(fragments_in(items, wanted))

    async def piece(self, located: Located, part: Fragment) -> _Piece:
        """Raises FootageGone, FootageUnreadable, Mp4Error, TranscodeError."""
        segment = located.segment
        masks: Polygons = ()
        if not self._may_lift_masks:
            masks = await self._masks.covering(self._camera_id, segment.start_us, segment.end_us)
        tracks = self._reader.tracks(located.run)
        if masks:
            data = await self._masked(located, part, masks)
            initialisation = await self._transcoding.initialisation(located.run)
            tracks = await asyncio.to_thread(read_tracks, initialisation)
        else:
            (data,) = await read_fragments(self._reader, located, part.number, part.number)
        run_start_us = part.start_us - part.media_start_90k * 100 // 9
        units = await asyncio.to_thread(_units, data, tracks, run_start_us)
        kind = "masked" if masks else "plain"
        return _Piece(f"{located.run.id} {kind}", tracks, units)

    async def _masked(self, located: Located, part: Fragment, masks: Polygons) -> bytes:
        """From the transcoder, which is waited for."""
        end_s = asyncio.get_running_loop().time() + _TRANSCODER_PATIENCE_S
        viewer = (self.session_id, self._camera_id)
        while True:
            try:
                return await self._transcoding.fragments(
                    viewer, located, part.number, part.number, masks
                )
            except TranscodeQueued:
                if asyncio.get_running_loop().time() > end_s:
                    raise TranscodeError("unavailable", "no place in the transcoder") from None
            await asyncio.sleep(0.5)


def _units(data: bytes, tracks: tuple[Track, ...], run_start_us: int) -> list[AccessUnit]:
    found: list[AccessUnit] = []
    # The transcoder may give several fragments for one.
    start = 0
    for box in iterate_boxes(data, 0, len(data)):
        if box.kind == b"mdat":
            found += read_units(data[start : box.end], tracks, run_start_us)
            start = box.end
    return sorted(found, key=lambda unit: unit.dts_90k)


class _Moved(Exception):
    """Somebody sought, or changed the speed: begin from the new place."""


class _Playing:
    """Where a session stands, how fast it goes, and what moves it."""

    def __init__(
        self,
        source: _Source,
        sender: PsSender,
        sending: MediaSending,
        wanted: Range,
        speed: float,
    ) -> None:
        self.items: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.cause = "file_end"
        self.detail = ""
        self._source = source
        self._sender = sender
        self._sending = sending
        self._wanted = wanted
        self._download = speed > 0
        self._scale = speed if speed > 0 else 1.0
        self._at_us = wanted.start_us
        self._run_id = ""
        self._started = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        # Told by whoever moved it; counted, so that no move is missed.
        self._moved = asyncio.Event()
        self._anchor: tuple[float, int] | None = None

    async def listen(self, incoming: AsyncIterator[Mapping[str, Any]]) -> None:
        """What signalling says, in order."""
        async for command in incoming:
            match command.get("action"):
                case "start":
                    self._sending.start()
                    self._started.set()
                case "pause":
                    self._going.clear()
                    self._anchor = None
                case "resume":
                    self._going.set()
                case "seek":
                    self._seek(float(command["from_s"]))
                case "scale":
                    self._scale = float(command["scale"])
                    self._moved.set()

    def _seek(self, from_s: float) -> None:
        start, end = self._wanted.start_us, self._wanted.end_us
        self._at_us = min(max(start, start + round(from_s * US_PER_S)), end)
        self._moved.set()

    async def run(self) -> None:
        """Send until the end, and a while longer be sought back; then say that it is over."""
        try:
            await self._started.wait()
            while True:
                if self._sending.ready or self._sending.ended.done():
                    break
                await asyncio.sleep(_READY_LOOK_S)
            while not self._sending.ended.done():
                with contextlib.suppress(_Moved):
                    await self._play()
                    self.items.put_nowait({"type": "file_end"})
                    async with asyncio.timeout(_LINGER_S):
                        await self._moved.wait()
                self._moved.clear()
                self._anchor = None
        except TimeoutError:
            pass
        except (FootageUnreadable, TranscodeError, ConnectionError) as error:
            self.cause, self.detail = "unreadable", str(error)
        except Exception as error:
            _log.exception("a recording could not be sent to a platform above")
            self.cause, self.detail = "internal", str(error)
        if self._sending.ended.done() and not self._sending.ended.cancelled():
            end = self._sending.ended.result()
            self.cause, self.detail = end.code, end.line
        self.items.put_nowait(None)

    async def _play(self) -> None:
        backwards = self._scale < 0
        while self._wanted.start_us <= self._at_us <= self._wanted.end_us:
            if backwards:
                window = Range(max(self._at_us - _WINDOW_US, self._wanted.start_us), self._at_us)
            else:
                window = Range(self._at_us, min(self._at_us + _WINDOW_US, self._wanted.end_us))
            if window.empty:
                return
            parts = await self._source.fragments(window)
            for located, part in reversed(parts) if backwards else parts:
                try:
                    piece = await self._source.piece(located, part)
                except (FootageGone, Mp4Error) as error:
                    # It went while it was played: the rest is still there.
                    _log.info("a fragment is left out", why=str(error))
                    continue
                await self._send_piece(piece, part)
            self._at_us = window.start_us if backwards else window.end_us

    async def _send_piece(self, piece: _Piece, part: Fragment) -> None:
        if piece.run_id != self._run_id or self._scale < 0 or self._anchor is None:
            self._run_id = piece.run_id
            self._sender.on_run_started(piece.tracks)
        only_keyframes = self._scale < 0 or (
            abs(self._scale) >= _KEYFRAMES_FROM_SCALE and not self._download
        )
        sent = False
        for unit in piece.units:
            is_keyframe = unit.keyframe and piece.tracks[unit.track_index].kind == "video"
            if only_keyframes and (sent or not is_keyframe):
                continue
            await self._until_due(unit.wall_us)
            self._sender.on_access_unit(unit)
            sent = True
        end_us = part.start_us + part.duration_us
        self._at_us = part.start_us if self._scale < 0 else end_us

    async def _until_due(self, wall_us: int) -> None:
        """Wait for the unit's time. Raises _Moved."""
        loop = asyncio.get_running_loop()
        await self._going.wait()
        if self._moved.is_set():
            raise _Moved
        await self._sending.drained()
        anchor = self._anchor
        if anchor is not None:
            due_s = anchor[0] + (wall_us - anchor[1]) / US_PER_S / self._scale
            late_s = loop.time() - due_s
            if abs(late_s) * abs(self._scale) * US_PER_S > 5 * _SEAM_US:
                anchor = None  # A gap in the footage, or the receiver was slow.
            elif late_s < -_EARLY_S:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(-late_s):
                        await self._moved.wait()
                if self._moved.is_set():
                    raise _Moved
        if anchor is None:
            self._anchor = (loop.time(), wall_us)
