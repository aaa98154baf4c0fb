"""DTLS in datagrams: what OpenSSL writes is cut between records, never inside one."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from camera_adapters.webrtc.dtls import DtlsError, DtlsIdentity, DtlsServer, _in_datagrams
from camera_adapters.webrtc.srtp import SRTP_PROFILES

SERVER = DtlsIdentity()


class Client:
    """A DTLS client; ``fingerprint`` is what its offer would name."""

    def __init__(self, profiles: str = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM") -> None:
        identity = DtlsIdentity()
        identity.context.set_tlsext_use_srtp(profiles.encode())
        self.fingerprint = identity.fingerprint
        self.connection = SSL.Connection(identity.context, None)
        self.connection.set_connect_state()
        self.connection.set_ciphertext_mtu(1200)

    def server(self) -> DtlsServer:
        """The server that expects this client."""
        return DtlsServer(SERVER, [("sha-256", self.fingerprint)])


def shake_hands(server: DtlsServer, connection: SSL.Connection) -> None:
    for _ in range(10):
        with contextlib.suppress(SSL.WantReadError):
            connection.do_handshake()
        try:
            for datagram in _in_datagrams(connection.bio_read(65536)):
                server.receive(datagram)
        except SSL.Error:
            return
        for datagram in server.datagrams():
            assert len(datagram) <= 1200
            connection.bio_write(datagram)


@given(st.lists(st.integers(0, 1100), min_size=1, max_size=12))
def test_records_are_gathered_into_datagrams_and_never_cut(sizes: list[int]) -> None:
    records = [b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2, "big") + bytes(size) for size in sizes]
    datagrams = _in_datagrams(b"".join(records))
    assert b"".join(datagrams) == b"".join(records)
    assert all(len(one) <= 1200 for one in datagrams)
    boundaries = {0}
    for record in records:
        boundaries.add(max(boundaries) + len(record))
    position = 0
    for one in datagrams:
        assert position in boundaries
        position += len(one)


def test_both_sides_get_the_same_keys_and_gcm_is_our_choice() -> None:
    client = Client()
    server = DtlsServer(SERVER, [("sha-256", client.fingerprint.lower())])
    shake_hands(server, client.connection)
    assert server.keys is not None
    assert server.keys.profile.name == "SRTP_AEAD_AES_128_GCM"
    material = client.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 56)
    assert server.keys.theirs == material[:16] + material[32:44]
    assert server.keys.ours == material[16:32] + material[44:]


@pytest.mark.parametrize("profile", [one.name for one in SRTP_PROFILES])
def test_every_profile_can_be_negotiated(profile: str) -> None:
    client = Client(profile)
    server = client.server()
    shake_hands(server, client.connection)
    assert server.keys is not None
    assert server.keys.profile.name == profile


@pytest.mark.parametrize("kind", ["none", "unknown hash", "another", "one of two wrong"])
def test_a_certificate_that_the_offer_does_not_name_is_refused(kind: str) -> None:
    client = Client()
    fingerprints = {
        "none": [],
        "unknown hash": [("md5", "00")],
        "another": [("sha-256", SERVER.fingerprint)],
        "one of two wrong": [("sha-256", client.fingerprint), ("sha-512", "00")],
    }[kind]
    server = DtlsServer(SERVER, fingerprints)
    with pytest.raises(DtlsError, match="certificate"):
        shake_hands(server, client.connection)
    assert server.keys is None


def test_goodbye_in_both_directions() -> None:
    client = Client()
    connection, server = client.connection, client.server()
    shake_hands(server, connection)
    server.receive(b"\x16\xfe\xfd" + bytes(30))  # damaged: must not end it
    assert not server.closed_by_peer
    server.close()
    for datagram in server.datagrams():
        connection.bio_write(datagram)
    with pytest.raises(SSL.ZeroReturnError):
        connection.recv(100)
    connection.shutdown()
    server.receive(connection.bio_read(4096))
    assert server.closed_by_peer


def test_an_unanswered_flight_is_due_again() -> None:
    client = Client()
    server = client.server()
    with pytest.raises(SSL.WantReadError):
        client.connection.do_handshake()
    server.receive(client.connection.bio_read(4096))
    assert server.datagrams()
    timeout_s = server.timeout_s()
    assert timeout_s is not None
    assert 0 < timeout_s <= 1
