"""The keys that sign packages, and how a verifier is told which to trust.

The Ed25519 key is derived from the cluster's secret; an SM2 key is the county's own and is read
from a file. Public keys are written in hexadecimal: 64 digits for Ed25519, 130 (``04…``) for SM2. A
fingerprint is the SHA-256 of the key's bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.evidence.sm2 import DEFAULT_ID, Sm2Error, Sm2PrivateKey, Sm2PublicKey
from gateway.secrets import derive_key

SIGNATURE_FORMAT = "gridsight-evidence-signature/1"
ED25519, SM2 = "Ed25519", "SM2-SM3"


class KeyFault(ValueError):
    """A key cannot be used. The message says what was expected."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies: its algorithm and its bytes in hexadecimal."""

    algorithm: str
    public_key: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's bytes, in hexadecimal."""
        return hashlib.sha256(bytes.fromhex(self.public_key)).hexdigest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's over the message."""
        raw = bytes.fromhex(self.public_key)
        try:
            if self.algorithm == SM2:
                return Sm2PublicKey.from_bytes(raw).verify(signature, message)
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class PackageSigner:
    """Signs manifests with Ed25519, and with SM2 where there is a key for it."""

    def __init__(self, secret: bytes, sm2_key: Sm2PrivateKey | None = None) -> None:
        self._ed25519 = Ed25519PrivateKey.from_private_bytes(derive_key(secret, "evidence"))
        self._sm2 = sm2_key

    @classmethod
    def open(cls, secret: bytes, sm2_key_file: Path | None) -> PackageSigner:
        """With the key of a file. Raises KeyFault, OSError. Blocks."""
        if sm2_key_file is None:
            return cls(secret)
        try:
            return cls(secret, Sm2PrivateKey.from_text(sm2_key_file.read_text()))
        except (Sm2Error, UnicodeDecodeError) as error:
            raise KeyFault(f"evidence.sm2_key_file: {error}") from None

    def public_keys(self) -> list[PublicKey]:
        """The keys that verify, in the order of the signatures."""
        found = [PublicKey(ED25519, self._ed25519.public_key().public_bytes_raw().hex())]
        if self._sm2 is not None:
            found.append(PublicKey(SM2, self._sm2.public_key().to_bytes().hex()))
        return found

    def sign(self, manifest: bytes) -> bytes:
        """The content of ``manifest.sig``. Blocks for some 30 ms with SM2."""
        values = [self._ed25519.sign(manifest)]
        if self._sm2 is not None:
            values.append(self._sm2.sign(manifest))
        signatures = []
        for key, value in zip(self.public_keys(), values, strict=True):
            entry = {
                "algorithm": key.algorithm,
                "public_key": key.public_key,
                "signature": value.hex(),
            }
            if key.algorithm == SM2:
                entry["signer_id"] = DEFAULT_ID.decode()
            signatures.append(entry)
        return canonical({"format": SIGNATURE_FORMAT, "signatures": signatures})


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """What a verifier was given: keys or fingerprints, as hexadecimal digits."""

    texts: frozenset[str]

    @classmethod
    def of(cls, given: Sequence[str]) -> TrustedKeys:
        """From keys, fingerprints, PEM, or the names of files that hold one. Raises KeyFault."""
        return cls(frozenset(_normal(text) for text in given))

    def include(self, key: PublicKey) -> bool:
        """Whether this key is trusted."""
        return not self.texts.isdisjoint({key.public_key, key.fingerprint})


def _normal(given: str) -> str:
    text = given.strip()
    # Fingerprints are read aloud and typed in groups.
    digits = re.sub(r"[\s:-]", "", text).lower()
    if not re.fullmatch("[0-9a-f]+", digits):
        if not text.startswith("-----BEGIN"):
            try:
                text = Path(given).read_text().strip()
            except (OSError, UnicodeDecodeError, ValueError) as error:
                raise KeyFault(f"{given}: neither a key nor a readable file ({error})") from None
        if text.startswith("-----BEGIN"):
            return _from_pem(text)
        digits = re.sub(r"[\s:-]", "", text).lower()
    if not re.fullmatch("[0-9a-f]{64}|04[0-9a-f]{128}", digits):
        raise KeyFault(
            "a key has 64 hexadecimal digits (Ed25519, or a fingerprint) or 130 (SM2, 04…)"
        )
    return digits


def _from_pem(text: str) -> str:
    try:
        key = load_pem_public_key(text.encode())
    except ValueError:
        raise KeyFault("this PEM text holds no public key") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFault("this PEM text holds a key of another kind, not Ed25519")
    return key.public_bytes_raw().hex()


def canonical(document: Any) -> bytes:
    """JSON in the one form in which it is signed and compared: sorted, no spaces, UTF-8."""
    return json.dumps(
        document, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    ).encode()  # fmt: skip
