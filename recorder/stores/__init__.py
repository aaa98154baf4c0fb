"""Where segment objects live: a directory or an S3 bucket, behind one interface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

StoreErrorCode = Literal[
    "unreachable",  # refused, reset, name does not resolve
    "timeout",
    "denied",  # wrong key or secret, or no right
    "no_bucket",
    "full",
    "not_found",
    "slow_down",  # it has too much to do at the moment
    "unsupported",  # this server does not do that at all
    "no_upload",  # of parts: finished or given up already
    "failed",  # anything else, with the store's own words in the message
]


class StoreError(Exception):
    """The store did not do it. ``code`` is stable; the message says what to look at."""

    def __init__(self, code: StoreErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class DeletionError(StoreError):
    """Some objects were refused to be deleted; all others are gone. ``failed``: why, by key."""

    def __init__(self, code: StoreErrorCode, where: str, failed: Mapping[str, str]) -> None:
        key, why = next(iter(failed.items()))
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        super().__init__(code, f"{where} {key}{more}, which should be deleted: {why}")
        self.failed = failed


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """One object's key and size in bytes."""

    key: str
    size_bytes: int


class Store(Protocol):
    """A place for objects. Keys are relative paths with ``/``; objects never change once put.

    Every method raises StoreError, within the store's time-out, and never blocks the event loop.
    """

    async def put(self, key: str, path: Path) -> None:
        """Store the file's content under ``key``, durably and completely, or not at all.

        The file must not change afterwards: a directory store may share its blocks. Putting the
        same object again is harmless.
        """

    async def read(self, key: str, offset: int, length: int) -> bytes:
        """The bytes [``offset``, ``offset + length``), fewer at the object's end."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, each wholly; those that do not exist count as deleted. Raises
        DeletionError where some are refused.
        """

    async def stat(self, key: str) -> ObjectStat | None:
        """Size of the object, None when it does not exist."""

    def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """All objects whose key starts with ``prefix``, ordered by key."""

    async def free_bytes(self) -> int | None:
        """How much more fits; None where the store cannot tell (S3)."""

    async def check(self) -> None:
        """Write, read and delete a small object; StoreError says what the store lacks."""

    async def close(self) -> None:
        """Release threads and connections."""


@dataclass(frozen=True, slots=True)
class DirectoryStoreConfig:
    """A directory, best on the spool's file system (segments are then linked, not copied)."""

    path: Path


@dataclass(frozen=True, slots=True)
class S3StoreConfig:
    """A bucket. ``endpoint`` is ``host:port`` without scheme; ``secure`` means TLS. Segments that
    are being recorded are sent in parts of ``part_bytes``; 0: when they are complete. A bucket that
    is not there is made with ``object_lock``, or without.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str | None = None
    secure: bool = True
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    threads: int = 8
    part_bytes: int = 5 << 20
    object_lock: bool = False


StoreConfig = DirectoryStoreConfig | S3StoreConfig


def open_store(config: StoreConfig) -> Store:
    """The store that ``config`` describes. Nothing is contacted yet; see :meth:`Store.check`."""
    if isinstance(config, DirectoryStoreConfig):
        from recorder.stores.directory import DirectoryStore

        return DirectoryStore(config)
    from recorder.stores.s3 import S3Store

    return S3Store(config)
