"""The code of a meeting's link: short enough to be read out by telephone, and kept as a keyed hash,
so that who reads the database cannot join by it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from gateway.secrets import derive_key

# Crockford's base 32: no I, L, O, U; 50 random bits, of which some tries a minute may be guessed.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 10
# What people type for what they see.
_READ_AS = str.maketrans("ILOU", "110V")


def new_code() -> str:
    """Ten characters, with a hyphen in the middle."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return f"{text[: _LENGTH // 2]}-{text[_LENGTH // 2 :]}"


def code_hash(secret: bytes, meeting_id: str, code: str) -> str:
    """What is kept of a code, as 64 hex digits; however it was typed, in capitals or not."""
    plain = "".join(one for one in code.upper() if one.isalnum()).translate(_READ_AS)
    key = derive_key(secret, "meeting codes")
    return hmac.new(key, f"{meeting_id}:{plain}".encode(), hashlib.sha256).hexdigest()
