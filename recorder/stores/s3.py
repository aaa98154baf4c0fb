"""Objects in an S3 bucket, by the ``minio`` client on threads, with time-outs on everything.

One attempt per call: the caller (the uploader) knows better than the client when to try again, and
backs off for all segments at once. Works with MinIO, Ceph RGW, SeaweedFS, RustFS and AWS.
"""

from __future__ import annotations

import asyncio
import functools
import io
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import Rule

from recorder.stores import (
    DeletionError,
    ObjectStat,
    S3StoreConfig,
    StoreError,
    s3_lifecycle,
    s3_locks,
    s3_parts,
    s3_probe,
)
from recorder.stores.capabilities import Capability
from recorder.stores.lifecycle import LifecycleRules
from recorder.stores.parts import StoredPart, UnfinishedUpload
from recorder.stores.s3_deletion import delete_objects
from recorder.stores.s3_errors import code_of, store_error

_T = TypeVar("_T")
_LIST_BATCH = 1000
_SINGLE_PUT_BYTES = 32 << 20
_PART_BYTES = 16 << 20
_WRITE_BYTES = 1 << 20  # fewer, larger writes: each costs a hand-over of the interpreter
_BUCKET_LOOK_S = 3600.0


class S3Store:
    """See :class:`~recorder.stores.Store`. A lost object store costs its threads, never the loop.

    The bucket is made by :meth:`check` when it is absent and the key may make it.
    """

    def __init__(self, config: S3StoreConfig) -> None:
        self._config = config
        self._bucket = config.bucket
        self._where = f"bucket {config.bucket} at {config.endpoint}"
        self._versioning_status = ""
        self._versioning_until = 0.0
        self._executor = ThreadPoolExecutor(config.threads, thread_name_prefix="s3-store")
        self._client = Minio(
            config.endpoint,
            access_key=config.access_key,
            secret_key=config.secret_key,
            secure=config.secure,
            # Without a region the client asks the server for it, once more to fail.
            region=config.region or "us-east-1",
            http_client=urllib3.PoolManager(
                maxsize=config.threads,
                timeout=urllib3.Timeout(
                    connect=config.connect_timeout_s, read=config.read_timeout_s
                ),
                retries=urllib3.Retry(0, redirect=3),
                blocksize=_WRITE_BYTES,
            ),
        )

    async def put(self, key: str, path: Path) -> None:
        """See :meth:`Store.put`."""
        await self._run(self._put, key, path)

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """See :meth:`Store.read`."""
        return await self._run(self._read, key, offset, length)

    async def delete(self, keys: Sequence[str]) -> None:
        """See :meth:`Store.delete`."""
        await self._run(self._delete, list(keys))

    async def stat(self, key: str) -> ObjectStat | None:
        """See :meth:`Store.stat`."""
        return await self._run(self._stat, key)

    async def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """See :meth:`Store.list`."""
        listing = self._list(prefix)
        while batch := await self._run(_take, listing):
            for item in batch:
                yield item

    async def free_bytes(self) -> int | None:
        """S3 does not tell: None."""
        return None

    async def check(self) -> None:
        """See :meth:`Store.check`."""
        await self._run(self._check)

    # In parts, see :class:`~recorder.stores.parts.PartStore`

    @property
    def part_bytes(self) -> int:
        """See :meth:`PartStore.part_bytes`."""
        return self._config.part_bytes

    async def begin_upload(self, key: str) -> str:
        """See :meth:`PartStore.begin_upload`."""
        return await self._run(s3_parts.begin_upload, self._client, self._bucket, key)

    async def put_part(
        self, key: str, upload_id: str, number: int, path: Path, offset: int, length: int
    ) -> StoredPart:
        """See :meth:`PartStore.put_part`."""
        where = (self._client, self._bucket, key, upload_id)
        return await self._run(s3_parts.put_part, *where, number, path, offset, length)

    async def finish_upload(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> None:
        """See :meth:`PartStore.finish_upload`."""
        where = (self._client, self._bucket, key, upload_id)
        await self._run(s3_parts.finish_upload, *where, parts)

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """See :meth:`PartStore.abort_upload`."""
        await self._run(s3_parts.abort_upload, self._client, self._bucket, key, upload_id)

    async def list_parts(self, key: str, upload_id: str) -> Sequence[StoredPart]:
        """See :meth:`PartStore.list_parts`."""
        return await self._run(s3_parts.list_parts, self._client, self._bucket, key, upload_id)

    async def list_uploads(self, prefix: str) -> AsyncIterator[UnfinishedUpload]:
        """See :meth:`PartStore.list_uploads`."""
        listing = s3_parts.list_uploads(self._client, self._bucket, prefix)
        while batch := await self._run(_take, listing):
            for item in batch:
                yield item

    # Locks, see :class:`~recorder.stores.locks.LockStore`

    async def offers_locks(self) -> bool:
        """See :meth:`LockStore.offers_locks`."""
        return await self._run(s3_locks.offers_locks, self._client, self._bucket)

    async def lock(self, key: str) -> None:
        """See :meth:`LockStore.lock`."""
        await self._run(s3_locks.lock, self._client, self._bucket, key)

    async def unlock(self, key: str) -> None:
        """See :meth:`LockStore.unlock`."""
        await self._run(s3_locks.unlock, self._client, self._bucket, key)

    # Rules and abilities, see :mod:`recorder.stores.lifecycle`, :mod:`recorder.stores.capabilities`

    async def lifecycle(self) -> LifecycleRules:
        """See :meth:`LifecycleStore.lifecycle`."""
        return _rules(await self._run(s3_lifecycle.read, self._client, self._bucket))

    async def set_lifecycle(
        self, *, upload_days: int | None, expiry_days: int | None
    ) -> LifecycleRules:
        """See :meth:`LifecycleStore.set_lifecycle`."""
        change = functools.partial(
            s3_lifecycle.change, upload_days=upload_days, expiry_days=expiry_days
        )
        return _rules(await self._run(change, self._client, self._bucket))

    async def probe(self) -> Sequence[Capability]:
        """See :meth:`ProbedStore.probe`."""
        return await self._run(s3_probe.probe, self._client, self._bucket)

    async def close(self) -> None:
        """See :meth:`Store.close`."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, function, *arguments)
        except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise store_error(self._where, error) from error

    def _put(self, key: str, path: Path) -> None:
        size = path.stat().st_size
        with path.open("rb") as file:
            self._client.put_object(
                self._bucket,
                key,
                file,
                size,
                content_type="video/mp4",
                # The client holds a part in memory: one request for a minute, parts for more.
                part_size=_PART_BYTES if size > _SINGLE_PUT_BYTES else max(size, 5 << 20),
                num_parallel_uploads=1,
            )

    def _read(self, key: str, offset: int, length: int) -> bytes:
        if length <= 0:
            return b""
        response = None
        try:
            response = self._client.get_object(self._bucket, key, offset=offset, length=length)
            return bytes(response.read())
        except S3Error as error:
            if error.code == "InvalidRange":  # starts at or behind the end
                return b""
            raise
        finally:
            if response is not None:
                response.close()
                response.release_conn()

    def _delete(self, keys: Sequence[str]) -> None:
        refused = delete_objects(
            self._client, self._bucket, keys, versioned=bool(self._versioning())
        )
        if refused:
            failed = {key: one.message or one.code for key, one in refused.items()}
            first = next(iter(refused.values()))
            raise DeletionError(code_of(first.code), f"{self._where} keeps", failed)

    def _versioning(self) -> str:
        """``Enabled``, ``Suspended``, or nothing: then an object has no versions. Asked each hour;
        a key that may not ask is taken to have none.
        """
        now = time.monotonic()
        if now >= self._versioning_until:
            try:
                status = self._client.get_bucket_versioning(self._bucket).status
            except S3Error as error:
                if code_of(error.code) not in ("denied", "failed"):
                    raise
                status = None
            self._versioning_status = "" if status in (None, "Off") else str(status)
            self._versioning_until = now + _BUCKET_LOOK_S
        return self._versioning_status

    def _stat(self, key: str) -> ObjectStat | None:
        try:
            found = self._client.stat_object(self._bucket, key)
        except S3Error as error:
            if error.code == "NoSuchKey":
                return None
            raise
        return ObjectStat(key, int(found.size or 0))

    def _list(self, prefix: str) -> Iterator[ObjectStat]:
        for found in self._client.list_objects(self._bucket, prefix, recursive=True):
            yield ObjectStat(str(found.object_name), int(found.size or 0))

    def _check(self) -> None:
        if not self._client.bucket_exists(self._bucket):
            self._client.make_bucket(
                self._bucket,
                self._config.region or "us-east-1",
                object_lock=self._config.object_lock,
            )
        key = f".check/{secrets.token_hex(8)}"
        self._client.put_object(self._bucket, key, io.BytesIO(b"gridsight"), 9)
        try:
            if self._read(key, 4, 5) != b"sight":
                raise StoreError(
                    "failed",
                    f"{self._where} answers range reads wrongly; playback needs them",
                )
        finally:
            self._delete([key])


def _take(listing: Iterator[_T]) -> list[_T]:
    return list(islice(listing, _LIST_BATCH))


def _rules(found: Sequence[Rule]) -> LifecycleRules:
    rules = [*found]
    return LifecycleRules(
        upload_days=s3_lifecycle.days_of(rules, s3_lifecycle.UPLOADS_RULE),
        expiry_days=s3_lifecycle.days_of(rules, s3_lifecycle.EXPIRY_RULE),
        deletes_after_days=min((days for _, days in s3_lifecycle.expiring(rules)), default=None),
    )
