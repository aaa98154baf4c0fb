"""Objects that the store itself keeps from being deleted: a second lock behind our own."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class LockStore(Protocol):
    """What a :class:`~recorder.stores.Store` may offer besides. Raises StoreError as that does."""

    async def offers_locks(self) -> bool:
        """Whether objects of this store can be locked."""

    async def lock(self, key: str) -> None:
        """Have the store refuse to delete the object until it is unlocked. Twice is harmless."""

    async def unlock(self, key: str) -> None:
        """The inverse; an object that is gone, or not locked, counts as unlocked."""
