"""How browsers, players and what watches the gateway reach it, and what it logs."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from gateway.settings.section import Section


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text))


class ListenSettings(Section):
    """Where the console and the API answer: by themselves, or nginx in front of several.

    ``trusted_proxies``: addresses and networks of proxies whose ``X-Forwarded-For`` is believed.
    """

    address: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    trusted_proxies: list[str] = Field(default=["127.0.0.1", "::1"])

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, proxies: list[str]) -> list[str]:
        return [one.removesuffix("/32").removesuffix("/128") for one in map(_network, proxies)]


class ApiSettings(Section):
    """How many processes answer people; several need nginx in front: ``gridsight nginx-config``."""

    count: int = Field(default=1, ge=1, le=64)


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
    """A STUN or TURN server that browsers are told to use.

    A TURN server knows them by ``username`` and ``credential``, the same for all, or by the
    ``secret`` that it shares with us, of which accounts are made that may allocate for
    ``lifetime_s``.
    """

    urls: list[str] = Field(min_length=1)
    username: str | None = None
    credential: SecretStr | None = None
    secret: SecretStr | None = None
    lifetime_s: int = Field(default=3600, ge=60, le=7 * 86400)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        for url in self.urls:
            if not re.fullmatch(r"(stun|turn)s?:[^\s?/]+(\?transport=(udp|tcp))?", url):
                raise ValueError(f"not the URL of a STUN or TURN server: {url}")
        if self.secret is not None and (self.username or self.credential):
            raise ValueError("give secret, or username and credential, not both")
        if (self.username is None) != (self.credential is None):
            raise ValueError("username and credential belong together")
        if any(url.startswith("turn") for url in self.urls) and not (self.secret or self.username):
            raise ValueError("a TURN server needs secret, or username and credential")
        return self


class AdvertisedNetwork(Section):
    """Browsers whose address is in ``network`` are told to send to ``addresses``, best first."""

    network: str
    addresses: list[str] = Field(min_length=1)

    @field_validator("network")
    @classmethod
    def _is_network(cls, network: str) -> str:
        return str(ipaddress.ip_network(network))

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, addresses: list[str]) -> list[str]:
        return [str(ipaddress.ip_address(one)) for one in addresses]


class WebRtcSettings(Section):
    """``udp_port`` is the first shard's port, the next shard takes the next one; 0: any."""

    udp_port: int = Field(default=0, ge=0, le=65535)
    advertise_addresses: list[str] = Field(default=[])
    networks: list[AdvertisedNetwork] = Field(default=[])
    ice_servers: list[IceServer] = Field(default=[])


class LiveSettings(Section):
    """Where live views go: to the camera's own shard while that shows fewer than
    ``viewers_per_shard``, then to the one that shows fewest, to which the own one relays.
    """

    viewers_per_shard: int = Field(default=1000, ge=1)


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
