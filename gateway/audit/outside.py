"""Copies of the signatures where whoever holds this machine cannot reach back.

The newest checkpoint goes each minute to a directory (a share of another host, best one on which
files can only grow) and to a bucket with object lock, where not even its owner can delete it before
its time. A checkpoint covers every record before it, so that a copy that failed is made good by the
next.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.audit.checkpoints import (
    Checkpoint,
    CheckpointError,
    CheckpointWriter,
    append_line,
    cut_torn_line,
    read_checkpoints,
)
from gateway.identifiers import US_PER_S
from gateway.settings import AuditSettings, LockedStoreSettings

_log = structlog.get_logger(__name__)

_TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)


class OutsideError(Exception):
    """The place cannot be reached or does not take it; the message says what to look at."""


class Outside(Protocol):
    """A place for copies. Blocks: call it in a thread."""

    @property
    def place(self) -> str:
        """What people call it; without secrets."""

    def keep(self, checkpoint: Checkpoint) -> None:
        """Store it durably. Raises OutsideError."""

    def read(self) -> Iterator[Checkpoint]:
        """Every checkpoint of this gateway that is kept there. Raises OutsideError."""


def fingerprint(key: Ed25519PublicKey) -> str:
    """Which gateway's signatures these are; part of their names."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


class OutsideDirectory:
    """A directory with a file for each month, which only grows."""

    def __init__(self, directory: Path, gateway: str) -> None:
        self._directory = directory
        self._gateway = gateway
        self._month = ""
        self._file: Path | None = None

    @property
    def place(self) -> str:
        """See :class:`Outside`."""
        return str(self._directory)

    def keep(self, checkpoint: Checkpoint) -> None:
        """See :class:`Outside`."""
        month = f"{self._gateway}-{_utc(checkpoint.at_us):%Y-%m}"
        try:
            if self._file is None or self._month != month:
                self._month, self._file = month, self._whole_file(month, checkpoint.at_us)
            append_line(self._file, checkpoint.to_line())
        except OSError as error:
            self._file = None
            raise OutsideError(f"{self._directory / month}: {error.strerror or error}") from None

    def _whole_file(self, month: str, at_us: int) -> Path:
        """The month's file, without a torn line at its end."""
        path = self._directory / f"{month}.jsonl"
        try:
            if path.exists():
                cut_torn_line(path)
        except PermissionError:
            # Files can only grow here: the line stays, and what follows goes beside it.
            return self._directory / f"{month}-{at_us}.jsonl"
        return path

    def read(self) -> Iterator[Checkpoint]:
        """See :class:`Outside`."""
        try:
            if not self._directory.is_dir():
                raise OutsideError(f"{self._directory} is no directory, or cannot be reached")
            for path in sorted(self._directory.glob(f"{self._gateway}-*.jsonl")):
                yield from read_checkpoints(path, torn_end=True)
        except (OSError, CheckpointError) as error:
            raise OutsideError(str(error)) from None


