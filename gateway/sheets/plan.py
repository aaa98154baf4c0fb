"""What an import would do: found by comparing a sheet with what is there, shown, then written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.sheets.sheet import Fault


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field as people see it, before and after."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Item:
    """A line that creates or changes something."""

    line: int
    key: str
    name: str
    action: str
    changes: tuple[FieldChange, ...] = ()


@dataclass(slots=True)
class Plan:
    """``steps`` are for the row operation of the sheet's kind, in their order; they are all there
    only when there are no ``faults``. ``warnings`` do not stop an import.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    unchanged: int = 0
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def count(self, action: str) -> int:
        """How many lines do that."""
        return sum(item.action == action for item in self.items)
