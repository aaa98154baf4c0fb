"""Both sides prove that they know the cluster's secret, before anything else is read. Sans-IO.

::

    server → client   [version, server nonce]
    client → server   [client nonce, HMAC-SHA256(key, "client" + server nonce + client nonce)]
    server → client   [HMAC-SHA256(key, "server" + server nonce + client nonce)]

Fresh nonces on both sides make a recording of one handshake worthless for the next, and the two
labels keep a proof from being reflected.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from gateway.control.frames import FrameError, Message, encode
from gateway.secrets import derive_key

PROTOCOL_VERSION = 1
_NONCE_BYTES = 32
_PROOF_BYTES = 32


class HandshakeError(FrameError):
    """The peer does not know the secret, or speaks another version."""


def _proof(key: bytes, label: bytes, server_nonce: bytes, client_nonce: bytes) -> bytes:
    return hmac.new(key, label + server_nonce + client_nonce, hashlib.sha256).digest()


def _expect_bytes(value: object, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise HandshakeError("a malformed handshake")
    return value


class ServerHandshake:
    """The answering side. Send :attr:`greeting` first."""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "control channel")
        self._nonce = os.urandom(_NONCE_BYTES)
        self.greeting = encode([PROTOCOL_VERSION, self._nonce])
        self.done = False

    def receive(self, message: Message) -> bytes:
        """Check the client's proof; gives the bytes to send back. Raises HandshakeError."""
        if len(message) != 2:
            raise HandshakeError("a malformed handshake")
        client_nonce = _expect_bytes(message[0], _NONCE_BYTES)
        proof = _expect_bytes(message[1], _PROOF_BYTES)
        expected = _proof(self._key, b"client", self._nonce, client_nonce)
        if not hmac.compare_digest(proof, expected):
            raise HandshakeError("the peer does not know the cluster's secret")
        self.done = True
        return encode([_proof(self._key, b"server", self._nonce, client_nonce)])


class ClientHandshake:
    """The calling side. It has nothing to send first."""

    greeting = b""

    def __init__(self, secret: bytes) -> None:
        self._key = derive_key(secret, "control channel")
        self._nonce = os.urandom(_NONCE_BYTES)
        self._server_nonce: bytes | None = None
        self.done = False

    def receive(self, message: Message) -> bytes:
        """Answer the challenge, then check the server's proof. Raises HandshakeError."""
        if self._server_nonce is None:
            if len(message) != 2:
                raise HandshakeError("a malformed handshake")
            if message[0] != PROTOCOL_VERSION:
                raise HandshakeError(f"the server speaks version {message[0]!r}")
            self._server_nonce = _expect_bytes(message[1], _NONCE_BYTES)
            proof = _proof(self._key, b"client", self._server_nonce, self._nonce)
            return encode([self._nonce, proof])
        if len(message) != 1:
            raise HandshakeError("a malformed handshake")
        proof = _expect_bytes(message[0], _PROOF_BYTES)
        expected = _proof(self._key, b"server", self._server_nonce, self._nonce)
        if not hmac.compare_digest(proof, expected):
            raise HandshakeError("the server does not know the cluster's secret")
        self.done = True
        return b""
