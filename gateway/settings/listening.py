"""How browsers, players and what watches the gateway reach it, and what it logs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from gateway.settings.section import Section


class ListenSettings(Section):
    """Where the console and the API answer."""

    address: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)


class TlsSettings(Section):
    """Whether and how the console and the API are encrypted.

    ``auto``: with a certificate of the gateway's own authority where it listens beyond this machine
    and no ``public_url`` says that a proxy stands in front. ``names``: further names by which
    browsers come. Plain HTTP on ``http_port`` (0: any) only leads to HTTPS.
    """

    certificates: Literal["auto", "off", "local", "files"] = "auto"
    certificate: Path | None = None
    key: Path | None = None
    names: list[str] = Field(default=[])
    http_port: int = Field(default=8081, ge=0, le=65535)

    @model_validator(mode="after")
    def _has_files(self) -> Self:
        if self.certificates == "files" and not (self.certificate and self.key):
            raise ValueError("certificates from files need tls.certificate and tls.key")
        return self


class IceServer(Section):
    """A STUN or TURN server that browsers are told to use."""

    urls: list[str]
    username: str | None = None
    credential: SecretStr | None = None


class WebRtcSettings(Section):
    """``udp_port`` is the first shard's port, the next shard takes the next one; 0: any."""

    udp_port: int = Field(default=0, ge=0, le=65535)
    advertise_addresses: list[str] = Field(default=[])
    ice_servers: list[IceServer] = Field(default=[])


class RestreamSettings(Section):
    """The RTSP server for other players. Off unless asked for."""

    enabled: bool = False
    address: str = "127.0.0.1"
    port: int = Field(default=8554, ge=0, le=65535)


class MetricsSettings(Section):
    """Who may read /metrics: who knows the token; without one, this machine itself."""

    token: SecretStr | None = None


class LogSettings(Section):
    """What is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"
