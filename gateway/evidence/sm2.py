"""Signatures with SM2 (GB/T 32918.2-2016), the digest being SM3 (GB/T 32905-2016).

Verifying needs nothing but this file. Signing is written for a key that signs a few packages a
minute on the gateway itself: Python's integers do not take the same time for every value, so do not
put it where strangers can measure how long a signature takes.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.hashes import SM3, Hash

# GB/T 32918.5-2017: the curve y² = x³ + ax + b over the prime field of P, base point G of order N.
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
# The signer's name where none was agreed (GM/T 0009-2012 §10).
DEFAULT_ID = b"1234567812345678"

Point = tuple[int, int]
# X : Y : Z stands for (X/Z², Y/Z³); Z = 0 is the point at infinity.
_Jacobian = tuple[int, int, int]

_INFINITY: _Jacobian = (1, 1, 0)
_SM2_CURVE_OID = bytes.fromhex("2a811ccf5501822d")  # 1.2.156.10197.1.301


class Sm2Error(ValueError):
    """This is no SM2 key. The message says what was expected."""


@dataclass(frozen=True, slots=True)
class Sm2PublicKey:
    """A point of the curve. Raises Sm2Error for one that is not."""

    x: int
    y: int

    def __post_init__(self) -> None:
        on_curve = (self.y * self.y - self.x**3 - A * self.x - B) % P == 0
        if not (0 <= self.x < P and 0 <= self.y < P and on_curve):
            raise Sm2Error("this point is not on the SM2 curve")

    @classmethod
    def from_bytes(cls, raw: bytes) -> Sm2PublicKey:
        """From 65 bytes: 04, x, y. Raises Sm2Error."""
        if len(raw) != 65 or raw[0] != 4:
            raise Sm2Error("an SM2 public key has 65 bytes, the first of them 04")
        return cls(int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big"))

    def to_bytes(self) -> bytes:
        """04, x, y."""
        return b"\x04" + self.x.to_bytes(32, "big") + self.y.to_bytes(32, "big")

    def verify(self, signature: bytes, message: bytes, user_id: bytes = DEFAULT_ID) -> bool:
        """Whether ``signature`` (r and s, 64 bytes) is this key's over ``message`` (§7)."""
        if len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        t = (r + s) % N
        if not (1 <= r < N and 1 <= s < N) or t == 0:
            return False
        point = _add(_multiply(s, G), _multiply(t, (self.x, self.y)))
        if point[2] == 0:
            return False
        e = _digest(self, message, user_id)
        return (e + _affine(point)[0]) % N == r


@dataclass(frozen=True, slots=True)
class Sm2PrivateKey:
    """A number from 1 to N - 2."""

    scalar: int = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.scalar <= N - 2:
            raise Sm2Error("this number is no SM2 private key")

    @classmethod
    def generate(cls) -> Sm2PrivateKey:
        """A new key."""
        return cls(secrets.randbelow(N - 2) + 1)

    @classmethod
    def from_text(cls, text: str) -> Sm2PrivateKey:
        """From PEM, as ``openssl genpkey -algorithm SM2`` writes it (PKCS #8 or SEC 1, not
        encrypted), or 64 hexadecimal digits. Raises Sm2Error.
        """
        stripped = "".join(text.split())
        if re.fullmatch("[0-9a-fA-F]{64}", stripped):
            return cls(int(stripped, 16))
        found = re.search(
            "-----BEGIN ((?:EC )?PRIVATE KEY)-----(.*?)-----END \\1-----", text, re.DOTALL
        )
        if found is None:
            raise Sm2Error("expected an SM2 private key: PEM without a password, or 64 hex digits")
        try:
            der = base64.b64decode("".join(found[2].split()), validate=True)
            octets = list(_octet_strings(der, 0))
        except (ValueError, IndexError):
            raise Sm2Error("the PEM file is damaged") from None
        scalars = [value for value in octets if len(value) == 32]
        if not scalars or _SM2_CURVE_OID not in der:
            raise Sm2Error("the PEM file holds a private key of another kind, not SM2")
        return cls(int.from_bytes(scalars[0], "big"))

    def public_key(self) -> Sm2PublicKey:
        """The key that verifies."""
        return Sm2PublicKey(*_affine(_multiply(self.scalar, G)))

    def sign(self, message: bytes, user_id: bytes = DEFAULT_ID) -> bytes:
        """r and s, 64 bytes (§6)."""
        e = _digest(self.public_key(), message, user_id)
        while True:
            k = secrets.randbelow(N - 1) + 1
            r = (e + _affine(_multiply(k, G))[0]) % N
            if r == 0 or r + k == N:
                continue
            s = pow(1 + self.scalar, -1, N) * (k - r * self.scalar) % N
            if s:
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def sm3(*parts: bytes) -> bytes:
    """The SM3 digest of all parts together."""
    digest = Hash(SM3())
    for part in parts:
        digest.update(part)
    return digest.finalize()


