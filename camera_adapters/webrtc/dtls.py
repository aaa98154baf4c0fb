"""The DTLS server side of a WebRTC peer (RFC 5764, RFC 8827), without sockets.

We are always the server: it chooses the SRTP profile, and AES-GCM is the cheaper one.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from camera_adapters.webrtc.srtp import SRTP_PROFILES, SrtpKeys

_DATAGRAM_SIZE = 1200
_HASHES = {"sha-256": hashlib.sha256, "sha-384": hashlib.sha384, "sha-512": hashlib.sha512}
_EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"
_CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
)


class DtlsError(Exception):
    """The handshake failed, or the peer is not the one of the offer."""


class DtlsIdentity:
    """A certificate made at start-up, and the context that all peers of a shard share."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(16))])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365))
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = _fingerprint("sha-256", certificate)
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU)
        # Browsers sign their own certificates: what counts is the fingerprint in the offer.
        context.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_arguments: True
        )
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_cipher_list(_CIPHERS)
        context.set_tlsext_use_srtp(":".join(p.name for p in SRTP_PROFILES).encode())
        self.context = context


def _fingerprint(algorithm: str, certificate: x509.Certificate) -> str:
    digest = _HASHES[algorithm](certificate.public_bytes(Encoding.DER)).hexdigest().upper()
    return ":".join(digest[index : index + 2] for index in range(0, len(digest), 2))


class DtlsServer:
    """One peer's DTLS association.

    Feed datagrams to :meth:`receive`, send what :meth:`datagrams` returns after each call, and
    call :meth:`on_timeout` when :meth:`timeout_s` has passed. ``keys`` is set when the handshake is
    done. ``fingerprints`` are the offer's, as (hash name, value) pairs.
    """

    def __init__(self, identity: DtlsIdentity, fingerprints: Sequence[tuple[str, str]]) -> None:
        self._fingerprints = fingerprints
        self._connection = SSL.Connection(identity.context, None)
        self._connection.set_accept_state()
        self._connection.set_ciphertext_mtu(_DATAGRAM_SIZE)
        self.keys: SrtpKeys | None = None
        self.closed_by_peer = False

    def receive(self, datagram: bytes) -> None:
        """Take one datagram. Raises DtlsError when the association is over by failure."""
        self._connection.bio_write(datagram)
        if self.keys is None:
            self._handshake()
        else:
            self._read()

    def datagrams(self) -> list[bytes]:
        """What is to be sent now."""
        written = b""
        while True:
            try:
                written += self._connection.bio_read(65536)
            except SSL.Error:
                break
        return _in_datagrams(written) if written else []

    def timeout_s(self) -> float | None:
        """Seconds until :meth:`on_timeout` is due; None while no retransmission is pending."""
        timeout = self._connection.DTLSv1_get_timeout()
        return None if timeout is None else float(timeout)

    def on_timeout(self) -> None:
        """Repeat the last flight if it is due. Raises DtlsError after too many repetitions."""
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise DtlsError(f"no answer to the handshake: {error}") from None

    def close(self) -> None:
        """Say goodbye (close_notify); :meth:`datagrams` has it."""
        if self.keys is not None:
            try:
                self._connection.shutdown()
            except SSL.Error:
                return

    def _handshake(self) -> None:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            raise DtlsError(f"the handshake failed: {error}") from None
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or not self._is_offered(certificate):
            raise DtlsError("the certificate is not the one of the offer")
        name = self._connection.get_selected_srtp_profile().decode()
        profile = next((one for one in SRTP_PROFILES if one.name == name), None)
        if profile is None:
            raise DtlsError("no SRTP profile in common")
        material = self._connection.export_keying_material(
            _EXPORTER_LABEL, SrtpKeys.exported_size(profile)
        )
        self.keys = SrtpKeys.from_exported(profile, material, server=True)
        self._read()

    def _is_offered(self, certificate: x509.Certificate) -> bool:
        """All fingerprints with a known hash must be right, and one at least (RFC 8122 §5)."""
        known = [(name.lower(), value) for name, value in self._fingerprints]
        known = [(name, value) for name, value in known if name in _HASHES]
        return bool(known) and all(
            hmac.compare_digest(_fingerprint(name, certificate), value.upper())
            for name, value in known
        )

    def _read(self) -> None:
        while True:
            try:
                self._connection.recv(2048)  # data channels are never offered: read to be rid of it
            except SSL.WantReadError:
                return
            except SSL.ZeroReturnError:
                self.closed_by_peer = True
                return
            except SSL.Error:
                # A forged or damaged record must not end an association (RFC 9147 §4.5.2).
                return


def _in_datagrams(written: bytes) -> list[bytes]:
    """Cut OpenSSL's output between records, as many records to a datagram as fit."""
    datagrams = []
    start = end = 0
    while end < len(written):
        size = _record_size(written, end)
        if end > start and end + size - start > _DATAGRAM_SIZE:
            datagrams.append(written[start:end])
            start = end
        end += size
    datagrams.append(written[start:])
    return datagrams


def _record_size(written: bytes, at: int) -> int:
    """The size of the DTLS record at ``at``; the rest when it tells none."""
    first = written[at]
    rest = len(written) - at
    if first & 0xE0 != 0x20:  # DTLSPlaintext, or a DTLS 1.2 record (RFC 9147 §4)
        return min(rest, 13 + int.from_bytes(written[at + 11 : at + 13], "big"))
    if not first & 0x04:  # a unified header without length: the last of its datagram
        return rest
    header = 1 + (2 if first & 0x08 else 1)
    return min(rest, header + 2 + int.from_bytes(written[at + header : at + header + 2], "big"))
