"""The calls of S3's multipart upload. Everything here blocks, and raises what the client raises.

The client offers them under private names only; they are called from nowhere else.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from minio import Minio
from minio.datatypes import Part
from minio.error import S3Error

from recorder.stores.parts import StoredPart, UnfinishedUpload

_GONE = ("NoSuchUpload", "NoSuchKey")


def begin_upload(client: Minio, bucket: str, key: str) -> str:
    """See :meth:`PartStore.begin_upload`."""
    return client._create_multipart_upload(bucket, key, {"Content-Type": "video/mp4"})


def put_part(
    client: Minio, bucket: str, key: str, upload_id: str, number: int, path: Path, offset: int,
    length: int,
) -> StoredPart:  # fmt: skip
    """See :meth:`PartStore.put_part`. Raises OSError where the file has less than that."""
    data = _read(path, offset, length)
    etag = client._upload_part(bucket, key, data, None, upload_id, number)
    return StoredPart(number, etag, length)


def finish_upload(
    client: Minio, bucket: str, key: str, upload_id: str, parts: Sequence[StoredPart]
) -> None:
    """See :meth:`PartStore.finish_upload`."""
    done = client._complete_multipart_upload(
        bucket, key, upload_id, [Part(part.number, part.etag) for part in parts]
    )
    if not done.object_name:  # servers answer 200 before they are done, and may fail then
        raise ValueError(f"{key} was not made of its parts: the store's answer names no object")


def abort_upload(client: Minio, bucket: str, key: str, upload_id: str) -> None:
    """See :meth:`PartStore.abort_upload`."""
    try:
        client._abort_multipart_upload(bucket, key, upload_id)
    except S3Error as error:
        if error.code not in _GONE:
            raise


def list_parts(client: Minio, bucket: str, key: str, upload_id: str) -> list[StoredPart]:
    """See :meth:`PartStore.list_parts`."""
    found: list[StoredPart] = []
    marker: str | None = None
    while True:
        answer = client._list_parts(bucket, key, upload_id, part_number_marker=marker)
        found += [
            StoredPart(part.part_number, part.etag, part.size or 0, _us(part.last_modified))
            for part in answer.parts
        ]
        if not answer.is_truncated or not answer.parts:
            return found
        marker = str(answer.parts[-1].part_number)


def list_uploads(client: Minio, bucket: str, prefix: str) -> Iterator[UnfinishedUpload]:
    """See :meth:`PartStore.list_uploads`."""
    key_marker: str | None = None
    id_marker: str | None = None
    while True:
        answer = client._list_multipart_uploads(
            bucket, prefix=prefix, key_marker=key_marker, upload_id_marker=id_marker
        )
        for upload in answer.uploads:
            yield UnfinishedUpload(
                upload.object_name, upload.upload_id or "", _us(upload.initiated_time)
            )
        if not answer.is_truncated or not answer.uploads:
            return
        key_marker, id_marker = answer.uploads[-1].object_name, answer.uploads[-1].upload_id


def _read(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        data = os.pread(file.fileno(), length, offset)
        while len(data) < length:
            more = os.pread(file.fileno(), length - len(data), offset + len(data))
            if not more:
                raise OSError(f"{path} has no {length} bytes from {offset} on")
            data += more
    return data


def _us(when: datetime.datetime | None) -> int:
    return 0 if when is None else round(when.timestamp() * 1_000_000)