def _digest(key: Sm2PublicKey, message: bytes, user_id: bytes) -> int:
    """e = SM3(Z ‖ M), Z being the digest of the signer's name, the curve and the key (§5.5)."""
    bits = (len(user_id) * 8).to_bytes(2, "big")
    curve = b"".join(number.to_bytes(32, "big") for number in (A, B, *G, key.x, key.y))
    return int.from_bytes(sm3(sm3(bits, user_id, curve), message), "big")


def _octet_strings(der: bytes, depth: int) -> Iterator[bytes]:
    """Every OCTET STRING, also those inside others (PKCS #8 wraps SEC 1)."""
    at = 0
    while at < len(der) and depth < 6:
        tag, length = der[at], der[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(der[at : at + count], "big")
            at += count
        value = der[at : at + length]
        at += length
        if tag == 0x04:
            yield value
            if value[:1] == b"\x30":
                yield from _octet_strings(value, depth + 1)
        elif tag == 0x30:
            yield from _octet_strings(value, depth + 1)


def _double(point: _Jacobian) -> _Jacobian:
    x, y, z = point
    if z == 0 or y == 0:
        return _INFINITY
    squared_z = z * z % P
    slope = 3 * (x - squared_z) * (x + squared_z) % P  # a = -3
    squared_y = y * y % P
    shift = 4 * x * squared_y % P
    new_x = (slope * slope - 2 * shift) % P
    return new_x, (slope * (shift - new_x) - 8 * squared_y * squared_y) % P, 2 * y * z % P


def _add(one: _Jacobian, other: _Jacobian) -> _Jacobian:
    if one[2] == 0:
        return other
    if other[2] == 0:
        return one
    (x1, y1, z1), (x2, y2, z2) = one, other
    zz1, zz2 = z1 * z1 % P, z2 * z2 % P
    u1, u2 = x1 * zz2 % P, x2 * zz1 % P
    s1, s2 = y1 * zz2 * z2 % P, y2 * zz1 * z1 % P
    if u1 == u2:
        return _double(one) if s1 == s2 else _INFINITY
    h, r = (u2 - u1) % P, (s2 - s1) % P
    hh = h * h % P
    hhh, v = hh * h % P, u1 * hh % P
    x = (r * r - hhh - 2 * v) % P
    return x, (r * (v - x) - s1 * hhh) % P, z1 * z2 * h % P


def _multiply(scalar: int, point: Point) -> _Jacobian:
    result, base = _INFINITY, (*point, 1)
    # A ladder over all 256 bits: as many steps for a small number as for a large one.
    other: _Jacobian = base
    for bit in range(255, -1, -1):
        if scalar >> bit & 1:
            result, other = _add(result, other), _double(other)
        else:
            result, other = _double(result), _add(result, other)
    return result


def _affine(point: _Jacobian) -> Point:
    x, y, z = point
    inverse = pow(z, -1, P)
    squared = inverse * inverse % P
    return x * squared % P, y * squared * inverse % P
