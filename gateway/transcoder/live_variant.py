"""The ``h264``, ``masked`` and ``opus`` variants of a live camera: a sink on one Stream that feeds
another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from camera_adapters.stream import (
    AccessUnit,
    Codec,
    GapCause,
    Interruption,
    Stream,
    Track,
    Variant,
)
from gateway.transcoder.burn_in import Polygon
from gateway.transcoder.client import Produced, Queued, Started, TranscoderClient, Transcoding
from gateway.transcoder.errors import TranscodeError

_log = structlog.get_logger(__name__)

UNITS_WAITING_LIMIT = 500
_RETRY_S = 2.0
_MASKS_CHANGED = Interruption(GapCause.NOT_SCHEDULED, "the camera's masks were changed")


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Where a variant waits for a place in the transcoder; ``position`` counts from 1."""

    position: int
    length: int


class LiveVariant:
    """Attach it to a camera's Stream; ``output`` then carries the variant.

    ``h264`` and ``masked`` transcode the picture and pass the sound on; ``opus`` transcodes
    sound that is no Opus and passes the picture on. ``masks`` are burnt into the picture. Times
    stay those of the source. While it waits for a place, :attr:`queue` says where, ``on_queue`` is
    called with each change, and ``output`` has no run. A failed job is tried again as long as the
    variant is attached. Call :meth:`close` to end it.
    """

    def __init__(
        self,
        source: Stream,
        variant: Variant,
        transcoder: TranscoderClient,
        on_queue: Callable[[QueuePosition | None], None] | None = None,
        masks: Sequence[Polygon] = (),
    ) -> None:
        self.output = Stream(source.camera_id, variant)
        self.queue: QueuePosition | None = None
        self._source = source
        self._transcoder = transcoder
        self._on_queue = on_queue
        self._masks = masks
        self._kind = "audio" if variant is Variant.OPUS else "video"
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[AccessUnit] = deque()
        self._wake = asyncio.Event()
        self._index: int | None = None
        self._started = False
        self._skipping = False

    # ---- the sink's side

    def on_run_started(self, tracks: tuple[Track, ...]) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._stop()
        wanted = [
            index
            for index, track in enumerate(tracks)
            if track.kind == self._kind and (self._kind == "video" or track.codec is not Codec.OPUS)
        ]
        self._index = wanted[0] if wanted else None
        if self._index is None:
            self._started = True
            self.output.start_run(tracks)
        else:
            self._task = asyncio.ensure_future(self._run(tracks, self._index))

    def on_access_unit(self, unit: AccessUnit) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        if not self._started:
            return
        if unit.track_index != self._index:
            self.output.publish(unit)
            return
        if self._kind == "video" and self._skips(unit):
            return
        if len(self._waiting) < UNITS_WAITING_LIMIT:
            self._waiting.append(unit)
            self._wake.set()

    def on_interrupted(self, interruption: Interruption) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self._stop()
        self.output.interrupt(interruption)

    def cover(self, masks: Sequence[Polygon]) -> None:
        """Burn in these from now on. When this returns, nothing leaves that lacks them."""
        self._masks = masks
        self._stop()
        self.output.interrupt(_MASKS_CHANGED)
        if self._source.running:
            self.on_run_started(self._source.tracks)

    def on_closed(self) -> None:
        """See :class:`camera_adapters.stream.Sink`."""
        self.close()

    def close(self) -> None:
        """Detach from the source, give the place back, close the output. May be called twice."""
        self._stop()
        self._source.detach(self)
        self.output.close()

    # ---- the transcoder's side

    def _skips(self, unit: AccessUnit) -> bool:
        if len(self._waiting) >= UNITS_WAITING_LIMIT - 1:
            self._skipping = True
        elif unit.keyframe:
            self._skipping = False
        return self._skipping

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._waiting.clear()
        self._started = self._skipping = False
        self._set_queue(None)

    def _set_queue(self, queue: QueuePosition | None) -> None:
        if queue != self.queue:
            self.queue = queue
            if self._on_queue is not None:
                self._on_queue(queue)

    async def _run(self, tracks: tuple[Track, ...], index: int) -> None:
        while True:
            try:
                await self._transcode(tracks, index)
            except TranscodeError as error:
                self._started = False
                self._waiting.clear()
                detail = f"the variant {self.output.variant} cannot be made: {error}"
                _log.warning(
                    "variant failed", camera=self.output.camera_id, code=error.code, detail=detail
                )
                self.output.interrupt(Interruption(GapCause.BAD_MEDIA, detail))
            self._set_queue(None)
            await asyncio.sleep(_RETRY_S)

    async def _transcode(self, tracks: tuple[Track, ...], index: int) -> None:
        kind = "video" if self._kind == "video" else "opus"
        opening = self._transcoder.open(
            kind,  # type: ignore[arg-type]
            tracks[index],
            live=True,
            masks=self._masks,
        )
        async with opening as job:
            sending: asyncio.Task[None] | None = None
            try:
                async for event in job:
                    match event:
                        case Queued():
                            self._set_queue(QueuePosition(event.position, event.length))
                        case Started():
                            self._set_queue(None)
                            made = (*tracks[:index], event.track, *tracks[index + 1 :])
                            sending = asyncio.ensure_future(self._send(job, made))
                        case Produced():
                            for unit in event.units:
                                self.output.publish(unit)
            finally:
                if sending is not None:
                    sending.cancel()

    async def _send(self, job: Transcoding, tracks: tuple[Track, ...]) -> None:
        gop = [unit for unit in self._source.gop if unit.track_index == self._index]
        self.output.start_run(tracks)
        if self._kind == "audio":
            for unit in self._source.gop:
                if unit.track_index != self._index:
                    self.output.publish(unit)
            gop = []
        self._started = True
        try:
            if gop:
                # The picture of now, without its GOP's past: decoded up to here, encoded from here.
                await job.start_at(gop[-1].pts_90k)
                await job.push(gop, catching_up=True)
            while True:
                while self._waiting:
                    units = list(self._waiting)
                    self._waiting.clear()
                    await job.push(units)
                self._wake.clear()
                await self._wake.wait()
        except TranscodeError:
            return  # the events say the same, and are acted upon there
