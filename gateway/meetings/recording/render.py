"""One MP4 of a recorded meeting: its layout drawn, all voices mixed, minute by minute.

Each minute is a job of a process of its own (:mod:`gateway.meetings.recording.compose`), and
stands as a file when it is done. So a server that is killed goes on with the minute it was at;
memory and the disk for footage are those of a minute, whatever the length.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.event_wait import wait_for_event
from gateway.database.meeting_tables import meeting_recordings
from gateway.footage.reader import FootageGone, FootageReader, FootageUnreadable, Located
from gateway.identifiers import US_PER_S
from gateway.meetings.recording.expiry import render_prefix
from gateway.meetings.recording.reading import read_chapters, read_recordings
from gateway.meetings.recording.render_leftovers import clear_leftovers, render_folder
from recorder.rows import RowError, RowWriter
from recorder.stores import Store, StoreError

_log = structlog.get_logger(__name__)

PART_US = 60 * US_PER_S
POLL_S = 3.0
BESIDE_LIMIT = 4
_REST_US = 15 * US_PER_S
_ATTEMPTS = 10
_RESERVE_BYTES = 1024**3
_PIECE_BYTES = 4 * 1024 * 1024
_PART_LIMIT_S = 1800.0


class RenderFailed(Exception):
    """It cannot be made; the message says why."""


class RenderTaken(Exception):
    """It is not ours any more."""


@dataclass(frozen=True, slots=True)
class Studio:
    """What making needs. ``folder`` holds a folder for each that is being made."""

    process: str
    engine: AsyncEngine
    rows: RowWriter
    reader: FootageReader
    store: Store
    folder: Path


class RenderWorker:
    """The queue of renderings, worked off one at a time. :meth:`wake` says there is something."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._woken = asyncio.Event()
        self._attempts: dict[str, int] = {}

    def wake(self) -> None:
        """One was ordered."""
        self._woken.set()

    async def run(self) -> None:
        """For ever. Cancelling puts back what is being made."""
        while True:
            worked = False
            try:
                worked = await self.turn()
            except (ConnectionError, TimeoutError, RowError, sa.exc.DBAPIError) as error:
                _log.warning("renderings are put off", why=str(error))
            except Exception:
                _log.exception("a rendering failed; trying again")
            if not worked:
                self._woken.clear()
                await wait_for_event(self._woken, POLL_S)

    async def turn(self) -> bool:
        """Make one, if there is one; whether there was. Before and after, what nobody goes on with
        is deleted.
        """
        await clear_leftovers(self._studio.engine, self._studio.folder)
        worked = await self._make_one()
        if worked:
            await clear_leftovers(self._studio.engine, self._studio.folder)
        return worked

    async def _make_one(self) -> bool:
        table = meeting_recordings.c
        waiting = sa.select(table.id).where(table.render_state.in_(["queued", "running"])).limit(1)
        async with self._studio.engine.connect() as connection:
            if (await connection.execute(waiting)).first() is None:
                return False
        rows, process = self._studio.rows, self._studio.process
        job = await rows.write("meetings.claim_render", process=process)
        if job is None:
            return False
        ours: dict[str, Any] = {"recording_id": job["id"], "process": process}
        try:
            await Rendering(self._studio, job).run()
            self._attempts.pop(job["id"], None)
            _log.info("a meeting's recording was rendered", recording=job["id"])
        except asyncio.CancelledError:
            with contextlib.suppress(ConnectionError, TimeoutError, RowError):
                await rows.write("meetings.yield_render", **ours)
            raise
        except RenderTaken:
            return True
        except (RenderFailed, FootageGone) as error:
            await rows.write("meetings.fail_render", **ours, message=str(error))
        except (FootageUnreadable, StoreError, OSError, RowError, sa.exc.DBAPIError) as error:
            await self._again(job["id"], ours, str(error))
        return True

    async def _again(self, recording_id: str, ours: dict[str, Any], why: str) -> None:
        """What passes by itself is tried again; but not for ever."""
        self._attempts[recording_id] = self._attempts.get(recording_id, 0) + 1
        _log.warning("a rendering is put off", recording=recording_id, why=why)
        if self._attempts[recording_id] >= _ATTEMPTS:
            self._attempts.pop(recording_id)
            await self._studio.rows.write("meetings.fail_render", **ours, message=why)
        else:
            await self._studio.rows.write("meetings.yield_render", **ours, rest_us=_REST_US)


