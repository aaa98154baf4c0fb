"""Objects in an S3 bucket, by the ``minio`` client on threads, with time-outs on everything.

One attempt per call: the caller (the uploader) knows better than the client when to try again, and
backs off for all segments at once. Works with MinIO, Ceph RGW, SeaweedFS, RustFS and AWS.
"""

from __future__ import annotations

import asyncio
import io
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from recorder.stores import ObjectStat, S3StoreConfig, StoreError, StoreErrorCode

_T = TypeVar("_T")
_LIST_BATCH = 1000
_DELETE_BATCH = 1000  # the protocol's limit
_SINGLE_PUT_BYTES = 32 << 20
_PART_BYTES = 16 << 20
_WRITE_BYTES = 1 << 20  # fewer, larger writes: each costs a hand-over of the interpreter

_CODES: dict[str, StoreErrorCode] = {
    "AccessDenied": "denied",
    "InvalidAccessKeyId": "denied",
    "SignatureDoesNotMatch": "denied",
    "RequestTimeTooSkewed": "denied",
    "NoSuchBucket": "no_bucket",
    "NoSuchKey": "not_found",
    "QuotaExceeded": "full",
    "XMinioStorageFull": "full",
    "InsufficientStorage": "full",
}


class S3Store:
    """See :class:`~recorder.stores.Store`. A lost object store costs its threads, never the loop.

    The bucket is made by :meth:`check` when it is absent and the key may make it.
    """

    def __init__(self, config: S3StoreConfig) -> None:
        self._config = config
        self._bucket = config.bucket
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

    async def close(self) -> None:
        """See :meth:`Store.close`."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Callable[..., _T], *arguments: object) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, function, *arguments)
        except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._store_error(error) from error

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
        for start in range(0, len(keys), _DELETE_BATCH):
            batch = [DeleteObject(key) for key in keys[start : start + _DELETE_BATCH]]
            for failure in self._client.remove_objects(self._bucket, batch):
                if failure.code != "NoSuchKey":
                    raise StoreError(
                        _CODES.get(failure.code, "failed"),
                        f"cannot delete {failure.name}: {failure.message or failure.code}",
                    )

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
            self._client.make_bucket(self._bucket, self._config.region or "us-east-1")
        key = f".check/{secrets.token_hex(8)}"
        self._client.put_object(self._bucket, key, io.BytesIO(b"gridsight"), 9)
        try:
            if self._read(key, 4, 5) != b"sight":
                raise StoreError(
                    "failed",
                    f"bucket {self._bucket} at {self._config.endpoint} answers range reads "
                    "wrongly; playback needs them",
                )
        finally:
            self._client.remove_object(self._bucket, key)

    def _store_error(self, error: Exception) -> StoreError:
        where = f"bucket {self._bucket} at {self._config.endpoint}"
        if isinstance(error, S3Error):
            code = _CODES.get(error.code or "", "failed")
            hint = {
                "denied": ": check access_key and secret_key, and that the clocks agree",
                "no_bucket": ": create the bucket, or give the key the right to",
                "full": ": the object store is full",
            }.get(code, "")
            return StoreError(code, f"{where} refuses ({error.code}: {error.message}){hint}")
        if isinstance(error, (ServerError, InvalidResponseError)):
            status = getattr(error, "status_code", None) or getattr(error, "_code", None)
            code = "full" if status == 507 else "failed"
            return StoreError(code, f"{where} answers HTTP {status}: look at its own log")
        if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
            error = error.reason
        if isinstance(error, urllib3.exceptions.NewConnectionError):
            return StoreError("unreachable", f"{where} cannot be reached: {error}")
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return StoreError("timeout", f"{where} does not answer in time: {error}")
        if isinstance(error, urllib3.exceptions.HTTPError):
            return StoreError("unreachable", f"{where}: the connection broke: {error}")
        return StoreError("failed", f"{where}: {error}")


def _take(listing: Iterator[ObjectStat]) -> list[ObjectStat]:
    return list(islice(listing, _LIST_BATCH))
