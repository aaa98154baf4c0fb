"""Addresses as they may be logged and shown: without the names and passwords written into them."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s?#]*@")


def redact(text: str) -> str:
    """The text with the credentials of every URL in it replaced, for logs and messages."""
    return _USERINFO.sub(r"\1***@", text)
