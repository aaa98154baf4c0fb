"""What a store can do beyond storing, and what follows where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

CapabilityName = Literal[
    "range_reads",
    "multipart",
    "conditional_put",
    "versioning",
    "object_lock",
    "lifecycle",
    "batch_deletion",
]

# What follows where it is not offered.
CONSEQUENCES: dict[CapabilityName, str] = {
    "range_reads": "playback cannot seek: this store cannot be used",
    "multipart": "segments are sent when they are complete, and not while they are recorded: set "
    "store.part_bytes = 0; a machine that is lost takes the open minute with it",
    "conditional_put": "nothing is missed: no two segments have the same key",
    "versioning": "nothing is missed: a bucket without versions deletes at once, and for good",
    "object_lock": "footage that is held is kept by the gateway alone, and whoever else has a key "
    "to the bucket can delete it; a bucket gets object lock when it is made",
    "lifecycle": "nothing ends what is left of uploads but the gateway itself",
    "batch_deletion": "footage whose time is over cannot be deleted: this store cannot be used",
}


@dataclass(frozen=True, slots=True)
class Capability:
    """One answer. ``offered`` is None where the store would not tell, or the key may not ask;
    ``detail``: what it said, or what else is to be known.
    """

    name: CapabilityName
    offered: bool | None
    detail: str = ""

    @property
    def consequence(self) -> str:
        """What follows; empty where nothing is missing."""
        if self.offered:
            return ""
        told = CONSEQUENCES[self.name]
        return told if self.offered is not None else f"if it is not there: {told}"

    @property
    def missed(self) -> bool:
        """Whether it is not there, as far as is known, and something follows from that."""
        return not self.offered and self.name not in ("versioning", "conditional_put")

    @property
    def line(self) -> str:
        """For a log or a terminal."""
        state = {True: "offered", False: "missing", None: "unknown"}[self.offered]
        rest = "; ".join(part for part in (self.detail, self.consequence) if part)
        return f"{self.name}: {state}{f' ({rest})' if rest else ''}"


@runtime_checkable
class ProbedStore(Protocol):
    """What a :class:`~recorder.stores.Store` may offer besides."""

    async def probe(self) -> Sequence[Capability]:
        """Try everything, with small objects that are deleted again. Raises StoreError where the
        store is out of reach, or takes nothing.
        """
