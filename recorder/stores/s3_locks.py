"""Legal holds on objects, where the bucket was made with object lock. Everything here blocks, and
raises what the client raises.
"""

from __future__ import annotations

from minio import Minio
from minio.error import S3Error

_NO_LOCKS = (
    "ObjectLockConfigurationNotFoundError",
    "InvalidRequest",
    "MethodNotAllowed",
    "NotImplemented",
)
_GONE = ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed")  # the last: a mark that hides an object


def offers_locks(client: Minio, bucket: str) -> bool:
    """See :meth:`LockStore.offers_locks`."""
    try:
        client.get_object_lock_config(bucket)
    except S3Error as error:
        if error.code in _NO_LOCKS:
            return False
        raise
    return True


def lock(client: Minio, bucket: str, key: str) -> None:
    """See :meth:`LockStore.lock`: a legal hold on the newest version."""
    client.enable_object_legal_hold(bucket, key)


def unlock(client: Minio, bucket: str, key: str) -> None:
    """See :meth:`LockStore.unlock`: every version is let go."""
    for version in client.list_objects(bucket, key, recursive=True, include_version=True):
        if version.object_name != key or version.is_delete_marker:
            continue
        try:
            client.disable_object_legal_hold(bucket, key, version_id=version.version_id)
        except S3Error as error:
            if error.code not in (*_GONE, *_NO_LOCKS):
                raise
