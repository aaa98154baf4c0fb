"""The queue of export jobs, worked off by a footage server; and what is over, cleared away.

One job at a time and server: the disks belong to recording and playback first. A server that stops
puts its job back; one that is killed takes it up again when it has started anew.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import time

import sqlalchemy as sa
import structlog

from camera_adapters.event_wait import wait_for_event
from gateway.database.evidence_tables import export_jobs, holds
from gateway.evidence.making import ExportFailed, ExportTaken, Making, Workshop
from gateway.footage.download import FormatChanges
from gateway.footage.reader import FootageGone, FootageUnreadable
from gateway.identifiers import US_PER_S, now_us
from gateway.transcoder.errors import TranscodeError
from recorder.fmp4.reader import Mp4Error
from recorder.gop_index import GopIndexError
from recorder.rows import RowError

_log = structlog.get_logger(__name__)

POLL_S = 3.0
CLEAR_INTERVAL_S = 30.0
# What passes by itself (a shard that restarts, a transcoder that is full) is tried again.
_ATTEMPTS = 10
_ATTEMPTS_AT_A_PLACE = 240  # of a minute each
_REST_US = 15 * US_PER_S


class ExportWorker:
    """See the module. :meth:`wake` says that there is something to do."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self._woken = asyncio.Event()
        self._attempts: dict[str, int] = {}
        self._cleared = 0.0

    def wake(self) -> None:
        """A job was ordered."""
        self._woken.set()

    async def run(self) -> None:
        """For ever. Cancelling puts the job back that is being made."""
        while True:
            worked = False
            try:
                worked = await self.turn()
            except (ConnectionError, TimeoutError, RowError, sa.exc.DBAPIError) as error:
                _log.warning("exports are put off", why=str(error))
            except Exception:
                _log.exception("an export failed; trying again")
            if not worked:
                self._woken.clear()
                await wait_for_event(self._woken, POLL_S)

    async def turn(self) -> bool:
        """Make one job, if there is one; whether there was. Raises ConnectionError, RowError."""
        if time.monotonic() - self._cleared > CLEAR_INTERVAL_S:
            await self.clear()
            self._cleared = time.monotonic()
        if not await self._is_any():
            return False
        job = await self._shop.rows.write("evidence.claim_export", process=self._shop.process)
        if job is None:
            return False
        await self._make(job)
        return True

    async def clear(self) -> None:
        """End holds and packages whose time is over, and delete the files of jobs that ended."""
        at_us = now_us()
        due_holds = sa.select(holds.c.id).where(
            holds.c.released_us.is_(None), holds.c.expires_us <= at_us
        )
        due_jobs = sa.select(export_jobs.c.id).where(
            export_jobs.c.state == "done", export_jobs.c.expires_us <= at_us
        )
        async with self._shop.engine.connect() as connection:
            holds_due = (await connection.execute(due_holds.limit(1))).first()
            jobs_due = (await connection.execute(due_jobs.limit(1))).first()
        if holds_due is not None:
            await self._shop.rows.write("evidence.expire_holds")
        if jobs_due is not None:
            await self._shop.rows.write("evidence.expire_exports")
        await self._delete_leftovers()

    async def _is_any(self) -> bool:
        table = export_jobs.c
        waiting = sa.select(table.id).where(table.state.in_(("queued", "running"))).limit(1)
        async with self._shop.engine.connect() as connection:
            return (await connection.execute(waiting)).first() is not None

    async def _make(self, job: dict[str, object]) -> None:
        job_id = str(job["id"])
        try:
            await Making(self._shop, job).run()
            _log.info("an export is complete", export=job_id)
        except asyncio.CancelledError:
            await self._put_back(job_id)
            raise
        except ExportTaken:
            await self.clear()
        except ExportFailed as error:
            await self._fail(job_id, error.code, str(error))
        except FootageGone as error:
            await self._fail(job_id, "no_footage", str(error))
        except (Mp4Error, GopIndexError, FormatChanges) as error:
            await self._fail(job_id, "damaged", f"the footage is damaged: {error}")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                await self._fail(job_id, "no_space", "the disk became full meanwhile")
            else:
                await self._again(job_id, "failed", str(error))
        except (FootageUnreadable, RowError, sa.exc.DBAPIError) as error:
            await self._again(job_id, "failed", str(error))
        except TranscodeError as error:
            code = "damaged" if error.code in ("undecodable", "unsupported") else "unavailable"
            await self._again(job_id, code, str(error))
        except Exception as error:
            _log.exception("an export failed", export=job_id)
            await self._fail(job_id, "failed", f"{type(error).__name__}: {error}")
        else:
            self._attempts.pop(job_id, None)

    async def _again(self, job_id: str, code: str, message: str) -> None:
        """Put it back, and later try again; but not for ever."""
        self._attempts[job_id] = self._attempts.get(job_id, 0) + 1
        _log.warning("an export is put off", export=job_id, why=message)
        limit = _ATTEMPTS_AT_A_PLACE if code == "unavailable" else _ATTEMPTS
        if code == "damaged" or self._attempts[job_id] >= limit:
            await self._fail(job_id, code, message)
        else:
            await self._put_back(job_id, _REST_US)

    async def _put_back(self, job_id: str, rest_us: int = 0) -> None:
        try:
            await self._shop.rows.write(
                "evidence.yield_export",
                job_id=job_id,
                process=self._shop.process,
                rest_us=rest_us,
            )
        except (ConnectionError, TimeoutError, RowError) as error:
            _log.warning("an export waits for its lease to end", export=job_id, why=str(error))

    async def _fail(self, job_id: str, code: str, message: str) -> None:
        self._attempts.pop(job_id, None)
        _log.warning("an export cannot be made", export=job_id, code=code, why=message)
        await self._shop.rows.write(
            "evidence.fail_export",
            job_id=job_id,
            process=self._shop.process,
            code=code,
            message=message,
        )
        await self._delete_leftovers()

    async def leftovers(self) -> list[str]:
        """Folders whose job is over, or was never there."""
        folders = await asyncio.to_thread(_folders, self._shop)
        if not folders:
            return []
        table = export_jobs.c
        living = sa.select(table.id).where(
            table.id.in_(folders), table.state.in_(("queued", "running", "done"))
        )
        async with self._shop.engine.connect() as connection:
            keep = set((await connection.execute(living)).scalars())
        return [name for name in folders if name not in keep]

    async def _delete_leftovers(self) -> None:
        for name in await self.leftovers():
            await asyncio.to_thread(shutil.rmtree, self._shop.folder / name, True)


def _folders(workshop: Workshop) -> list[str]:
    if not workshop.folder.is_dir():
        return []
    return [one.name for one in workshop.folder.iterdir() if one.is_dir()]
