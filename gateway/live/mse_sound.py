"""A camera's G.711 as Opus for the browser's MSE, made in the transcoder process.

Opus because its frames last 20 ms; those of AAC at 8 kHz last 128 ms, and a browser shows no
picture before it has the sound that belongs to it. One job serves all viewers of a Stream. Without
it there is picture without sound, never no picture.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from camera_adapters.stream import AccessUnit, Codec, Track
from gateway.transcoder.client import Produced, Started, TranscoderClient, Transcoding
from gateway.transcoder.errors import TranscodeError

_log = structlog.get_logger(__name__)

_UNITS_WAITING_LIMIT = 500


def opus_track(sound: Track) -> Track:
    """The track that transcoding ``sound`` gives, known before the first unit."""
    return Track("audio", Codec.OPUS, 48000, channels=2 if sound.channels >= 2 else 1)


class MseSound:
    """One transcoding job. ``on_units`` gets the Opus; ``on_failed`` is called at most once."""

    def __init__(
        self,
        transcoder: TranscoderClient,
        sound: Track,
        on_units: Callable[[list[AccessUnit]], None],
        on_failed: Callable[[], None],
    ) -> None:
        self.track = opus_track(sound)
        self._source = sound
        self._transcoder = transcoder
        self._on_units = on_units
        self._on_failed = on_failed
        self._waiting: deque[AccessUnit] = deque(maxlen=_UNITS_WAITING_LIMIT)
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def push(self, unit: AccessUnit) -> None:
        """Take sound; the oldest is lost when the transcoder does not keep up."""
        self._waiting.append(unit)
        self._wake.set()

    def close(self) -> None:
        """Give the job up."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            async with self._transcoder.open("opus", self._source, live=True) as job:
                sending: asyncio.Task[None] | None = None
                try:
                    async for event in job:
                        match event:
                            case Started() if sending is None:
                                sending = asyncio.create_task(self._send(job))
                            case Produced():
                                self._on_units(event.units)
                finally:
                    if sending is not None:
                        sending.cancel()
        except TranscodeError as error:
            _log.warning("sound is left out of MSE", code=error.code, detail=str(error))
        self._on_failed()

    async def _send(self, job: Transcoding) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                units = list(self._waiting)
                self._waiting.clear()
                await job.push(units)
        except TranscodeError:
            return  # the events say the same, and are acted upon there
