"""Makes one package: its files one after the other, its page, its manifest, its signature.

Every file is synced and in the database before the next is begun; so a job that was killed goes on
with the file that it was at. Nothing of a package that is not complete can be downloaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.codecs.codec_string import codec_string
from camera_adapters.stream import Track
from gateway.cameras import find_cameras
from gateway.database.evidence_tables import export_files
from gateway.evidence.digest import DigestingFile, FileDigest, write_file
from gateway.evidence.keys import PackageSigner, canonical
from gateway.evidence.manifest import (
    build_manifest,
    camera_document,
    file_document,
    page_document,
)
from gateway.evidence.order import Order
from gateway.evidence.pages import instructions, player_page
from gateway.evidence.plan import PlannedFile, files_for, find_pieces
from gateway.evidence.source_check import CheckedReader
from gateway.evidence.verify import MANIFEST, SIGNATURE
from gateway.evidence.viewing_copy import write_viewing_copy
from gateway.evidence.zip_layout import ZipEntry, ZipLayout, dos_time
from gateway.footage.download import plan_download
from gateway.footage.playback_index import Range
from gateway.footage.reader import FootageReader
from gateway.identifiers import US_PER_S, now_us
from gateway.masks import MaskReader
from gateway.people.authorize import authorize
from gateway.people.grants import principal_of_user
from gateway.people.roles import Right
from gateway.transcoder.client import TranscoderClient
from gateway.transcoder.stamp import Stamp
from recorder.rows import RowWriter

_log = structlog.get_logger(__name__)

_PROGRESS_INTERVAL_S = 1.0


class ExportFailed(Exception):
    """The package cannot be made. ``code`` is one of docs/http-api.md; the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ExportTaken(Exception):
    """The job is not ours any more: cancelled, or taken over."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What making needs. ``folder`` holds a folder for each job; ``gateway`` is its name for
    manifests; ``reserve_bytes`` of the folder's disk stay free.
    """

    process: str
    engine: AsyncEngine
    rows: RowWriter
    reader: FootageReader
    transcoder: TranscoderClient
    signer: PackageSigner
    folder: Path
    gateway: str
    reserve_bytes: int
    keep_us: int


