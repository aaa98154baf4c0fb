"""Uploads that nobody goes on with: what a dead machine had sent of its segments is made footage.

The parts of such an upload hold the segment's header and its first fragments, cut anywhere. They
can be read only as an object: so the upload is finished, the object read, cut behind its last whole
fragment, and stored and indexed as a segment of its own; then the torn object goes. A crash at any
line leaves the upload, or an object without a row, which :mod:`recorder.check` names and repairs in
the same way.

The machine may come back at any moment, with all of the segment in its spool. So the key is claimed
first (:mod:`recorder.claim_rows`): whoever writes its row first has it. After a claim that machine
stores the segment under another key, and its row fills what is missing behind the rescued one.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from recorder.fmp4.reader import Mp4Error
from recorder.fmp4.recovery import recover
from recorder.index import source_message
from recorder.lookup import find_segment
from recorder.rows import RowError, RowWriter
from recorder.segments import new_id
from recorder.spool_file import SpoolFile
from recorder.spool_header import write_header
from recorder.stores import Store, StoreError
from recorder.stores.parts import PartStore, UnfinishedUpload

_log = structlog.get_logger(__name__)

_SEGMENT_KEY = re.compile(r"\S+/\d{4}/\d\d/\d\d/([0-9a-z]{20})\.mp4")


@dataclass(slots=True)
class UnfinishedReport:
    """How many uploads became footage, how many held none (or were stored otherwise)."""

    rescued: int = 0
    given_up: int = 0


async def take_up_unfinished(
    engine: AsyncEngine, rows: RowWriter, store: Store, now_us: int, idle_s: float
) -> UnfinishedReport:
    """Rescue what uploads of segments hold that got no part for ``idle_s``. Raises StoreError,
    RowError, ConnectionError; what was begun is finished by a later call.
    """
    report = UnfinishedReport()
    if not isinstance(store, PartStore):
        return report
    before_us = now_us - round(idle_s * 1_000_000)
    stale = [one async for one in store.list_uploads("") if one.begun_us < before_us]
    for upload in stale:
        match = _SEGMENT_KEY.fullmatch(upload.key)
        if match is None:
            continue  # somebody else's: the bucket's own rule may end it
        parts = await store.list_parts(upload.key, upload.upload_id)
        if any(part.stored_us >= before_us for part in parts):
            continue
        async with engine.connect() as connection:
            indexed = await find_segment(connection, match.group(1)) is not None
        if not indexed and parts:
            indexed = not await rows.write(
                "recorder.claim_key",
                store_key=upload.key,
                segment_id=match.group(1),
                now_us=now_us,
            )
        if indexed or not parts:
            await store.abort_upload(upload.key, upload.upload_id)
            report.given_up += 1
        elif await _rescue(rows, store, store, upload, now_us):
            report.rescued += 1
        else:
            report.given_up += 1
    if report.rescued:
        _log.warning("footage of a machine that is away was rescued", segments=report.rescued)
    return report


async def _rescue(
    rows: RowWriter, parts: PartStore, store: Store, upload: UnfinishedUpload, now_us: int
) -> bool:
    known = await parts.list_parts(upload.key, upload.upload_id)
    try:
        await parts.finish_upload(upload.key, upload.upload_id, known)
    except StoreError as error:
        if error.code != "no_upload":  # else its machine was quicker, and stores it elsewhere
            raise
    return await keep_whole_fragments(rows, store, upload.key, now_us)


async def keep_whole_fragments(rows: RowWriter, store: Store, key: str, now_us: int) -> bool:
    """Make a segment of what is whole in a torn object that has no row, then delete the object.
    False when nothing in it is whole. Raises StoreError, RowError, ConnectionError.
    """
    stat = await store.stat(key)
    if stat is None:
        return False
    data = await store.read(key, 0, stat.size_bytes)
    try:
        found = await asyncio.to_thread(recover, data)
    except Mp4Error as error:
        _log.error("what was sent of a segment cannot be read", key=key, error=str(error))
        await store.delete([key])
        return False
    if not found.entries:
        await store.delete([key])
        return False
    # Another id, and so another header: the segment's own machine may still bring it whole.
    header = replace(found.header, segment_id=new_id(now_us))
    head = write_header(header)
    body = data[found.header_bytes : found.size_bytes]
    with tempfile.TemporaryDirectory(prefix="gridsight-rescue-") as folder:
        path = Path(folder) / "segment.mp4"
        await asyncio.to_thread(path.write_bytes, head + body)
        file = SpoolFile(
            header,
            head,
            path,
            thread=0,
            composition_90k=found.composition_90k,
            entries=found.entries,
            written_bytes=len(head) + len(body),
            sha256=hashlib.sha256(head + body).digest(),
        )
        segment = file.describe()
        await store.put(segment.store_key, path)
    try:
        await rows.write(
            "recorder.add_segment",
            source=source_message(header.source),
            run=header.run.to_message(),
            segment=segment.to_message(),
            now_us=now_us,
        )
    except RowError:
        await store.delete([segment.store_key])
        raise
    await store.delete([key])
    return True
