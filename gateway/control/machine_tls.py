"""Mutual TLS between the machines of one cluster.

The authority is derived from the cluster's secret: whoever knows the secret has it, agrees on it
with all others to the byte, and no file can be lost or differ. Each process makes a key of its own
when it starts and a certificate that names it. Neither key is ever on a disk.

Times of validity say nothing here: a closed network's clocks may be wrong, and a certificate lives
no longer than its process. A new cluster secret is a new authority.
"""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.secrets import derive_key

_FROM = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
# RFC 5280 §4.1.2.5: no well-defined end.
_UNTIL = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)


def cluster_authority(secret: bytes) -> tuple[Ed25519PrivateKey, x509.Certificate]:
    """The authority of the cluster with this secret; the same bytes on every machine."""
    key = Ed25519PrivateKey.from_private_bytes(derive_key(secret, "cluster authority"))
    name = _name("gridsight cluster")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key, serial=1)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(_usage(signs_certificates=True), True)
        .add_extension(identifier, False)
        .sign(key, None)
    )
    return key, certificate


def server_context(secret: bytes, process: str) -> ssl.SSLContext:
    """For listening as ``process``: only processes of this cluster get through."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # nothing is resumed: each connection proves itself
    return _prepared(context, secret, process)


def client_context(secret: bytes, process: str) -> ssl.SSLContext:
    """For calling as ``process``; the name of whom it calls is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = True
    return _prepared(context, secret, process)


def _prepared(context: ssl.SSLContext, secret: bytes, process: str) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    authority_key, authority = cluster_authority(secret)
    context.load_verify_locations(cadata=authority.public_bytes(serialization.Encoding.DER))
    key = Ed25519PrivateKey.generate()
    certificate = _process_certificate(authority_key, authority, key, process)
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with _in_memory(pem) as path:
        context.load_cert_chain(path)
    return context


def _process_certificate(
    authority_key: Ed25519PrivateKey,
    authority: x509.Certificate,
    key: Ed25519PrivateKey,
    process: str,
) -> x509.Certificate:
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _builder(_name(process), authority.subject, key, serial=x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(process)]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(_usage(signs_certificates=False), True)
        .add_extension(x509.ExtendedKeyUsage(uses), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), False
        )
        .sign(authority_key, None)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Ed25519PrivateKey, serial: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(_FROM)
        .not_valid_after(_UNTIL)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path that reads ``data``: OpenSSL loads a key from a path, and this one is on no disk."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
