"""When a site takes calls without anybody on the spot: only in hours that it has named itself, and
its own page holds to.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

HOURS_LIMIT = 14


class Hours(BaseModel):
    """From minute to minute of local days, the end not included; 0 is Monday. Within one day: a
    night is two of them.
    """

    model_config = ConfigDict(extra="forbid")

    days: list[Annotated[int, Field(ge=0, le=6)]] = Field(min_length=1, max_length=7)
    from_min: int = Field(ge=0, lt=24 * 60)
    until_min: int = Field(gt=0, le=24 * 60)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until_min <= self.from_min:
            raise ValueError("the hours end before they begin: write a night as two of them")
        return self


def taken_unasked(hours: Iterable[Hours], at: datetime) -> bool:
    """Whether this moment, a local one, is in one of them."""
    minute = at.hour * 60 + at.minute
    return any(at.weekday() in one.days and one.from_min <= minute < one.until_min for one in hours)
