"""Objects that are stored in parts, so that a segment is on its way while it is being recorded.

An object that comes in parts does not exist before :meth:`PartStore.finish_upload`, and is whole
from then on. Until then the store keeps the parts, whoever sent them: a successor, on this machine
or on another, lists them and goes on, or gives them up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

LEAST_PART_BYTES = 5 << 20  # S3 refuses smaller ones, but for the last


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that the store has. ``number`` counts from 1; ``etag`` is the store's word for it, the
    MD5 of its bytes where the store does not encrypt. ``stored_us``: UTC, 0 where not told.
    """

    number: int
    etag: str
    size_bytes: int
    stored_us: int = 0


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """An upload that was begun and neither finished nor given up. ``begun_us``: UTC."""

    key: str
    upload_id: str
    begun_us: int


@runtime_checkable
class PartStore(Protocol):
    """What a :class:`~recorder.stores.Store` may offer besides. Raises StoreError as that does;
    ``no_upload`` where the upload was finished or given up already.
    """

    @property
    def part_bytes(self) -> int:
        """How long parts are, but for the last; 0: this store is to be given whole objects."""

    async def begin_upload(self, key: str) -> str:
        """The id of a new upload of this object. One that is begun twice is two uploads."""

    async def put_part(
        self, key: str, upload_id: str, number: int, path: Path, offset: int, length: int
    ) -> StoredPart:
        """Store these bytes of a file as a part; what the part held before is replaced."""

    async def finish_upload(self, key: str, upload_id: str, parts: Sequence[StoredPart]) -> None:
        """Make the object of these parts. Where the answer was lost it may be finished already:
        then this succeeds once more, or raises ``no_upload``.
        """

    async def abort_upload(self, key: str, upload_id: str) -> None:
        """Give the upload up, and its parts. What is finished or given up already stays so."""

    async def list_parts(self, key: str, upload_id: str) -> Sequence[StoredPart]:
        """The parts that are there, by number."""

    def list_uploads(self, prefix: str) -> AsyncIterator[UnfinishedUpload]:
        """Uploads of keys with this prefix that are neither finished nor given up."""