class OutsideBucket:
    """A bucket with object lock: an object for each checkpoint, locked in compliance mode."""

    def __init__(self, settings: LockedStoreSettings, gateway: str) -> None:
        from minio import Minio

        assert settings.endpoint is not None and settings.bucket is not None
        self._settings = settings
        self._bucket = settings.bucket
        self._prefix = f"audit/{gateway}/"
        secret = settings.secret_key
        self._client = Minio(
            settings.endpoint,
            access_key=settings.access_key,
            secret_key=secret.get_secret_value() if secret is not None else None,
            secure=settings.secure,
            region=settings.region or "us-east-1",
            http_client=urllib3.PoolManager(timeout=_TIMEOUT, retries=urllib3.Retry(0, redirect=3)),
        )
        self._found = False

    @property
    def place(self) -> str:
        """See :class:`Outside`."""
        return f"s3://{self._settings.endpoint}/{self._bucket}"

    def keep(self, checkpoint: Checkpoint) -> None:
        """See :class:`Outside`."""
        from minio.commonconfig import COMPLIANCE
        from minio.retention import Retention

        until = _utc(checkpoint.at_us) + datetime.timedelta(days=self._settings.lock_days)
        body = checkpoint.to_line().encode()
        key = f"{self._prefix}{_utc(checkpoint.at_us):%Y/%m/%d}/{checkpoint.at_us}.json"
        with self._told():
            if not self._found:
                if not self._client.bucket_exists(bucket_name=self._bucket):
                    self._client.make_bucket(bucket_name=self._bucket, object_lock=True)
                self._found = True
            self._client.put_object(
                bucket_name=self._bucket,
                object_name=key,
                data=io.BytesIO(body),
                length=len(body),
                content_type="application/json",
                retention=Retention(COMPLIANCE, until),
            )

    def read(self) -> Iterator[Checkpoint]:
        """See :class:`Outside`."""
        with self._told():
            # All versions: writing over an object, or hiding it, leaves what was locked.
            listed = self._client.list_objects(
                bucket_name=self._bucket,
                prefix=self._prefix,
                recursive=True,
                include_version=True,
            )
            for entry in listed:
                if entry.is_delete_marker or entry.object_name is None:
                    continue
                answer = self._client.get_object(
                    bucket_name=self._bucket,
                    object_name=entry.object_name,
                    version_id=entry.version_id,
                )
                try:
                    line = answer.read().decode(errors="replace")
                finally:
                    answer.close()
                    answer.release_conn()
                try:
                    yield Checkpoint.from_line(line)
                except ValueError:
                    raise OutsideError(
                        f"{self.place}/{entry.object_name} is no checkpoint"
                    ) from None

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        from minio.error import MinioException, S3Error

        try:
            yield
        except S3Error as error:
            hint = ""
            if error.code in ("InvalidRequest", "ObjectLockConfigurationNotFoundError"):
                hint = " (the bucket must be made with object lock)"
            raise OutsideError(f"{self.place}: {error.code}: {error.message}{hint}") from None
        except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise OutsideError(f"{self.place}: {error}") from None


def configured_outside(settings: AuditSettings, key: Ed25519PublicKey) -> list[Outside]:
    """The places of the settings."""
    gateway = fingerprint(key)
    places: list[Outside] = []
    if settings.checkpoint_directory is not None:
        places.append(OutsideDirectory(settings.checkpoint_directory, gateway))
    if settings.store.endpoint is not None:
        places.append(OutsideBucket(settings.store, gateway))
    return places


@dataclass(slots=True)
class Copying:
    """How one place does: what it took last, and why it does not take the newest."""

    outside: Outside
    sequence: int = 0
    at_us: int = 0
    error: str | None = None


class OutsideCopies:
    """Keeps the newest line in every place. A place that hangs delays nothing but itself."""

    def __init__(self, writer: CheckpointWriter, places: list[Outside]) -> None:
        self._writer = writer
        self._copying = [Copying(one) for one in places]

    async def run(self) -> None:
        """Copy until cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self._copying:
                group.create_task(self._copy_for_ever(one))

    def state(self) -> list[dict[str, str | int | None]]:
        """``place``, the ``sequence`` and ``at_us`` of the last copy, ``error``."""
        return [
            {
                "place": one.outside.place,
                "sequence": one.sequence,
                "at_us": one.at_us,
                "error": one.error,
            }
            for one in self._copying
        ]

    def copy_newest(self) -> None:
        """Copy to every place now; for the orderly end. Failures are logged."""
        for one in self._copying:
            self._copy(one)

    async def _copy_for_ever(self, one: Copying) -> None:
        while True:
            await asyncio.to_thread(self._copy, one)
            await asyncio.sleep(1.0 if one.error is None else 15.0)

    def _copy(self, one: Copying) -> None:
        newest = self._writer.newest_line
        if newest is None or newest.at_us == one.at_us:
            return
        try:
            one.outside.keep(newest)
        except Exception as error:
            # Whatever it is: this place is tried again, and the others do not end with it.
            foreseen = isinstance(error, OutsideError)
            if one.error is None:
                said = "a copy of the register's signature cannot be kept"
                _log.error(said, why=str(error), exc_info=not foreseen)
            one.error = str(error) if foreseen else repr(error)
            return
        if one.error is not None:
            _log.info("copies of the register's signatures are kept again", place=one.outside.place)
        one.sequence, one.at_us, one.error = newest.sequence, newest.at_us, None


def _utc(at_us: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at_us / US_PER_S, datetime.UTC)
