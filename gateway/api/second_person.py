"""What a second person says to what somebody asks for: yes, or no and why."""

from __future__ import annotations

from pydantic import Field, field_validator

from gateway.audit.wording import is_blank
from gateway.investigations.filters import Form


class Said(Form):
    """Words that say something, where there are any."""

    @field_validator("title", "reason", "words", "note", mode="after", check_fields=False)
    @classmethod
    def _says_something(cls, value: str | None) -> str | None:
        if value and is_blank(value):
            raise ValueError("say it in words")
        return value


class Approval(Said):
    """The second person's yes."""

    note: str | None = Field(default=None, max_length=1000)


class Refusal(Said):
    """The second person's no, and why."""

    note: str = Field(min_length=1, max_length=1000)


WITHOUT_WORDS = Approval()
"""Where nothing is sent along."""
