"""Meetings: when they end by themselves, and what they may keep."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from gateway.settings.section import Section


class SipSettings(Section):
    """Telephones and SIP endpoints in meetings. Off unless asked for; one signalling process serves
    them on ``host``, UDP and TCP ``port``, sound on the even ports from ``first_media_port`` to
    ``last_media_port`` (0: any). ``advertise``: our address as telephones know it, where it is
    another. Video terminals may send pictures of ``picture_kbps`` kbit/s, and are sent none that
    are faster; 0: they take part by their sound.

    Who may call in: whose address is in ``trunk_networks``, and who has an account (name to
    password, by digest). ``trunk`` (``host`` or ``host:port``) is where numbers are dialled, with
    ``trunk_username`` and ``trunk_password`` if it asks for them. ``dials_addresses``: a SIP
    address that is no account's is dialled at its own host, too. Whoever picks up presses a key
    within ``accept_s``, or is not in; ``rooms`` are terminals (an account, or the address as it is
    dialled) with the area in which each stands: in the hours that this site has named, none is
    needed.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: int = Field(default=5066, ge=0, le=65535)
    advertise: str = ""
    first_media_port: int = Field(default=0, ge=0, le=65535)
    last_media_port: int = Field(default=0, ge=0, le=65535)
    calls_limit: int = Field(default=30, ge=1, le=200)
    picture_kbps: int = Field(default=2048, ge=0, le=20_000)
    ring_s: float = Field(default=45.0, ge=5, le=300)
    accept_s: float = Field(default=30.0, ge=5, le=120)
    rooms: dict[str, str] = Field(default={})
    caller_name: str = Field(default="meetings", pattern=r"^[A-Za-z0-9._+\-]{1,64}$")
    trunk_networks: list[str] = Field(default=[])
    accounts: dict[str, SecretStr] = Field(default={})
    trunk: str = ""
    trunk_username: str = ""
    trunk_password: SecretStr = SecretStr("")
    dials_addresses: bool = False

    @field_validator("trunk_networks")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ipaddress.ip_network(network)
        return networks

    @model_validator(mode="after")
    def _has_ports(self) -> Self:
        first, last = self.first_media_port, self.last_media_port
        if first > last or (first == 0) != (last == 0):
            raise ValueError("meetings.sip: last_media_port is not before first_media_port")
        return self


class SubtitleSettings(Section):
    """What understands speech in meetings: the name of a recogniser that is installed, or
    ``package.module:factory``; none where it is empty. ``options`` are handed to it.
    """

    recogniser: str = Field(default="", max_length=200)
    options: dict[str, str] = Field(default={})


class MeetingSettings(Section):
    """A running meeting in which nobody was connected for ``empty_minutes`` is over. Who is invited
    is reminded ``remind_minutes`` before it begins; a site rings for ``ring_seconds``. A file that
    is handed out has at most ``file_bytes_limit``, all of a meeting ``files_bytes_limit`` in all.
    Of those who join, ``sites_per_shard`` sit at one shard, the others at further ones. What was
    recorded of a meeting is kept for ``recording_days``, its chat, files and pictures of
    roll calls for ``papers_days``.
    """

    sites_per_shard: int = Field(default=800, ge=1, le=2000)
    empty_minutes: float = Field(default=15.0, gt=0, le=24 * 60)
    remind_minutes: float = Field(default=10.0, ge=0, le=24 * 60)
    ring_seconds: float = Field(default=90.0, ge=5, le=3600)
    file_bytes_limit: int = Field(default=16 * 1024**2, ge=1, le=16 * 1024**2)
    recording_days: int = Field(default=180, ge=1, le=3650)
    papers_days: int = Field(default=180, ge=1, le=3650)
    files_bytes_limit: int = Field(default=1024**3, ge=1)
    sip: SipSettings = SipSettings()
    subtitles: SubtitleSettings = SubtitleSettings()