class Rendering:
    """One recording, from the row that was claimed."""

    def __init__(self, studio: Studio, job: dict[str, Any]) -> None:
        self._studio = studio
        self._id: str = job["id"]
        self._meeting_id: str = job["meeting_id"]
        self._title: str = job["title"]
        self._layout: str = job["render_layout"]
        self._before: str | None = job["render_key"]
        self._start_us: int = job["started_us"]
        self._end_us: int = job["ended_us"]
        self._folder = render_folder(studio.folder, self._id, self._layout)
        self._done_us = 0

    async def run(self) -> None:
        """Make all of it, and put it into the store."""
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        async with self._studio.engine.connect() as connection:
            (document,) = await read_recordings(connection, [self._meeting_id], self._id)
            chapters = await read_chapters(
                connection, self._meeting_id, self._start_us, self._end_us
            )
        tracks = document["tracks"]
        starts = range(self._start_us, self._end_us, PART_US)
        if not starts:
            raise RenderFailed("nothing was recorded")
        for number, start_us in enumerate(starts):
            await self._tell(start_us - self._start_us)
            if not self._part(number, "pcm").exists():
                await self._make_part(number, start_us, tracks, chapters)
        await self._tell(self._end_us - self._start_us)
        await self._join(len(starts), chapters)

    async def _make_part(
        self,
        number: int,
        start_us: int,
        tracks: Sequence[dict[str, Any]],
        chapters: Sequence[dict[str, Any]],
    ) -> None:
        await self._check_space()
        end_us = min(start_us + PART_US, self._end_us)
        # Its own: another server may have taken the work over, in the same folder.
        taken = self._folder / f"taken-{self._studio.process}"
        await asyncio.to_thread(_empty, taken)
        try:
            job = await self._part_job(number, start_us, end_us, taken, tracks, chapters)
            await self._compose(job)
        finally:
            # However it ends, also cancelled: footage lies here no longer than it is needed.
            await asyncio.to_thread(shutil.rmtree, taken, ignore_errors=True)

    async def _part_job(
        self,
        number: int,
        start_us: int,
        end_us: int,
        taken: Path,
        tracks: Sequence[dict[str, Any]],
        chapters: Sequence[dict[str, Any]],
    ) -> dict[str, Any]:
        async def files(kind: str, limit: int | None = None) -> list[list[tuple[str, int]]]:
            ids = [one["footage_id"] for one in tracks if one["kind"] == kind]
            found = [await self._take(one, start_us, end_us, taken) for one in ids]
            return [one for one in found if one][:limit]

        program = await files("program")
        return {
            "kind": "part",
            "start_us": start_us,
            "end_us": end_us,
            "program": program[0] if program else [],
            "beside": await files("camera", BESIDE_LIMIT) if self._layout == "beside" else [],
            "voices": await files("microphone"),
            "names": [[one["start_us"], one["end_us"], one["name"]] for one in chapters],
            "video": str(self._part(number, "mp4")),
            "sound": str(self._part(number, "pcm")),
        }

    async def _take(
        self, footage_id: str, start_us: int, end_us: int, folder: Path
    ) -> list[tuple[str, int]]:
        """The track's segments that meet the range, as files; when each one's run began."""
        found = await self._studio.reader.between(footage_id, "main", start_us, end_us)
        return [(await self._fetch(one, folder), one.run.start_us) for one in found]

    async def _fetch(self, located: Located, folder: Path) -> str:
        segment = located.segment
        path = folder / f"{segment.id}.mp4"
        with await asyncio.to_thread(path.open, "wb") as opened:
            for at in range(0, segment.size_bytes, _PIECE_BYTES):
                length = min(_PIECE_BYTES, segment.size_bytes - at)
                data = await self._studio.reader.read(located, at, length)
                await asyncio.to_thread(opened.write, data)
        return str(path)

    async def _join(self, parts: int, chapters: Sequence[dict[str, Any]]) -> None:
        out = self._folder / "out.mp4"
        await self._compose(
            {
                "kind": "join",
                "videos": [str(self._part(number, "mp4")) for number in range(parts)],
                "sounds": [str(self._part(number, "pcm")) for number in range(parts)],
                "chapters": [
                    [self._ms(one["start_us"]), self._ms(one["end_us"]), one["name"]]
                    for one in chapters
                    if one["end_us"] > one["start_us"]
                ],
                "title": self._title,
                "out": str(out),
            }
        )
        size_bytes, sha256 = await asyncio.to_thread(_digest, out)
        key = f"{render_prefix(self._meeting_id, self._id)}{sha256[:12]}.mp4"
        await self._studio.store.put(key, out)
        ours = {"recording_id": self._id, "process": self._studio.process}
        if not await self._studio.rows.write(
            "meetings.finish_render", **ours, key=key, size_bytes=size_bytes, sha256=sha256
        ):
            raise RenderTaken(self._id)
        if self._before is not None and self._before != key:
            await self._studio.store.delete([self._before])
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _compose(self, job: dict[str, Any]) -> None:
        """Run a job to its end, and meanwhile keep the lease."""
        path = self._folder / "job.json"
        await asyncio.to_thread(path.write_text, json.dumps(job))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.meetings.recording.compose", str(path),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        until_s = time.monotonic() + _PART_LIMIT_S
        waiting = asyncio.ensure_future(process.communicate())
        try:
            while not (await asyncio.wait((waiting,), timeout=30))[0]:
                if time.monotonic() > until_s:
                    raise RenderFailed("a minute of it took half an hour: it was given up")
                await self._tell(None)
            _, said = waiting.result()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            last = said.decode(errors="replace").strip().rpartition("\n")[2]
            raise RenderFailed(f"it could not be drawn: {last or process.returncode}")

    async def _tell(self, done_us: int | None) -> None:
        if done_us is not None:
            self._done_us = done_us
        ours = {"recording_id": self._id, "process": self._studio.process}
        if not await self._studio.rows.write(
            "meetings.render_progress", **ours, done_us=self._done_us
        ):
            raise RenderTaken(self._id)

    async def _check_space(self) -> None:
        free = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        if free < _RESERVE_BYTES:
            raise RenderFailed("the disk is full: make room, and order it again")

    def _ms(self, at_us: int) -> int:
        return (at_us - self._start_us) // 1000

    def _part(self, number: int, suffix: str) -> Path:
        return self._folder / f"part-{number:05d}.{suffix}"


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _digest(path: Path) -> tuple[int, str]:
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    return path.stat().st_size, digest.hexdigest()
