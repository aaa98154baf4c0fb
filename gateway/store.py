"""The store that the settings describe."""

from __future__ import annotations

from gateway.cluster.child import ConfigurationError
from gateway.settings import Settings
from recorder.stores import DirectoryStoreConfig, S3StoreConfig, Store, open_store


def open_configured_store(settings: Settings) -> Store:
    """Open it; nothing is contacted yet. Raises ConfigurationError where settings are missing."""
    configured = settings.store
    if configured.kind == "directory":
        return open_store(DirectoryStoreConfig(settings.store_directory))
    missing = [
        f"store.{name}"
        for name in ("endpoint", "bucket", "access_key", "secret_key")
        if not getattr(configured, name)
    ]
    if missing:
        raise ConfigurationError(f"an S3 store needs {', '.join(missing)}")
    assert configured.endpoint and configured.bucket
    assert configured.access_key and configured.secret_key
    return open_store(
        S3StoreConfig(
            configured.endpoint,
            configured.bucket,
            configured.access_key,
            configured.secret_key.get_secret_value(),
            region=configured.region,
            secure=configured.secure,
            threads=configured.uploads_at_once + 4,
            part_bytes=configured.part_bytes,
            object_lock=configured.object_lock,
        )
    )
