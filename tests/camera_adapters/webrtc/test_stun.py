"""STUN: the test vectors of RFC 5769, and what must be refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.webrtc import stun

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")

REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220"
    "002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)


def test_the_sample_request_is_read_and_authentic() -> None:
    """RFC 5769 §2.1."""
    message = stun.parse(REQUEST)
    assert message.message_type == stun.BINDING_REQUEST
    assert message.transaction_id == TRANSACTION
    assert message.attributes[stun.USERNAME] == b"evtj:h6vY"
    assert message.attributes[stun.PRIORITY] == bytes.fromhex("6e0001ff")
    assert message.is_authentic(PASSWORD)
    assert not message.is_authentic(PASSWORD + b"x")


def test_the_sample_response_gives_the_mapped_address() -> None:
    """RFC 5769 §2.2."""
    message = stun.parse(RESPONSE)
    assert message.is_authentic(PASSWORD)
    value = message.attributes[stun.XOR_MAPPED_ADDRESS]
    assert stun.read_xor_mapped_address(value, TRANSACTION) == ("192.0.2.1", 32853)
    assert stun.xor_mapped_address("192.0.2.1", 32853, TRANSACTION) == value


def test_a_mapped_ipv6_address_of_rfc_5769() -> None:
    """RFC 5769 §2.3."""
    value = bytes.fromhex("0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")
    host = "2001:db8:1234:5678:11:2233:4455:6677"
    assert stun.read_xor_mapped_address(value, TRANSACTION) == (host, 32853)
    assert stun.xor_mapped_address(host, 32853, TRANSACTION) == value


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        REQUEST[:19],
        REQUEST[:-1],
        REQUEST + b"\0\0\0\0",
        bytes([0xC0]) + REQUEST[1:],
        REQUEST[:4] + b"\0\0\0\0" + REQUEST[8:],
        REQUEST[:-1] + b"\0",
        REQUEST[:30] + b"!" + REQUEST[31:],
    ],
    ids=["empty", "short", "cut", "trailing", "type", "cookie", "fingerprint", "changed"],
)
def test_damaged_messages_are_refused(damaged: bytes) -> None:
    with pytest.raises(stun.StunError):
        stun.parse(damaged)


def test_an_attribute_behind_the_integrity_is_not_believed() -> None:
    """RFC 8489 §14.5: an attacker may append."""
    honest = stun.build(stun.BINDING_REQUEST, TRANSACTION, [(stun.USERNAME, b"a:b")], PASSWORD)
    before = honest[:-8]  # without FINGERPRINT
    forged = bytearray(before + bytes.fromhex("00250000"))
    forged[2:4] = (len(forged) - 20).to_bytes(2, "big")
    message = stun.parse(bytes(forged))
    assert message.is_authentic(PASSWORD)
    assert stun.USE_CANDIDATE not in message.attributes


@given(
    st.lists(st.tuples(st.integers(0x8040, 0xBFFF), st.binary(max_size=80)), max_size=5),
    st.binary(min_size=12, max_size=12),
    st.binary(min_size=1, max_size=40),
)
def test_what_is_built_is_read_back(
    attributes: list[tuple[int, bytes]], transaction: bytes, password: bytes
) -> None:
    message = stun.parse(stun.build(stun.BINDING_REQUEST, transaction, attributes, password))
    assert message.is_authentic(password)
    for kind, value in dict(reversed(attributes)).items():
        assert message.attributes[kind] == value
