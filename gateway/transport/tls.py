"""The gateway's certificate in use: from files or from its own authority, renewed while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import fcntl
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509

from gateway.settings import Settings
from gateway.transport.local_authority import Issued, LocalAuthority, fingerprint, names_of
from gateway.transport.names import certificate_names

_log = structlog.get_logger(__name__)

LOOK_AGAIN_S = 3600.0


class TlsError(Exception):
    """There is no certificate to serve with. Says what to change."""


@dataclass(slots=True)
class ServedCertificate:
    """``context`` serves with the newest certificate. ``authority`` is None for given files."""

    context: ssl.SSLContext
    authority: LocalAuthority | None
    names: list[str]
    _settings: Settings
    _loaded: object = None

    def look_again(self) -> bool:
        """Load the certificate anew where it has changed, or is to be renewed; gives whether. What
        is connected stays so. Raises TlsError, with what was served before still being served.
        """
        try:
            issued = self._issued()
            stamp = (issued.certificate.stat().st_mtime_ns, issued.key.stat().st_mtime_ns)
            if stamp == self._loaded:
                return False
            # Tried apart first: a bad pair must not take the place of a good one.
            _context().load_cert_chain(issued.certificate, issued.key)
            self.context.load_cert_chain(issued.certificate, issued.key)
        except (OSError, ValueError) as error:
            raise TlsError(f"no certificate to serve with: {error}; see tls.certificate") from None
        self._loaded = stamp
        return True

    async def look_again_for_ever(self) -> None:
        """Once an hour; trouble is logged, since people can still come while the old one lasts."""
        while True:
            await asyncio.sleep(LOOK_AGAIN_S)
            try:
                if await asyncio.to_thread(self.look_again):
                    _log.info("a new certificate is in use")
            except TlsError as error:
                _log.error("the certificate is not renewed", why=str(error))

    def _issued(self) -> Issued:
        if self.authority is not None:
            return self.authority.issue(self.names, datetime.datetime.now(datetime.UTC))
        tls = self._settings.tls
        assert tls.certificate is not None
        assert tls.key is not None
        return Issued(tls.certificate, tls.key)


def tls_folder(settings: Settings) -> Path:
    """Where the authority and its certificate are kept."""
    return settings.data_directory / "tls"


def open_certificate(settings: Settings) -> ServedCertificate | None:
    """What to serve with, made at the first start; None where nothing is encrypted. Blocks.

    Raises TlsError.
    """
    kind = settings.tls_kind
    if kind == "off":
        return None
    authority = None
    with contextlib.ExitStack() as stack:
        if kind == "local":
            try:
                stack.enter_context(_alone(tls_folder(settings)))
                authority = LocalAuthority(tls_folder(settings), socket.gethostname())
            except (OSError, ValueError) as error:
                raise TlsError(f"the gateway's authority cannot be used: {error}") from None
        served = ServedCertificate(_context(), authority, certificate_names(settings), settings)
        served.look_again()
        return served


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Several processes may be at their first start: one of them makes what is missing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_authority(settings: Settings) -> x509.Certificate | None:
    """The authority's certificate, if there is one: for those who only want to show it."""
    try:
        data = (tls_folder(settings) / "authority.crt").read_bytes()
        return x509.load_pem_x509_certificate(data)
    except (OSError, ValueError):
        return None


def describe(settings: Settings) -> list[str]:
    """What an administrator wants to know of it, a line each."""
    kind = settings.tls_kind
    if kind == "off":
        return ["nothing is encrypted here: see tls.certificates"]
    folder, tls = tls_folder(settings), settings.tls
    path = tls.certificate if kind == "files" else folder / "gateway.crt"
    lines = []
    try:
        assert path is not None
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return [f"certificate: none yet, it is made at the first start ({error})"]
    lines.append(f"certificate: {path}")
    lines.append(f"good for: {', '.join(names_of(certificate))}")
    lines.append(f"good until: {certificate.not_valid_after_utc:%Y-%m-%d}")
    authority = read_authority(settings) if kind == "local" else None
    if authority is not None:
        lines.append(f"authority: {folder / 'authority.crt'}")
        lines.append(f"its SHA-256 fingerprint: {fingerprint(authority)}")
    return lines


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # WebSockets begin as HTTP/1.1; nothing here speaks HTTP/2.
    context.set_alpn_protocols(["http/1.1"])
    return context
