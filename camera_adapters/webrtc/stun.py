"""STUN messages (RFC 8489): what ICE connectivity checks need of them, without sockets."""

from __future__ import annotations

import hmac
import ipaddress
import struct
import zlib
from dataclasses import dataclass

MAGIC_COOKIE = 0x2112A442
BINDING_REQUEST = 0x0001
BINDING_INDICATION = 0x0011
BINDING_SUCCESS = 0x0101
BINDING_ERROR = 0x0111

USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
XOR_MAPPED_ADDRESS = 0x0020
PRIORITY = 0x0024
USE_CANDIDATE = 0x0025
FINGERPRINT = 0x8028
ICE_CONTROLLED = 0x8029
ICE_CONTROLLING = 0x802A

_KNOWN = frozenset(
    {USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES, XOR_MAPPED_ADDRESS}
    | {PRIORITY, USE_CANDIDATE}
)
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_FINGERPRINT_XOR = 0x5354554E
_INTEGRITY_SIZE = 24
_FINGERPRINT_SIZE = 8


class StunError(Exception):
    """Not a well-formed STUN message."""


@dataclass(frozen=True, slots=True)
class StunMessage:
    """A parsed message: type, transaction, and each attribute's first occurrence.

    ``integrity_offset`` is where MESSAGE-INTEGRITY begins in ``raw``; -1 when there is none.
    """

    message_type: int
    transaction_id: bytes
    attributes: dict[int, bytes]
    raw: bytes
    integrity_offset: int

    @property
    def unknown_required(self) -> list[int]:
        """Comprehension-required attributes that are not understood (RFC 8489 §6.3.1)."""
        return [kind for kind in self.attributes if kind < 0x8000 and kind not in _KNOWN]

    def is_authentic(self, password: bytes) -> bool:
        """Whether MESSAGE-INTEGRITY is there and made with ``password`` (§14.5, short term)."""
        if self.integrity_offset < 0:
            return False
        expected = _integrity(self.raw[: self.integrity_offset], password)
        return hmac.compare_digest(expected, self.attributes[MESSAGE_INTEGRITY])


def parse(datagram: bytes) -> StunMessage:
    """Read one datagram. Raises StunError; a wrong FINGERPRINT is an error (§14.7)."""
    if len(datagram) < 20:
        raise StunError("shorter than a header")
    message_type, length, cookie, transaction_id = _HEADER.unpack_from(datagram)
    if message_type & 0xC000 or cookie != MAGIC_COOKIE:
        raise StunError("not STUN")
    if length % 4 or length + 20 != len(datagram):
        raise StunError("the length is not the datagram's")
    attributes: dict[int, bytes] = {}
    integrity_offset = -1
    position = 20
    while position < len(datagram):
        kind, size = _ATTRIBUTE.unpack_from(datagram, position)
        start = position + 4
        if start + size > len(datagram):
            raise StunError("an attribute runs past the end")
        value = datagram[start : start + size]
        if kind == FINGERPRINT:
            if start + size != len(datagram) or size != 4:
                raise StunError("FINGERPRINT is not the last attribute")
            if int.from_bytes(value, "big") != _fingerprint(datagram[:position]):
                raise StunError("the fingerprint is wrong")
        # What follows MESSAGE-INTEGRITY is not protected and must be ignored (§14.5).
        if integrity_offset < 0 and kind not in attributes:
            attributes[kind] = value
            if kind == MESSAGE_INTEGRITY:
                if size != 20:
                    raise StunError("MESSAGE-INTEGRITY has 20 bytes")
                integrity_offset = position
        position = start + size + (-size % 4)
    return StunMessage(message_type, transaction_id, attributes, datagram, integrity_offset)


def build(
    message_type: int,
    transaction_id: bytes,
    attributes: list[tuple[int, bytes]],
    password: bytes | None = None,
) -> bytes:
    """A message with FINGERPRINT, and with MESSAGE-INTEGRITY when a password is given."""
    body = bytearray()
    for kind, value in attributes:
        body += _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)
    message = bytearray(_HEADER.pack(message_type, len(body), MAGIC_COOKIE, transaction_id))
    message += body
    if password is not None:
        digest = _integrity(message, password)
        message += _ATTRIBUTE.pack(MESSAGE_INTEGRITY, 20) + digest
    # The checksum covers the length with FINGERPRINT counted in (§14.7).
    struct.pack_into("!H", message, 2, len(message) - 20 + _FINGERPRINT_SIZE)
    message += _ATTRIBUTE.pack(FINGERPRINT, 4) + _fingerprint(message).to_bytes(4, "big")
    return bytes(message)


def xor_mapped_address(host: str, port: int, transaction_id: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (§14.2). Raises ValueError when ``host`` is no address."""
    mapped_port = port ^ (MAGIC_COOKIE >> 16)
    if ":" not in host:
        packed = int.from_bytes(ipaddress.IPv4Address(host).packed, "big") ^ MAGIC_COOKIE
        return struct.pack("!BBHI", 0, 1, mapped_port, packed)
    mask = int.from_bytes(MAGIC_COOKIE.to_bytes(4, "big") + transaction_id, "big")
    address = int(ipaddress.IPv6Address(host.partition("%")[0])) ^ mask
    return struct.pack("!BBH", 0, 2, mapped_port) + address.to_bytes(16, "big")


def read_xor_mapped_address(value: bytes, transaction_id: bytes) -> tuple[str, int]:
    """The other way. Raises StunError."""
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        raise StunError("not an XOR-MAPPED-ADDRESS")
    mask = MAGIC_COOKIE.to_bytes(4, "big") + transaction_id
    packed = bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))
    port = int.from_bytes(value[2:4], "big") ^ (MAGIC_COOKIE >> 16)
    return str(ipaddress.ip_address(packed)), port


def error_code(code: int, reason: str) -> bytes:
    """The value of ERROR-CODE (§14.8)."""
    return struct.pack("!HBB", 0, code // 100, code % 100) + reason.encode()


def _integrity(before: bytes | bytearray, password: bytes) -> bytes:
    # The length field counts up to and with MESSAGE-INTEGRITY, whatever follows (§14.5).
    covered = bytearray(before)
    struct.pack_into("!H", covered, 2, len(before) - 20 + _INTEGRITY_SIZE)
    return hmac.digest(password, covered, "sha1")


def _fingerprint(before: bytes | bytearray) -> int:
    return zlib.crc32(before) ^ _FINGERPRINT_XOR
