"""How footage is recorded, kept, filled in from devices and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from gateway.settings.section import Section


class ShardSettings(Section):
    """How many media processes run on this machine."""

    count: int = Field(default=1, ge=1, le=64)


class RecordingSettings(Section):
    """How footage is cut and how much of it may wait on the local disk or in memory."""

    segment_s: int = Field(default=60, ge=2, le=3600)
    fsync_interval_s: float = Field(default=5.0, gt=0)
    spool_bytes_limit: int = Field(default=20 * 1024**3, gt=0)
    memory_bytes_limit: int = Field(default=512 * 1024**2, gt=0)


class StoreSettings(Section):
    """Where footage is kept. ``path`` is for a directory, the rest for S3: segments that are being
    recorded are sent in parts of ``part_bytes`` (0: when they are complete), ``uploads_at_once`` of
    all cameras of a shard. What is left of uploads that nobody goes on with is taken up after
    ``upload_hours``. A bucket that is not there is made, with ``object_lock`` or without.
    """

    kind: Literal["directory", "s3"] = "directory"
    path: Path | None = None
    endpoint: str | None = None
    bucket: str | None = None
    access_key: str | None = None
    secret_key: SecretStr | None = None
    region: str | None = None
    secure: bool = True
    object_lock: bool = False
    part_bytes: int = Field(default=5 * 1024**2, le=1024**3)
    uploads_at_once: int = Field(default=4, ge=1, le=64)
    upload_hours: float = Field(default=24.0, ge=2, le=720)

    @field_validator("part_bytes")
    @classmethod
    def _long_enough(cls, value: int) -> int:
        if 0 < value < 5 * 1024**2 or value < 0:
            raise ValueError("S3 takes parts of 5 MiB (5242880) and more; 0: whole objects")
        return value


class RetentionSettings(Section):
    """How long footage is kept when a camera does not say otherwise."""

    days: int = Field(default=30, ge=1)
    bytes: int | None = Field(default=None, gt=0)


class BackfillSettings(Section):
    """What devices kept while we could not is fetched into gaps: of the last ``days``, ``at_once``
    stretches in each shard, one of each device. What somebody plays from a device's own storage is
    kept for ``borrowed_days``.
    """

    enabled: bool = True
    days: int = Field(default=7, ge=1, le=365)
    at_once: int = Field(default=2, ge=1, le=32)
    borrowed_days: float = Field(default=1.0, gt=0, le=30)


class FootageSettings(Section):
    """How many footage servers run on this machine."""

    count: int = Field(default=1, ge=1, le=64)


class TranscoderSettings(Section):
    """How many jobs decode and encode at the same time in each of ``count`` processes."""

    count: int = Field(default=1, ge=1, le=64)
    workers: int = Field(default=2, ge=0, le=256)
