"""What a look at a camera goes by, when the next one is, and pictures in the store."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.health.findings import Finding
from gateway.health.standing import Standing, is_undecided
from gateway.identifiers import US_PER_S
from gateway.meetings.kept import keep
from recorder.stores import Store, StoreError

STORE_PREFIX = "health/"
# What may be wrong is looked at again after this, at the latest.
_SOON_US = 150 * US_PER_S
_UNWELL_US = 600 * US_PER_S


@dataclass(frozen=True, slots=True)
class Known:
    """How a camera stood before a look; ``moves``: it is steered."""

    camera_id: str
    version: int = 0
    picture_us: int | None = None
    standing: tuple[tuple[Finding, Standing], ...] = ()
    samples: bytes | None = None
    kept_us: int | None = None
    moves: bool = False


def next_us(state: dict[Finding, Standing], at_us: int, every_us: int) -> int:
    """When to look again."""
    if is_undecided(state):
        return at_us + min(every_us, _SOON_US)
    return at_us + (min(every_us, _UNWELL_US) if state else every_us)


async def keep_picture(store: Store, camera_id: str, jpeg: bytes) -> str:
    """Put it into the store; gives its key. Raises StoreError, OSError."""
    key = f"{STORE_PREFIX}{camera_id}/{uuid.uuid4().hex}.jpg"
    await keep(store, key, jpeg)
    return key


async def forget_pictures(store: Store, keys: Sequence[str]) -> None:
    """Delete what no row names. What cannot be deleted now stays, as a few kilobytes."""
    if keys:
        with contextlib.suppress(StoreError):
            await store.delete(keys)
