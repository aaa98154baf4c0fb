"""What all bodies of requests have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Form(BaseModel):
    """A body: a field that is not known is refused, spaces around words are dropped."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
