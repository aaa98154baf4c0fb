"""A certificate authority of this gateway's own, made at its first start.

A county's closed network has no public authority. This one signs the gateway's certificate and
nothing else (its path length is 0); people trust it once on each machine, guided by
:mod:`gateway.transport.trust_page`. Its key never leaves the data directory.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
# Browsers refuse longer ones from authorities of the public, and may one day from all.
CERTIFICATE_DAYS = 397
RENEW_DAYS = 30
# A common name has 64 characters at most (RFC 5280 §A.1).
_HOST_SHOWN = 40
# Clocks of the machines in a closed network differ.
_BEFORE = datetime.timedelta(days=2)

_Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Issued:
    """Files of a certificate with its chain, and of its key."""

    certificate: Path
    key: Path


class LocalAuthority:
    """The authority in ``folder``; made there if it is missing. Raises OSError, ValueError (a
    damaged file, named).
    """

    def __init__(self, folder: Path, host: str) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "authority.crt").exists():
            self._make(host)
        self._key = _read_key(folder / "authority.key")
        self.certificate = _read_certificate(folder / "authority.crt")

    @property
    def der(self) -> bytes:
        """The certificate as browsers and systems import it."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The same as text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: Sequence[str], now: datetime.datetime) -> Issued:
        """The gateway's certificate for these host names and addresses: the one that is there while
        it is good for them and for a month to come, else a new one.
        """
        issued = Issued(self._folder / "gateway.crt", self._folder / "gateway.key")
        if not self._is_good(issued, names, now):
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self._sign(key, names, now)
            # The key first: a certificate never stands beside a key that is not its own for long,
            # and a crash in between is seen as a certificate that is not good.
            _write_private(issued.key, _pem_of(key))
            _write(issued.certificate, _pem(certificate) + self.pem)
        return issued

    def _is_good(self, issued: Issued, names: Sequence[str], now: datetime.datetime) -> bool:
        try:
            certificate = _read_certificate(issued.certificate)
            key = _read_key(issued.key)
        except (OSError, ValueError):
            return False
        ends = certificate.not_valid_after_utc - datetime.timedelta(days=RENEW_DAYS)
        if not certificate.not_valid_before_utc <= now < ends:
            return False
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except Exception:
            return False
        own = certificate.public_key() == key.public_key()
        return own and set(names) <= set(names_of(certificate))

    def _sign(self, key: _Key, names: Sequence[str], now: datetime.datetime) -> x509.Certificate:
        until = now + datetime.timedelta(days=CERTIFICATE_DAYS) - _BEFORE
        return (
            x509.CertificateBuilder()
            .subject_name(_name("gridsight"))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(min(until, self.certificate.not_valid_after_utc))
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
            .add_extension(_usage(signs_certificates=False), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False
            )
            .sign(self._key, hashes.SHA256())
        )

    def _make(self, host: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        # The name holds a part of the key: two gateways' authorities are told apart in a list.
        digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
        name = _name(f"gridsight {host[:_HOST_SHOWN]} {digest[:4].hex()}")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + datetime.timedelta(days=AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(_usage(signs_certificates=True), True)
            .add_extension(x509.SubjectKeyIdentifier(digest), False)
            .sign(key, hashes.SHA256())
        )
        _write_private(self._folder / "authority.key", _pem_of(key))
        _write(self._folder / "authority.crt", _pem(certificate))


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 as systems show it: "AB:CD:…"."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def names_of(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that it is good for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *found.get_values_for_type(x509.DNSName),
        *(str(address) for address in found.get_values_for_type(x509.IPAddress)),
    ]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


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


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no certificate: {error}") from None


def _read_key(path: Path) -> _Key:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except ValueError as error:
        raise ValueError(f"{path} is no key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is not the kind of key that was made here")
    return key


def _write_private(path: Path, data: bytes) -> None:
    _write(path, data, 0o600)


def _write(path: Path, data: bytes, mode: int = 0o644) -> None:
    staged = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    staged.replace(path)
