"""What was ordered, and decided at the order: everything that making and proving a package needs.

It is kept with the job, so that a package tells of the people, names and reasons of that moment,
whatever they are called when it is finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Viewing = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class OrderedCamera:
    """A camera and where it stood. ``area`` are the names from the root down."""

    id: str
    name: str
    area: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """See ExportOrder in docs/http-api.md. ``reason`` has ``code``, ``text`` and ``case_id``;
    ``case`` is None or has ``id``, ``number`` and ``title``; ``requester`` has ``id``, ``name`` and
    ``display_name``.
    """

    cameras: tuple[OrderedCamera, ...]
    original: bool
    viewing: Viewing
    burn_time: bool
    burn_viewer: bool
    burn_masks: bool
    utc_offset_minutes: int
    requester: Mapping[str, Any]
    reason: Mapping[str, Any]
    case: Mapping[str, Any] | None

    def to_document(self) -> dict[str, Any]:
        """Plain values, for a JSON column."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Order:
        """The inverse of :meth:`to_document`."""
        cameras = tuple(
            OrderedCamera(one["id"], one["name"], tuple(one["area"])) for one in document["cameras"]
        )
        return cls(**{**document, "cameras": cameras})
