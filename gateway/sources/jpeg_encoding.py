"""JPEG pictures to H.264 by the transcoder: a place in its bounded pool, as every live job has."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from camera_adapters.http_pull.jpeg_stream import (
    EncoderFailed,
    EncoderQueued,
    EncoderStarted,
    OpenEncoder,
)
from camera_adapters.stream import AccessUnit, Track
from gateway.transcoder.client import Produced, Queued, Started, TranscoderClient, Transcoding
from gateway.transcoder.errors import TranscodeError


def jpeg_encoders(transcoder: TranscoderClient) -> OpenEncoder:
    """Encoders of this transcoder."""

    @contextlib.asynccontextmanager
    async def open_encoder(track: Track) -> AsyncIterator[_Encoder]:
        async with transcoder.open("video", track, live=True) as job:
            yield _Encoder(job)

    return open_encoder


class _Encoder:
    """One job; see :class:`camera_adapters.http_pull.jpeg_stream.JpegEncoder`."""

    def __init__(self, job: Transcoding) -> None:
        self._job = job

    async def events(
        self,
    ) -> AsyncIterator[EncoderQueued | EncoderStarted | list[AccessUnit]]:
        """See the protocol."""
        try:
            async for event in self._job:
                match event:
                    case Queued(position, length):
                        yield EncoderQueued(position, length)
                    case Started(track):
                        yield EncoderStarted(track)
                    case Produced(units):
                        yield units
        except TranscodeError as error:
            raise EncoderFailed(str(error)) from None

    async def push(self, unit: AccessUnit) -> None:
        """See the protocol."""
        try:
            await self._job.push([unit])
        except TranscodeError as error:
            raise EncoderFailed(str(error)) from None
