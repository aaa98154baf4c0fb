"""The ICE-lite agent: whom it answers, where it sends, when consent ends."""

from __future__ import annotations

import secrets

from camera_adapters.webrtc import stun
from camera_adapters.webrtc.ice_lite import CONSENT_S, Candidate, IceLiteAgent

HERE, THERE = ("192.0.2.7", 4000), ("198.51.100.7", 4001)


def agent() -> IceLiteAgent:
    return IceLiteAgent("them", "us", "secret")


def check(
    *,
    username: bytes = b"us:them",
    password: bytes = b"secret",
    nominate: bool = True,
    priority: int = 100,
    role: int = stun.ICE_CONTROLLING,
    more: tuple[tuple[int, bytes], ...] = (),
) -> stun.StunMessage:
    attributes = [
        (stun.USERNAME, username),
        (stun.PRIORITY, priority.to_bytes(4, "big")),
        (role, bytes(8)),
        *more,
    ]
    if nominate:
        attributes.append((stun.USE_CANDIDATE, b""))
    return stun.parse(
        stun.build(stun.BINDING_REQUEST, secrets.token_bytes(12), attributes, password)
    )


def test_a_nominated_check_is_answered_and_selects_its_address() -> None:
    one = agent()
    request = check()
    response = one.answer(request, HERE, 5.0)
    assert response is not None
    message = stun.parse(response)
    assert message.message_type == stun.BINDING_SUCCESS
    assert message.transaction_id == request.transaction_id
    assert message.is_authentic(b"secret")
    mapped = message.attributes[stun.XOR_MAPPED_ADDRESS]
    assert stun.read_xor_mapped_address(mapped, request.transaction_id) == HERE
    assert one.selected == HERE


def test_a_check_without_nomination_is_answered_but_selects_nothing() -> None:
    one = agent()
    assert one.answer(check(nominate=False), HERE, 0.0) is not None
    assert one.selected is None


def test_strangers_get_silence() -> None:
    one = agent()
    assert one.answer(check(password=b"guess"), HERE, 0.0) is None
    assert one.answer(check(username=b"us:other"), HERE, 0.0) is None
    assert one.answer(check(username=b"other:them"), HERE, 0.0) is None
    unsigned = stun.parse(
        stun.build(stun.BINDING_REQUEST, bytes(12), [(stun.USERNAME, b"us:them")])
    )
    assert one.answer(unsigned, HERE, 0.0) is None
    assert one.selected is None


def test_a_controlled_peer_is_told_to_control() -> None:
    """RFC 8445 §7.3.1.1."""
    response = agent().answer(check(role=stun.ICE_CONTROLLED), HERE, 0.0)
    assert response is not None
    message = stun.parse(response)
    assert message.message_type == stun.BINDING_ERROR
    assert message.attributes[stun.ERROR_CODE][2:4] == bytes((4, 87))


def test_an_unknown_required_attribute_is_named() -> None:
    """RFC 8489 §6.3.1: 420 with the list."""
    response = agent().answer(check(more=((0x7777, b"!"),)), HERE, 0.0)
    assert response is not None
    message = stun.parse(response)
    assert message.attributes[stun.ERROR_CODE][2:4] == bytes((4, 20))
    assert message.attributes[stun.UNKNOWN_ATTRIBUTES] == b"\x77\x77"


def test_the_better_pair_keeps_its_place_while_it_lives() -> None:
    one = agent()
    one.answer(check(priority=200), HERE, 0.0)
    one.answer(check(priority=100), THERE, 1.0)
    assert one.selected == HERE
    one.answer(check(priority=300), THERE, 1.5)
    assert one.selected == THERE


def test_a_viewer_that_changes_its_network_is_followed() -> None:
    one = agent()
    one.answer(check(priority=200), HERE, 0.0)
    one.answer(check(priority=100), THERE, 9.0)
    assert one.selected == THERE


def test_consent_is_renewed_by_checks_and_expires_without() -> None:
    """RFC 7675 §5.1."""
    one = agent()
    one.answer(check(), HERE, 100.0)
    assert one.has_consent(100.0 + CONSENT_S - 0.1)
    one.answer(check(nominate=False), HERE, 120.0)
    assert one.has_consent(120.0 + CONSENT_S - 0.1)
    assert not one.has_consent(120.0 + CONSENT_S)


def test_a_candidate_line() -> None:
    """RFC 8839 §5.1, priority of RFC 8445 §5.1.2.1."""
    line = Candidate("192.0.2.1", 5000).attribute(1)
    assert line == "1 1 udp 2130706431 192.0.2.1 5000 typ host"
    assert Candidate("2001:db8::1", 1).version == 6
