"""Facts read from the bit stream: sizes, profiles, reordering, codec strings. Nothing decodes."""

from __future__ import annotations


class CodecError(ValueError):
    """The bytes are not what their codec's standard says; the message names the clause broken."""