class Making:
    """One job, from the row that was claimed."""

    def __init__(self, workshop: Workshop, job: dict[str, Any]) -> None:
        self._shop = workshop
        self._job = job
        self._id: str = job["id"]
        self._order = Order.from_document(job["order"])
        self._wanted = Range(job["start_us"], job["end_us"])
        self._folder = workshop.folder / self._id
        self._checked = CheckedReader(workshop.reader)
        self._masks = MaskReader(workshop.engine)
        self._total = 0
        self._done = 0
        self._told = 0.0
        self._position = 0

    async def run(self) -> None:
        """Make all of it. Raises ExportFailed, ExportTaken, and what reading, writing and
        transcoding raise.
        """
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        planned, masked = await self._plan()
        ready = await self._ready()
        self._total = sum(_length(one) * one.weight for one in planned) or 1
        await self._check_space(planned, ready)
        await self._tell(force=True)
        for number, file in enumerate(planned):
            self._position = number
            if file.path not in ready:
                await self._permit(file)
                document, digest = await self._make(file)
                ready[file.path] = (document, digest)
                await self._tell(file=_row(number, file.path, digest, document), force=True)
            self._done = sum(_length(one) * one.weight for one in planned[: number + 1])
        await self._conclude(planned, ready, masked)

    # ---- planning

    async def _plan(self) -> tuple[list[PlannedFile], set[str]]:
        planned: list[PlannedFile] = []
        masked: set[str] = set()
        for number, camera in enumerate(self._order.cameras, 1):
            may_lift = await self._may_lift(camera.id)
            masks = await self._masks.covering(
                camera.id, self._wanted.start_us, self._wanted.end_us
            )
            pieces = await find_pieces(self._shop.reader, camera.id, self._wanted)
            files = files_for(self._order, number, pieces, masks=masks, may_lift_masks=may_lift)
            if any(file.masks for file in files):
                masked.add(camera.id)
            planned += files
        if not planned:
            raise ExportFailed("no_footage", "there is no footage of these cameras in that range")
        return planned, masked

    async def _ready(self) -> dict[str, tuple[dict[str, Any], FileDigest]]:
        """What an earlier attempt finished, as far as it is still there."""
        statement = sa.select(export_files).where(export_files.c.job_id == self._id)
        async with self._shop.engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        return {
            row.path: (row.document, FileDigest(row.size_bytes, row.sha256, row.sm3, row.crc32))
            for row in rows
            if row.document.get("kind") != "page"
            and await asyncio.to_thread(_has_size, self._folder / row.path, row.size_bytes)
        }

    async def _may_lift(self, camera_id: str) -> bool:
        """Whether the orderer may see beneath masks. Raises ExportFailed ``not_allowed`` when they
        may not export any more.
        """
        at_us = now_us()
        async with self._shop.engine.connect() as connection:
            camera = (await find_cameras(connection, [camera_id], deleted=True)).get(camera_id)
            principal = await principal_of_user(connection, self._job["user_id"], at_us + US_PER_S)
        if camera is not None:
            decision = authorize(principal, Right.EXPORT, camera, at_us)
            if decision.allowed:
                return decision.may_lift_masks
        raise ExportFailed("not_allowed", "the right to export was withdrawn meanwhile")

    async def _permit(self, file: PlannedFile) -> None:
        """Rights and masks are asked again before each file: hours may have gone by."""
        may_lift = await self._may_lift(file.camera_id)
        if may_lift:
            return
        covering = await self._masks.covering(
            file.camera_id, self._wanted.start_us, self._wanted.end_us
        )
        if not set(covering) <= set(file.masks):
            raise ExportFailed(
                "not_allowed", "the camera's masks were changed meanwhile: order it again"
            )

    async def _check_space(
        self,
        planned: Sequence[PlannedFile],
        ready: dict[str, tuple[dict[str, Any], FileDigest]],
    ) -> None:
        needed = 0
        for camera in self._order.cameras:
            items = await self._shop.reader.between(
                camera.id, "main", self._wanted.start_us, self._wanted.end_us
            )
            sizes = sum(
                fragment.size_bytes
                for item in items
                for fragment in item.fragments
                if self._wanted.meets(fragment.start_us, fragment.start_us + fragment.duration_us)
            )
            kinds = {file.kind for file in planned if file.camera_id == camera.id}
            needed += sizes * len(kinds)
        needed -= sum(digest.size_bytes for _, digest in ready.values())
        free = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        if needed + self._shop.reserve_bytes > free:
            raise ExportFailed(
                "no_space",
                f"the package needs about {needed} bytes and {self._shop.reserve_bytes} must stay "
                f"free, but the disk has only {free}: cancel other exports or ask for less",
            )

    # ---- files

    async def _make(self, file: PlannedFile) -> tuple[dict[str, Any], FileDigest]:
        path = self._folder / file.path
        if file.transcode:
            return await self._encode(file, path)
        return await self._copy(file, path)

    async def _copy(self, file: PlannedFile, path: Path) -> tuple[dict[str, Any], FileDigest]:
        untouched = file.kind == "original"
        plan = await plan_download(
            self._shop.reader, file.camera_id, "main", file.part, untouched=untouched
        )
        target = await asyncio.to_thread(DigestingFile, path)
        writing: asyncio.Task[None] | None = None
        sent = 0
        base = self._done
        try:
            async for piece in plan.read(self._checked, 0, plan.size_bytes):
                if writing is not None:
                    await writing
                # The next piece is read while this one is digested and written.
                writing = asyncio.create_task(asyncio.to_thread(target.write, piece))
                sent += len(piece)
                self._done = base + _length(file) * file.weight * sent // plan.size_bytes
                await self._tell()
            if writing is not None:
                await writing
            digest = await asyncio.to_thread(target.finish)
        finally:
            if writing is not None:
                await asyncio.gather(writing, return_exceptions=True)
            await asyncio.to_thread(target.discard)
        tracks = self._shop.reader.tracks(plan.sources[0].run)
        document = file_document(
            file,
            digest,
            start_us=plan.start_us,
            end_us=plan.end_us,
            stretches=plan.stretches,
            codecs=_codecs(tracks),
            size=_picture_size(tracks),
            segment_ids=[item.segment.id for item in plan.sources],
            burnt_in=(),
        )
        return document, digest

    async def _encode(self, file: PlannedFile, path: Path) -> tuple[dict[str, Any], FileDigest]:
        base = self._done

        async def progress(done_us: int) -> None:
            self._done = base + done_us * file.weight
            await self._tell()

        await self._require_transcoder(file)
        items = await self._shop.reader.between(
            file.camera_id, "main", file.part.start_us, file.part.end_us
        )
        stamp = self._stamp()
        copy = await write_viewing_copy(
            self._checked,
            items,
            file.part,
            self._shop.transcoder,
            path,
            masks=file.masks,
            stamp=stamp,
            progress=progress,
        )
        last = copy.stretches[-1]
        burnt_in = [
            *(["masks"] if file.masks else []),
            *(["time"] if self._order.burn_time else []),
            *(["viewer"] if self._order.burn_viewer else []),
        ]
        document = file_document(
            file,
            copy.digest,
            start_us=copy.stretches[0].start_us,
            end_us=last.start_us + last.duration_us,
            stretches=copy.stretches,
            codecs=_codecs(copy.tracks),
            size=_picture_size(copy.tracks),
            segment_ids=[item.segment.id for item in copy.sources],
            burnt_in=burnt_in,
        )
        return document, copy.digest

    async def _require_transcoder(self, file: PlannedFile) -> None:
        """A full transcoder is waited for; one that is switched off is not."""
        if (await self._shop.transcoder.status()).get("limit") == 0:
            raise ExportFailed(
                "masked_unavailable" if file.masks else "unavailable",
                "this needs the transcoder, which is switched off (transcoder.workers is 0)",
            )

    def _stamp(self) -> Stamp | None:
        order = self._order
        lines: tuple[str, ...] = ()
        if order.burn_viewer:
            who = order.requester
            parts = [f"{who['display_name']} ({who['name']})", self._id]
            if order.case is not None:
                parts.append(str(order.case["number"]))
            lines = ("  ".join(parts),)
        offset = order.utc_offset_minutes if order.burn_time else None
        return Stamp(lines, offset) if lines or offset is not None else None

    # ---- the end

    async def _conclude(
        self,
        planned: Sequence[PlannedFile],
        ready: dict[str, tuple[dict[str, Any], FileDigest]],
        masked: set[str],
    ) -> None:
        """Page, manifest, signature; then the package is complete."""
        created_us = now_us()
        cameras = []
        for camera in self._order.cameras:
            items = await self._shop.reader.between(
                camera.id, "main", self._wanted.start_us, self._wanted.end_us
            )
            # What an earlier attempt copied was compared then; the manifest tells of now. That
            # may be all of it, and the job is ours only while this says so.
            for item in items:
                await self._checked.check(item)
                await self._tell()
            matches, covered = self._checked.matches, camera.id in masked
            async with self._shop.engine.connect() as connection:
                document = await camera_document(
                    connection, self._shop.reader, camera, self._wanted, matches, covered
                )
            cameras.append(document)
        # In the order of the plan; then what an earlier plan had and this one has not.
        paths = [file.path for file in planned]
        paths += sorted(ready.keys() - set(paths))
        media = [ready[path][0] for path in paths]
        pages = {
            "index.html": player_page(self._order, self._wanted, cameras, media),
            "README.txt": instructions(self._shop.signer.public_keys()),
        }
        written: list[tuple[str, FileDigest, dict[str, Any]]] = []
        for path, data in pages.items():
            digest = await asyncio.to_thread(write_file, self._folder / path, data)
            written.append((path, digest, page_document(path, digest)))
        manifest = canonical(
            build_manifest(
                job_id=self._id,
                created_us=created_us,
                wanted=self._wanted,
                order=self._order,
                cameras=cameras,
                files=[*(document for _, _, document in written), *media],
                keys=self._shop.signer.public_keys(),
                gateway=self._shop.gateway,
            )
        )
        signature = await asyncio.to_thread(self._shop.signer.sign, manifest)
        for path, data in ((MANIFEST, manifest), (SIGNATURE, signature)):
            digest = await asyncio.to_thread(write_file, self._folder / path, data)
            written.append((path, digest, page_document(path, digest)))
        modified = dos_time(created_us, self._order.utc_offset_minutes)
        for number, (path, digest, document) in enumerate(written):
            # Before the footage in the archive, whose one time they carry.
            row = _row(number - len(written), path, digest, {**document, "modified": modified})
            await self._tell(file=row, force=True)
        entries = [ZipEntry(path, one.size_bytes, one.crc32) for path, one, _ in written]
        entries += [
            ZipEntry(path, ready[path][1].size_bytes, ready[path][1].crc32) for path in paths
        ]
        done = await self._shop.rows.write(
            "evidence.finish_export",
            job_id=self._id,
            process=self._shop.process,
            size_bytes=ZipLayout(entries, modified).size_bytes,
            message=_warning(self._checked.matches),
            expires_us=created_us + self._shop.keep_us,
        )
        if not done:
            raise ExportTaken(self._id)

    async def _tell(self, file: dict[str, Any] | None = None, *, force: bool = False) -> None:
        """Renew the lease and tell the progress, now and then. Raises ExportTaken."""
        if not force and time.monotonic() - self._told < _PROGRESS_INTERVAL_S:
            return
        self._told = time.monotonic()
        ours = await self._shop.rows.write(
            "evidence.export_progress",
            job_id=self._id,
            process=self._shop.process,
            total_us=self._total,
            done_us=min(self._done, self._total),
            file=file,
        )
        if not ours:
            raise ExportTaken(self._id)


def _row(position: int, path: str, digest: FileDigest, document: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": path,
        "position": position,
        "size_bytes": digest.size_bytes,
        "sha256": digest.sha256,
        "sm3": digest.sm3,
        "crc32": digest.crc32,
        "document": document,
    }


def _warning(matches: Mapping[str, bool]) -> str | None:
    altered = sum(not right for right in matches.values())
    if not altered:
        return None
    what = "1 segment is" if altered == 1 else f"{altered} segments are"
    return f"{what} not what was recorded: see manifest"


def _length(file: PlannedFile) -> int:
    return file.part.end_us - file.part.start_us


def _codecs(tracks: Sequence[Track]) -> list[str]:
    return [codec_string(track) for track in tracks]


def _picture_size(tracks: Sequence[Track]) -> tuple[int, int]:
    return next(((t.width, t.height) for t in tracks if t.kind == "video"), (0, 0))


def _has_size(path: Path, size_bytes: int) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_size == size_bytes
    return False
