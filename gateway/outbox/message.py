"""A message to another system, and how its delivery went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.identifiers import US_PER_S


@dataclass(frozen=True, slots=True)
class Message:
    """What is delivered. ``created_us``: when it happened."""

    id: str
    kind: str
    body: dict[str, Any]
    created_us: int

    def content(self) -> bytes:
        """As it is sent: always the same bytes."""
        return _json(self._document())

    def content_with_id(self) -> bytes:
        """The same with ``id``, for what has no headers to carry it."""
        return _json({"id": self.id, **self._document()})

    @property
    def at(self) -> datetime:
        """When it happened."""
        return datetime.fromtimestamp(self.created_us / US_PER_S, UTC)

    def _document(self) -> dict[str, Any]:
        return {"type": self.kind, "timestamp": self.at.isoformat(), "data": self.body}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went. ``error``: None where it was delivered. ``gone``: wants nothing any more."""

    status: int | None
    error: str | None
    gone: bool = False


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
