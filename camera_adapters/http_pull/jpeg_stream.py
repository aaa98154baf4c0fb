"""Multipart JPEG to a Stream: somebody else makes H.264 of it, and may have to be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from camera_adapters.codecs.configuration_records import split_by_length
from camera_adapters.http_pull.multipart import MultipartReader, jpeg_size
from camera_adapters.retrying import Attempt, Ending
from camera_adapters.stream import AccessUnit, Codec, Track

_KEYFRAME_INTERVAL_90K = 180_000


class EncoderFailed(Exception):
    """There is no video of the pictures; the message says why."""


@dataclass(frozen=True, slots=True)
class EncoderQueued:
    """Waiting for a place."""

    position: int
    length: int


@dataclass(frozen=True, slots=True)
class EncoderStarted:
    """Units of this track will come."""

    track: Track


class JpegEncoder(Protocol):
    """Makes H.264 of JPEG pictures, elsewhere. Raises EncoderFailed."""

    def events(self) -> AsyncIterator[EncoderQueued | EncoderStarted | list[AccessUnit]]:
        """What happens, until the encoder is closed."""

    async def push(self, unit: AccessUnit) -> None:
        """The next picture."""


OpenEncoder = Callable[[Track], AbstractAsyncContextManager[JpegEncoder]]
"""An encoder for a track of codec JPEG, whose size is known."""


async def read_multipart(
    attempt: Attempt,
    boundary: bytes,
    first: bytes,
    chunks: AsyncIterator[bytes],
    open_encoder: OpenEncoder | None,
) -> Ending:
    """Show the pictures until the server ends. Raises MultipartError."""
    if open_encoder is None:
        return Ending("no_video", "the pictures are JPEG, and there is no transcoder here")
    reader = MultipartReader(boundary)
    pictures = reader.receive(first)
    while not pictures:
        attempt.bytes += len(first)
        try:
            first = await anext(chunks)
        except StopAsyncIteration:
            return Ending("ended", "the server ended the stream before the first picture")
        pictures = reader.receive(first)
    width, height = jpeg_size(pictures[0])
    track = Track("video", Codec.JPEG, 90_000, width=width, height=height)
    try:
        async with open_encoder(track) as encoder:
            shown = _Shown(attempt, encoder, (width, height))
            receiving = asyncio.ensure_future(shown.receive())
            sending = asyncio.ensure_future(shown.send(reader, pictures, chunks))
            try:
                done, _ = await asyncio.wait(
                    (receiving, sending), return_when=asyncio.FIRST_COMPLETED
                )
                return next(iter(done)).result()
            finally:
                for task in (receiving, sending):
                    task.cancel()
                await asyncio.wait((receiving, sending))
    except EncoderFailed as error:
        return Ending("transcoder", f"no video can be made of its JPEG pictures: {error}")


class _Shown:
    """The two directions of one encoder."""

    def __init__(self, attempt: Attempt, encoder: JpegEncoder, size: tuple[int, int]) -> None:
        self._attempt = attempt
        self._encoder = encoder
        self._size = size
        self._started = False
        self._began_us = attempt.now_us()
        self._keyframe_90k = -_KEYFRAME_INTERVAL_90K

    async def receive(self) -> Ending:
        attempt = self._attempt
        async for event in self._encoder.events():
            match event:
                case EncoderQueued(position, length):
                    attempt.say_queued(position, length)
                case EncoderStarted(track):
                    self._started = True
                    attempt.ingest.parameter_sets(track.codec, list(track.parameter_sets))
                case units:
                    for unit in units:
                        nal_units = split_by_length(unit.payload, 4)
                        attempt.ingest.picture(
                            Codec.H264, nal_units, unit.pts_90k, unit.dts_90k, unit.wall_us
                        )
        return Ending("transcoder", "the transcoder ended the job")

    async def send(
        self, reader: MultipartReader, pictures: list[bytes], chunks: AsyncIterator[bytes]
    ) -> Ending:
        attempt = self._attempt
        while True:
            for picture in pictures:
                if jpeg_size(picture) != self._size:
                    return Ending("ended", "the pictures have another size now", retry_s=0.0)
            attempt.packets += len(pictures)
            if pictures and self._started:
                await self._push(pictures[-1])
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return Ending("ended", "the server ended the stream")
            attempt.bytes += len(chunk)
            pictures = reader.receive(chunk)

    async def _push(self, picture: bytes) -> None:
        now_us = self._attempt.now_us()
        pts_90k = (now_us - self._began_us) * 9 // 100
        keyframe = pts_90k - self._keyframe_90k >= _KEYFRAME_INTERVAL_90K
        if keyframe:
            self._keyframe_90k = pts_90k
        await self._encoder.push(AccessUnit(0, picture, pts_90k, pts_90k, keyframe, now_us))
