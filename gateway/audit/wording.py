"""Words that say nothing: blank, or filled in so that something stands there."""

from __future__ import annotations

import unicodedata


def is_blank(text: str) -> bool:
    """Whether nothing of it is seen: spaces, punctuation, invisible characters."""
    return not any(unicodedata.category(one)[0] in "LN" for one in text)
