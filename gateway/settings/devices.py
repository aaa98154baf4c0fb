"""How devices and platforms reach us and we them, and how cameras are operated."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator

from gateway.settings.section import Section


class PushSettings(Section):
    """The RTMP server for cameras and encoders that push. Off unless asked for."""

    enabled: bool = False
    address: str = "127.0.0.1"
    port: int = Field(default=1935, ge=0, le=65535)


class FileSettings(Section):
    """Where files that stand in for cameras lie; without it there are none."""

    directory: Path | None = None


class OnvifSettings(Section):
    """ONVIF: how cameras and recorders are held, and where new ones are looked for.

    Only devices that somebody has added are spoken to. ``interfaces``, ``ranges``, ``ports`` are
    what a search asks unless it is told otherwise; none goes faster than ``rate_per_s`` addresses
    a second. ``time_zone`` is the county's, in POSIX's words (``CST-8`` is UTC+8). Devices without
    pull points post events to ``notification_url``, which leads to where we listen for them.
    """

    enabled: bool = True
    events: bool = True
    time_sync: bool = False
    time_zone: str = Field(default="CST-8", pattern=r"^[A-Za-z]{3,10}([+-]?\d{1,2}(:\d{2})?)?$")
    sessions: int = Field(default=32, ge=1, le=1024)
    interfaces: list[str] = Field(default=[])
    ranges: list[str] = Field(default=[])
    ports: list[int] = Field(default=[80, 8000, 8080, 8899, 2020])
    rate_per_s: int = Field(default=50, ge=1, le=1000)
    notification_address: str = "127.0.0.1"
    notification_port: int = Field(default=8091, ge=0, le=65535)
    notification_url: str | None = Field(default=None, pattern=r"^http://[^/\s]+$")


class Gb28181Settings(Section):
    """GB/T 28181: who we are, and where devices and platforms register with us.

    Without ``port`` nobody can register. ``code`` has twenty digits; ``domain`` is its first ten
    unless set. ``password`` is what newcomers are tried with, so that people see who knows it: none
    of them is let in by it. ``zone`` is what devices' clocks are set to when they register.
    ``media_address`` is where media come in and ``media_advertise_address`` what devices are told;
    ``media_ports`` (``30000-39999``) is divided among the media processes.
    """

    address: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535)
    advertise_address: str | None = None
    code: str = Field(default="", pattern=r"^(\d{20})?$")
    domain: str = Field(default="", pattern=r"^[0-9A-Za-z.\-]{0,60}$")
    password: SecretStr | None = None
    zone: str = "Asia/Shanghai"
    expires_s_minimum: int = Field(default=60, ge=30, le=86_400)
    expires_s_limit: int = Field(default=86_400, ge=60, le=604_800)
    keepalive_s: int = Field(default=60, ge=5, le=3600)
    keepalives_missed: int = Field(default=3, ge=1, le=20)
    digest_algorithms: list[Literal["MD5", "SHA-256"]] = Field(default=["MD5"])
    media_address: str | None = None
    media_advertise_address: str | None = None
    media_ports: str = Field(default="", pattern=r"^(\d{1,5}-\d{1,5})?$")

    @field_validator("media_ports")
    @classmethod
    def _a_range(cls, value: str) -> str:
        if value:
            first, last = (int(one) for one in value.split("-"))
            if not 1024 <= first < last <= 65535:
                raise ValueError("write a range within 1024-65535, such as 30000-39999")
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError(f"there is no time zone {value!r}") from None
        return value

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.port and not self.code:
            raise ValueError("gb28181.port needs gb28181.code: the twenty digits of this platform")
        if self.expires_s_minimum > self.expires_s_limit:
            raise ValueError("expires_s_minimum is above expires_s_limit")
        return self

    @property
    def effective_domain(self) -> str:
        """The SIP domain: ``domain``, else the first ten digits of the code (annex D)."""
        return self.domain or self.code[:10]


class CascadeSettings(Section):
    """Where platforms above us (GB/T 28181) reach us once somebody has registered us with one.

    Nothing listens before that. ``port`` 0 takes any that is free; ``advertise_address`` is ours as
    the platforms above see it, where a NAT lies between.
    """

    address: str = "127.0.0.1"
    port: int = Field(default=5062, ge=0, le=65535)
    advertise_address: str | None = None


class Gat1400Settings(Section):
    """GA/T 1400: who we are, and where checkpoints and view libraries send what they saw.

    ``code`` has twenty digits. Nobody is heard without ``enabled``. ``advertise_url`` is what
    platforms are told to reach us by (``http://10.1.2.3:8090``). Plain HTTP without ``certificate``
    and ``key``. Times without a zone are ``utc_offset_minutes`` before UTC's.
    """

    enabled: bool = False
    address: str = "127.0.0.1"
    port: int = Field(default=8090, ge=0, le=65535)
    code: str = Field(default="", pattern=r"^(\d{20})?$")
    advertise_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    certificate: Path | None = None
    key: Path | None = None
    utc_offset_minutes: int = Field(default=480, ge=-720, le=840)
    keepalive_s: int = Field(default=60, ge=5, le=3600)
    keepalives_missed: int = Field(default=3, ge=1, le=20)
    requests_per_s: float = Field(default=50.0, gt=0, le=10_000)
    body_bytes_limit: int = Field(default=16 * 1024**2, ge=65_536, le=256 * 1024**2)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.enabled and not self.code:
            raise ValueError("gat1400.enabled needs gat1400.code: the twenty digits of this system")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("gat1400.certificate and gat1400.key go together")
        return self


class SteeringSettings(Section):
    """Cameras that move: after how long without a command they are let go, and after how long a
    movement that is not renewed is stopped.
    """

    idle_s: float = Field(default=15.0, ge=2, le=600)
    move_timeout_s: float = Field(default=2.0, ge=0.5, le=10)


DeviceAlarmKind = Literal[
    "motion", "tamper", "line_crossing", "intrusion", "digital_input", "sound", "video_loss",
    "storage_fault", "device_fault", "emergency",
]  # fmt: skip


class AlarmSettings(Section):
    """When something becomes an alarm. ``device_kinds``: of what devices tell; zones that are
    watched here are alarms whatever it says.
    """

    device_kinds: list[DeviceAlarmKind] = Field(
        default=["storage_fault", "video_loss", "tamper", "emergency", "intrusion", "digital_input"]
    )
    camera_offline_after_s: float = Field(default=20.0, ge=1, le=3600)
    clock_drift_s: float = Field(default=10.0, ge=1, le=86400)
    storage_ahead_days: float = Field(default=7.0, gt=0, le=365)
