"""Why somebody looks, as a query says it: what a GET cannot say in its body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from gateway.accountability import Purpose, ReasonCode


@dataclass(frozen=True, slots=True)
class Said:
    """``look``: what an earlier answer gave, which carries the purpose that was said then."""

    code: ReasonCode | None
    text: str | None
    case_id: str | None
    look: str | None

    def purpose(self) -> Purpose | None:
        """The purpose that is said anew."""
        if self.code is None:
            return None
        return Purpose(code=self.code, text=self.text, case_id=self.case_id)


def _said(
    purpose_code: ReasonCode | None = None,
    purpose_text: Annotated[str | None, Query(max_length=500)] = None,
    case_id: Annotated[str | None, Query(max_length=64)] = None,
    look: Annotated[str | None, Query(max_length=4096)] = None,
) -> Said:
    return Said(purpose_code, purpose_text, case_id, look)


QueryPurpose = Annotated[Said, Depends(_said)]
