"""Trying what a bucket can do, by doing it: servers differ, and so do buckets of one server.

Small objects below ``.check/`` are written and deleted again. Everything here blocks, and raises
what the client raises where the store takes nothing at all.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable

from minio import Minio
from minio.datatypes import Part
from minio.error import InvalidResponseError, S3Error, ServerError

from recorder.stores import s3_lifecycle, s3_locks
from recorder.stores.capabilities import Capability, CapabilityName
from recorder.stores.s3_deletion import delete_objects
from recorder.stores.s3_errors import code_of

_BODY = b"gridsight"
_DENIED = "the key may not"


def probe(client: Minio, bucket: str) -> list[Capability]:
    """What this bucket offers to this key."""
    folder = f".check/{secrets.token_hex(8)}"
    versioned = _versioning(client, bucket)
    keys = [f"{folder}-a", f"{folder}-b", f"{folder}-c"]
    client.put_object(bucket, keys[0], io.BytesIO(_BODY), len(_BODY))
    found = [
        _try("range_reads", lambda: _reads_ranges(client, bucket, keys[0])),
        _try("multipart", lambda: _takes_parts(client, bucket, keys[1])),
        _try("conditional_put", lambda: _puts_conditionally(client, bucket, keys[0])),
        versioned,
        _try("object_lock", lambda: _locks(client, bucket, keys[0])),
        _try("lifecycle", lambda: _has_lifecycle(client, bucket)),
    ]
    found.append(
        _try("batch_deletion", lambda: _deletes(client, bucket, keys, bool(versioned.offered)))
    )
    return found


_Answer = tuple[bool, str]


def _try(name: CapabilityName, ask: Callable[[], _Answer]) -> Capability:
    try:
        return Capability(name, *ask())
    except S3Error as error:
        if code_of(error.code) == "denied":
            return Capability(name, None, _DENIED)
        if code_of(error.code) in ("slow_down", "timeout"):
            raise
        return Capability(name, False, f"{error.code}: {error.message}".rstrip(": "))
    except (ServerError, InvalidResponseError) as error:
        return Capability(name, False, str(error).partition(";")[0])


def _versioning(client: Minio, bucket: str) -> Capability:
    def ask() -> _Answer:
        status = client.get_bucket_versioning(bucket).status
        if status in (None, "Off"):
            return False, ""
        return True, "every version of what is deleted is deleted with it"

    return _try("versioning", ask)


def _reads_ranges(client: Minio, bucket: str, key: str) -> _Answer:
    answer = client.get_object(bucket, key, offset=4, length=5)
    try:
        data = answer.read()
    finally:
        answer.close()
        answer.release_conn()
    return data == _BODY[4:], "" if data == _BODY[4:] else "it answers with other bytes"


def _takes_parts(client: Minio, bucket: str, key: str) -> _Answer:
    upload_id = client._create_multipart_upload(bucket, key, {})
    etag = client._upload_part(bucket, key, _BODY, None, upload_id, 1)
    listed = client._list_parts(bucket, key, upload_id).parts
    client._complete_multipart_upload(bucket, key, upload_id, [Part(1, etag)])
    size = client.stat_object(bucket, key).size
    if [part.part_number for part in listed] != [1]:
        return False, "it does not list the parts that it has"
    return size == len(_BODY), "" if size == len(_BODY) else "the object is not what its parts were"


def _puts_conditionally(client: Minio, bucket: str, key: str) -> _Answer:
    try:
        client._put_object(bucket, key, _BODY, {"If-None-Match": "*"})
    except S3Error as error:
        if error.code == "PreconditionFailed":
            return True, ""
        raise
    return False, "If-None-Match is taken and not heeded"


def _locks(client: Minio, bucket: str, key: str) -> _Answer:
    if not s3_locks.offers_locks(client, bucket):
        return False, "the bucket was made without it"
    version = client.stat_object(bucket, key).version_id
    s3_locks.lock(client, bucket, key)
    try:
        client.remove_object(bucket, key, version_id=version)
    except S3Error as error:
        if code_of(error.code) != "denied":
            raise
        return True, ""
    finally:
        s3_locks.unlock(client, bucket, key)
    return False, "a legal hold is taken and not heeded"


def _has_lifecycle(client: Minio, bucket: str) -> _Answer:
    return True, s3_lifecycle.describe(s3_lifecycle.read(client, bucket))


def _deletes(client: Minio, bucket: str, keys: list[str], versioned: bool) -> _Answer:
    refused = delete_objects(client, bucket, keys, versioned=versioned)
    if refused:
        first = next(iter(refused.values()))
        return False, f"{first.code}: {first.message or ''}".rstrip(": ")
    return True, ""
