"""The transcoder as other processes see it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from camera_adapters.stream import AccessUnit, Track
from gateway.control.channel import ControlClient, ControlError, ControlStream, control_path
from gateway.settings import Settings
from gateway.transcoder.burn_in import Polygon
from gateway.transcoder.choosing import ChosenStream, least_busy, places
from gateway.transcoder.errors import TranscodeError
from gateway.transcoder.stamp import Stamp
from gateway.transcoder.wire import (
    track_from_wire,
    track_to_wire,
    units_from_wire,
    units_to_wire,
)


@dataclass(frozen=True, slots=True)
class Queued:
    """Waiting for a place: ``position`` counts from 1."""

    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Started:
    """The job has a place; units of ``track`` will come. Send units from now on, not before."""

    track: Track


@dataclass(frozen=True, slots=True)
class Produced:
    """Units in decoding order. ``token`` is the one of :meth:`Transcoding.finish` when these are
    the last before it, else None.
    """

    units: list[AccessUnit]
    token: int | None


class Transcoding:
    """One job, from the queue to its end: iterate it for what happens, and :meth:`close` it.

    Iteration raises TranscodeError when the job failed, and with code ``unavailable`` when the
    transcoder is out of reach.
    """

    def __init__(self, stream: ControlStream | ChosenStream) -> None:
        self._stream = stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Queued | Started | Produced:
        try:
            event = await self._stream.__anext__()
        except ControlError as error:
            raise TranscodeError(error.code, str(error)) from error
        except ConnectionError as error:
            raise TranscodeError("unavailable", str(error)) from error
        match event["type"]:
            case "queued":
                return Queued(event["position"], event["length"])
            case "started":
                return Started(track_from_wire(event["track"]))
            case "failed":
                raise TranscodeError(event["code"], event["message"])
        return Produced(units_from_wire(event["units"]), event.get("token"))

    async def push(self, units: Iterable[AccessUnit], *, catching_up: bool = False) -> None:
        """Send units in decoding order. ``catching_up``: they are older than live, and wanted
        nevertheless (a live job otherwise skips what it cannot do in time).
        """
        await self._send(
            {"type": "units", "units": units_to_wire(units), "catching_up": catching_up}
        )

    async def start_at(self, pts_90k: int, keyframes_90k: Iterable[int] = ()) -> None:
        """Decode only, up to here; encode from here on, with keyframes at these times."""
        await self._send(
            {"type": "start_at", "pts_90k": pts_90k, "keyframes_90k": list(keyframes_90k)}
        )

    async def finish(self, token: int) -> None:
        """Ask for what is still inside; afterwards the job begins anew with a keyframe."""
        await self._send({"type": "finish", "token": token})

    async def close(self) -> None:
        """Give up the job and its place. May be called twice."""
        await self._stream.close()

    async def _send(self, item: dict[str, Any]) -> None:
        try:
            await self._stream.send(item)
        except ControlError as error:
            raise TranscodeError(error.code, str(error)) from error
        except ConnectionError as error:
            raise TranscodeError("unavailable", str(error)) from error


@contextlib.asynccontextmanager
async def open_transcoders(settings: Settings, secret: bytes) -> AsyncIterator[TranscoderClient]:
    """The transcoders of this machine, until the end."""
    controls = [
        ControlClient(control_path(settings, name), secret) for name in settings.transcoder_names
    ]
    try:
        yield TranscoderClient(*controls)
    finally:
        for control in controls:
            await control.close()


class TranscoderClient:
    """Calls on the transcoders. Raises TranscodeError only."""

    def __init__(self, *controls: ControlClient) -> None:
        self._controls = controls

    def open(
        self,
        kind: Literal["video", "aac", "opus"],
        track: Track,
        *,
        live: bool,
        masks: Sequence[Polygon] = (),
        stamp: Stamp | None = None,
    ) -> Transcoding:
        """Ask for a job: ``video`` makes H.264 with ``masks`` and ``stamp`` burnt in, the others
        that sound.
        """
        stream = ChosenStream(
            self._controls,
            "transcode.open",
            kind=kind,
            track=track_to_wire(track),
            live=live,
            masks=list(masks),
            stamp=stamp.to_wire() if stamp is not None else None,
        )
        return Transcoding(stream)

    async def picture(
        self,
        track: Track,
        units: Iterable[AccessUnit],
        *,
        at_90k: int | None = None,
        width: int | None = None,
        masks: Sequence[Polygon] = (),
        lines: Sequence[str] = (),
    ) -> bytes:
        """A JPEG; see :func:`gateway.transcoder.picture.jpeg_at`."""
        try:
            control = await least_busy(self._controls)
            jpeg = await control.call(
                "picture.jpeg",
                track=track_to_wire(track),
                units=units_to_wire(units),
                at_90k=at_90k,
                width=width,
                masks=list(masks),
                lines=list(lines),
            )
        except ControlError as error:
            raise TranscodeError(error.code, str(error)) from error
        except (ConnectionError, TimeoutError) as error:
            raise TranscodeError(
                "unavailable", f"the transcoder does not answer: {error}"
            ) from error
        return bytes(jpeg)

    async def status(self) -> dict[str, int]:
        """``running``, ``queued``, ``live`` and ``limit`` of the video jobs, of all together."""
        try:
            return await places(self._controls)
        except (ControlError, ConnectionError, TimeoutError) as error:
            raise TranscodeError("unavailable", str(error)) from error
