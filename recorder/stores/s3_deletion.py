"""Deleting in batches, for good: where the bucket keeps versions, each of them goes. Blocks.

A deletion that names no version only hides an object of such a bucket: it would take its space for
ever, and whoever has a key could bring footage back whose time is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile

from minio import Minio
from minio.deleteobjects import DeleteError, DeleteObject

_GONE = ("NoSuchKey", "NoSuchVersion")


def delete_objects(
    client: Minio, bucket: str, keys: Sequence[str], *, versioned: bool
) -> dict[str, DeleteError]:
    """Delete all that can be deleted; gives what was refused, by key."""
    doomed = _versions(client, bucket, keys) if versioned else (DeleteObject(key) for key in keys)
    return {  # the client sends them by the thousand
        failure.name or "": failure
        for failure in client.remove_objects(bucket, doomed)
        if failure.code not in _GONE
    }


def _versions(client: Minio, bucket: str, keys: Sequence[str]) -> Iterator[DeleteObject]:
    """Every version of these keys, and every mark that hides one. Neighbours, as retention takes
    them, cost one listing together.
    """
    for _, group in groupby(sorted(set(keys)), lambda key: key.rpartition("/")[0]):
        wanted = list(group)
        names = set(wanted)
        # Names between the first and the last begin with what these two have in common.
        same = takewhile(lambda pair: pair[0] == pair[1], zip(wanted[0], wanted[-1], strict=False))
        prefix = "".join(letter for letter, _ in same)
        found = client.list_objects(bucket, prefix, recursive=True, include_version=True)
        for one in found:
            # To the end: the client gives the marks of a page behind all its versions.
            if one.object_name in names:
                yield DeleteObject(one.object_name, one.version_id)
