"""``analysis.look`` and ``analysis.photo``: a picture becomes something to search by.

They have a worker of their own, so that neither waits for the other cameras' pictures, and nothing
that somebody uploads can end the worker that looks at them. It is started when it is wanted, and
ended after a while of silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.analysis.worker_process import WorkerFailed, WorkerProcess
from gateway.control.channel import ControlClient, ControlError
from gateway.footage.reader import FootageGone, FootageReader, FootageUnreadable
from gateway.settings.analysis import SearchSettings
from gateway.transcoder.wire import track_to_wire, units_to_wire
from recorder.fmp4.reader import Mp4Error, read_units
from search.appearance.photos import LARGEST_FILE_BYTES

IDLE_S = 300.0
WAITING_LIMIT = 8
# What is sought may lie a little after the last picture that there is.
_BEFORE_US = 15_000_000


class Looks:
    """``shard_of`` gives the shard that holds a camera, ``client`` its control channel."""

    def __init__(
        self,
        settings: SearchSettings,
        footage: FootageReader,
        shard_of: Callable[[str], str],
        client: Callable[[str], ControlClient],
    ) -> None:
        self._settings = settings
        self._footage = footage
        self._shard_of = shard_of
        self._client = client
        self._worker: WorkerProcess | None = None
        self._waiting = 0
        self._ending: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def look(
        self,
        camera_id: str,
        at_us: int | None,
        box: list[float] | None,
        masks: list[list[list[float]]] | None = None,
    ) -> dict[str, Any]:
        """What is in the newest picture, or in that of ``at_us``: ``{at_us, width, height, objects:
        [{box, class, confidence, vector: bytes}], vector_kind, vector_size, jpeg}``; with ``box``
        that one alone. ``masks`` (corners as shares of the picture) are drawn over it before
        anything is looked at. Raises ControlError ``no_picture``, ``unavailable``, ``busy``.
        """
        found = await (self._live(camera_id) if at_us is None else self._kept(camera_id, at_us))
        return await self._ask(
            {"type": "picture", **found, "at_us": at_us, "box": box, "masks": masks or []}
        )

    async def photo(self, data: bytes) -> dict[str, Any]:
        """As :meth:`look`, of a file. ``jpeg`` is upright and at most 1,920 pixels wide or high.
        Raises ControlError ``photo_refused``, ``photo_too_large``, ``photo_too_small``,
        ``photo_animated``, ``photo_damaged`` besides.
        """
        if len(data) > LARGEST_FILE_BYTES:
            most = f"a photo has at most {LARGEST_FILE_BYTES >> 20} MiB"
            raise ControlError("photo_too_large", most)
        return await self._ask({"type": "photo", "data": data})

    async def close(self) -> None:
        """End the worker."""
        if self._ending is not None:
            self._ending.cancel()
        if self._worker is not None:
            await self._worker.close()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._waiting >= WAITING_LIMIT:
            raise ControlError("busy", "too many pictures are being looked at; try again")
        if self._ending is not None:
            self._ending.cancel()
        self._waiting += 1
        if self._worker is None:
            self._worker = WorkerProcess("looks", self._settings)
        worker = self._worker
        try:
            await worker.until_ready()
            reply = await worker.ask(request)
        except WorkerFailed as error:
            raise ControlError("unavailable", f"the picture was not looked at: {error}") from None
        finally:
            self._waiting -= 1
            if not self._waiting:
                loop = asyncio.get_running_loop()
                self._ending = loop.call_later(IDLE_S, self._end)
        if reply["type"] == "refused":
            raise ControlError(reply["code"], reply["message"])
        return {key: value for key, value in reply.items() if key != "type"}

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            task = asyncio.ensure_future(worker.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _live(self, camera_id: str) -> dict[str, Any]:
        shard = self._shard_of(camera_id)
        if not shard:
            raise ControlError("no_picture", "no media process has this camera now")
        client = self._client(shard)
        fault: Exception | None = None
        # The main picture shows more, and where it is not pulled, the other is good enough.
        for variant in ("main", "sub"):
            try:
                found = await client.call("snapshot.keyframe", camera_id=camera_id, variant=variant)
                return {"track": found["track"], "units": [found["unit"]]}
            except (ControlError, ConnectionError, TimeoutError) as error:
                fault = fault or error
        raise ControlError("no_picture", f"there is no live picture: {fault}")

    async def _kept(self, camera_id: str, at_us: int) -> dict[str, Any]:
        """The pictures from the keyframe before that instant."""
        try:
            items = await self._footage.between(camera_id, "main", at_us - _BEFORE_US, at_us + 1)
            parts = [
                (located, part)
                for located in items
                for part in located.fragments
                if part.start_us <= at_us
            ]
            begins = max(
                (number for number, (_, part) in enumerate(parts) if part.keyframe_bytes),
                default=None,
            )
            if begins is None:
                raise ControlError("no_picture", "nothing is recorded at that time")
            run = parts[begins][0].run
            tracks = self._footage.tracks(run)
            index = next((n for n, one in enumerate(tracks) if one.kind == "video"), None)
            if index is None:
                raise ControlError("no_picture", "there is sound alone at that time")
            units = []
            for located, part in parts[begins:]:
                if located.run.id == run.id:
                    data = await self._footage.read(located, part.offset, part.size_bytes)
                    units += await asyncio.to_thread(read_units, data, tracks, run.start_us)
        except (FootageGone, FootageUnreadable, Mp4Error) as error:
            raise ControlError("no_picture", str(error)) from None
        pictures = [unit for unit in units if unit.track_index == index]
        return {"track": track_to_wire(tracks[index]), "units": units_to_wire(pictures)}
