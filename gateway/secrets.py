"""The cluster's secret, and what is derived from it.

One random key is made at the first start and kept in the data directory (mode 0600). Every other
key comes from it by HKDF (RFC 5869) under a purpose of its own, so that a leak of one says nothing
of the others.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.settings import Settings

_NONCE_BYTES = 12
_KEY_BYTES = 32


class SealError(Exception):
    """A sealed value cannot be opened: another cluster's, or altered."""


def cluster_secret(settings: Settings) -> bytes:
    """The cluster's secret, made at the first call. Raises OSError when it cannot be kept."""
    folder = settings.data_directory / "secrets"
    path = folder / "cluster.key"
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = _create(path)
    if len(secret) != _KEY_BYTES:
        raise OSError(f"{path} is damaged: {len(secret)} bytes instead of {_KEY_BYTES}")
    return secret


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose (HKDF-SHA256)."""
    return HKDF(SHA256(), _KEY_BYTES, salt=b"gridsight", info=purpose.encode()).derive(secret)


def seal(secret: bytes, text: str, context: str) -> str:
    """Encrypt ``text`` (AES-256-GCM), bound to ``context``, such as the row it belongs to."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(derive_key(secret, "seal")).encrypt(nonce, text.encode(), context.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(secret: bytes, sealed: str, context: str) -> str:
    """The inverse of :func:`seal`. Raises :class:`SealError`."""
    try:
        raw = base64.urlsafe_b64decode(sealed)
        opened = AESGCM(derive_key(secret, "seal")).decrypt(
            raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode()
        )
    except (ValueError, InvalidTag):
        raise SealError("a sealed password cannot be opened: was cluster.key replaced?") from None
    return opened.decode()


def _create(path: Path) -> bytes:
    secret = os.urandom(_KEY_BYTES)
    staged = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(secret)
        opened.flush()
        os.fsync(opened.fileno())
    try:
        # link() refuses to overwrite: of two first starts at once, one key wins for both.
        os.link(staged, path)
    except FileExistsError:
        return path.read_bytes()
    finally:
        staged.unlink()
    return secret
