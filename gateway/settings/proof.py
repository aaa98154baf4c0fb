"""What proves who looked and what was recorded: the register and packages of evidence."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from gateway.settings.section import Section


class LockedStoreSettings(Section):
    """A bucket with object lock; nothing in it can be deleted before ``lock_days`` are over."""

    endpoint: str | None = None
    bucket: str | None = None
    access_key: str | None = None
    secret_key: SecretStr | None = None
    region: str | None = None
    secure: bool = True
    lock_days: int = Field(default=365, ge=1, le=36500)

    @model_validator(mode="after")
    def _whole(self) -> LockedStoreSettings:
        if (self.endpoint is None) != (self.bucket is None):
            raise ValueError("endpoint and bucket go together")
        return self


class AuditSettings(Section):
    """How often the register is signed, and where copies of the signatures go."""

    checkpoint_interval_s: float = Field(default=60.0, gt=0, le=3600)
    checkpoint_directory: Path | None = None
    store: LockedStoreSettings = LockedStoreSettings()


class EvidenceSettings(Section):
    """Packages of evidence: how long they are kept for download, how much of the disk they leave
    free, and the county's SM2 private key (PEM), where packages are to be signed with one too.
    """

    keep_days: float = Field(default=14.0, gt=0)
    reserve_bytes: int = Field(default=2 * 1024**3, ge=0)
    sm2_key_file: Path | None = None
