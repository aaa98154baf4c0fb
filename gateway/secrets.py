"""The cluster's secret, and what is derived from it.

One random key is made at the first start and kept in the data directory (mode 0600). Every other
key comes from it by HKDF (RFC 5869) under a purpose of its own, so that a leak of one says nothing
of the others.

What is stored sealed (cameras' passwords, authenticators' secrets) has a key of its own beside it,
which can be exchanged: ``gridsight secrets rotate``. While it is being exchanged there are two, and
either opens what it sealed.
"""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.settings import Settings
from recorder.durable import sync_folder

_NONCE_BYTES = 12
_KEY_BYTES = 32
SEALING_KEY = "sealing.key"
NEXT_SEALING_KEY = "sealing.key.next"


class SealError(Exception):
    """A sealed value cannot be opened: another cluster's, or altered."""


class ClusterSecret(bytes):
    """The cluster's secret, with the keys that seal what is stored: the one in use first."""

    sealing_keys: tuple[bytes, ...]


def cluster_secret(settings: Settings) -> ClusterSecret:
    """The cluster's secret, made at the first call. Raises OSError when it cannot be kept."""
    folder = secrets_folder(settings)
    path = folder / "cluster.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_key(folder / SEALING_KEY)
        create_key(path)
    secret = ClusterSecret(_read_key(path))
    # Where there is none, what is sealed was sealed before it could be exchanged.
    current = folder / SEALING_KEY
    keys = [_read_key(current) if current.exists() else derive_key(secret, "seal")]
    if (folder / NEXT_SEALING_KEY).exists():
        keys.append(_read_key(folder / NEXT_SEALING_KEY))
    secret.sealing_keys = tuple(keys)
    return secret


def secrets_folder(settings: Settings) -> Path:
    """Where the keys are kept: never in the database."""
    return settings.secrets_directory or settings.data_directory / "secrets"


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose (HKDF-SHA256)."""
    return HKDF(SHA256(), _KEY_BYTES, salt=b"gridsight", info=purpose.encode()).derive(secret)


def seal(secret: bytes, text: str, context: str) -> str:
    """Encrypt ``text`` (AES-256-GCM), bound to ``context``, such as the row it belongs to."""
    return seal_with(_sealing_keys(secret)[0], text, context)


def seal_with(key: bytes, text: str, context: str) -> str:
    """As :func:`seal`, with this key."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, text.encode(), context.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(secret: bytes, sealed: str, context: str) -> str:
    """The inverse of :func:`seal`. Raises :class:`SealError`."""
    with contextlib.suppress(ValueError):
        raw = base64.urlsafe_b64decode(sealed)
        for key in _sealing_keys(secret):
            with contextlib.suppress(InvalidTag):
                opened = AESGCM(key).decrypt(
                    raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], context.encode()
                )
                return opened.decode()
    raise SealError("a sealed secret cannot be opened: was sealing.key or cluster.key replaced?")


def _sealing_keys(secret: bytes) -> tuple[bytes, ...]:
    if isinstance(secret, ClusterSecret):
        return secret.sealing_keys
    return (derive_key(secret, "seal"),)


def _read_key(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise OSError(f"{path} is damaged: {len(key)} bytes instead of {_KEY_BYTES}")
    return key


def create_key(path: Path) -> bytes:
    """A new random key in this file, durable before anything is sealed with it, or the one that is
    there. Raises OSError.
    """
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
    sync_folder(path.parent)
    return secret
