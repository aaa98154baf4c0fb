"""Rules by which a bucket deletes by itself. Ours are a backstop, set on command only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class LifecycleRules:
    """``upload_days``, ``expiry_days``: what our rules say, None: not there.
    ``deletes_after_days``: the soonest that any rule, of whomever, deletes objects.
    """

    upload_days: int | None
    expiry_days: int | None
    deletes_after_days: int | None


@runtime_checkable
class LifecycleStore(Protocol):
    """What a :class:`~recorder.stores.Store` may offer besides. Raises StoreError as that does."""

    async def lifecycle(self) -> LifecycleRules:
        """The rules as they are."""

    async def set_lifecycle(
        self, *, upload_days: int | None, expiry_days: int | None
    ) -> LifecycleRules:
        """Have our rules say this (None: not be there); those of others stay."""
