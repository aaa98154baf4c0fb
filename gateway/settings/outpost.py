"""A process of ours that stands alone, between others and the gateway."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.settings.section import Section


class OutpostSettings(Section):
    """It listens on ``address`` with ``certificate`` and ``key``; without them on loopback alone,
    for a proxy of ``trusted_proxies`` that has them (``behind_tls``). ``upstream`` is the gateway:
    HTTPS, its certificate signed by ``upstream_authority`` (else by one that this machine trusts),
    ourselves shown by ``client_certificate`` and ``client_key`` where it asks for that.
    """

    section: ClassVar[str]

    address: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    certificate: Path | None = None
    key: Path | None = None
    behind_tls: bool = False
    trusted_proxies: list[str] = Field(default=[])
    upstream: str = Field(default="", pattern=r"^(https?://[A-Za-z0-9.\-\[\]:]+/?)?$")
    upstream_authority: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError(f"{self.section}: certificate and key belong together")
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError(f"{self.section}: client_certificate and client_key belong together")
        if self.certificate is None and not is_loopback(self.address):
            raise ValueError(f"{self.section}: beyond this machine it needs certificate and key")
        if not is_safe_to_ask(self.upstream):
            raise ValueError(f"{self.section}.upstream: https:// to another machine")
        return self


def is_safe_to_ask(url: str) -> bool:
    """Whether secrets may go there: by HTTPS, or within this machine."""
    return not url.startswith("http://") or is_loopback(urlsplit(url).hostname or "")


def is_loopback(address: str) -> bool:
    """Whether nobody else's machine is there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
