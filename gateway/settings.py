"""The one settings object: defaults, a TOML file, the environment, and flags, in rising order.

Environment variables are ``GRIDSIGHT_`` + the name in capitals, with ``__`` between levels:
``GRIDSIGHT_LISTEN__PORT=80``. A name that nobody knows is an error, wherever it stands, so that a
misspelt setting cannot be silently ignored.
"""

from __future__ import annotations

import ipaddress
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url

from gateway.people.roles import Role

ENVIRONMENT_PREFIX = "GRIDSIGHT_"
CONFIG_FILE_VARIABLE = "GRIDSIGHT_CONFIG"
# Variables with our prefix that are not settings.
_OTHER_VARIABLES = {CONFIG_FILE_VARIABLE, "GRIDSIGHT_SHARED"}
_DEFAULT_FILES = (Path("gridsight.toml"), Path("/etc/gridsight/gridsight.toml"))


# "07:00-20:00".
_HOURS = r"^([01]\d|2[0-4]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d$"


class SettingsError(Exception):
    """The settings cannot be used. The message has one line per fault: name, origin, reason."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ListenSettings(_Section):
    """Where the console and the API answer."""

    address: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)


class StoreSettings(_Section):
    """Where footage is kept. ``path`` is for a directory, the rest for S3."""

    kind: Literal["directory", "s3"] = "directory"
    path: Path | None = None
    endpoint: str | None = None
    bucket: str | None = None
    access_key: str | None = None
    secret_key: SecretStr | None = None
    region: str | None = None
    secure: bool = True


class RecordingSettings(_Section):
    """How footage is cut and how much of it may wait on the local disk or in memory."""

    segment_s: int = Field(default=60, ge=2, le=3600)
    fsync_interval_s: float = Field(default=5.0, gt=0)
    spool_bytes_limit: int = Field(default=20 * 1024**3, gt=0)
    memory_bytes_limit: int = Field(default=512 * 1024**2, gt=0)


class RetentionSettings(_Section):
    """How long footage is kept when a camera does not say otherwise."""

    days: int = Field(default=30, ge=1)
    bytes: int | None = Field(default=None, gt=0)


class BackfillSettings(_Section):
    """What devices kept while we could not is fetched into gaps: of the last ``days``, ``at_once``
    stretches in each shard, one of each device. What somebody plays from a device's own storage is
    kept for ``borrowed_days``.
    """

    enabled: bool = True
    days: int = Field(default=7, ge=1, le=365)
    at_once: int = Field(default=2, ge=1, le=32)
    borrowed_days: float = Field(default=1.0, gt=0, le=30)


class ShardSettings(_Section):
    """How many media processes run on this machine."""

    count: int = Field(default=1, ge=1, le=64)


class FootageSettings(_Section):
    """How many footage servers run on this machine."""

    count: int = Field(default=1, ge=1, le=64)


class IceServer(_Section):
    """A STUN or TURN server that browsers are told to use."""

    urls: list[str]
    username: str | None = None
    credential: SecretStr | None = None


class WebRtcSettings(_Section):
    """``udp_port`` is the first shard's port, the next shard takes the next one; 0: any."""

    udp_port: int = Field(default=0, ge=0, le=65535)
    advertise_addresses: list[str] = []
    ice_servers: list[IceServer] = []


class RestreamSettings(_Section):
    """The RTSP server for other players. Off unless asked for."""

    enabled: bool = False
    address: str = "127.0.0.1"
    port: int = Field(default=8554, ge=0, le=65535)


class PushSettings(_Section):
    """The RTMP server for cameras and encoders that push. Off unless asked for."""

    enabled: bool = False
    address: str = "127.0.0.1"
    port: int = Field(default=1935, ge=0, le=65535)


class FileSettings(_Section):
    """Where files that stand in for cameras lie; without it there are none."""

    directory: Path | None = None


class TranscoderSettings(_Section):
    """How many jobs decode and encode at the same time."""

    workers: int = Field(default=2, ge=0, le=256)


class SignInSettings(_Section):
    """How long a sign-in lasts, and when guessing is stopped.

    It ends ``session_hours`` after its last use, and ``session_days_limit`` after its beginning
    however much it is used. After ``attempts`` wrong ones there is a pause of ``lock_s``, twice as
    long each time, up to ``lock_s_limit``. Who holds one of ``totp_roles`` must use an
    authenticator.
    """

    session_hours: float = Field(default=12.0, gt=0)
    session_days_limit: float = Field(default=30.0, gt=0)
    attempts: int = Field(default=5, ge=1)
    lock_s: int = Field(default=300, ge=1)
    lock_s_limit: int = Field(default=3600, ge=1)
    totp_roles: list[Role] = []


class PasswordSettings(_Section):
    """What a password must be. None of the last ``history`` comes back; ``days_limit``: how old it
    may grow before it must be changed.
    """

    minimum_length: int = Field(default=10, ge=8, le=64)
    character_classes: int = Field(default=1, ge=1, le=4)
    history: int = Field(default=5, ge=0, le=24)
    days_limit: int | None = Field(default=None, ge=1)


class OidcSettings(_Section):
    """Sign-in at the county's own identity provider (OpenID Connect). Off without ``issuer``.

    ``accounts``: "linked": only identities that people have joined to their accounts themselves;
    "by_name": also the first identity whose ``name_claim`` is the name of an account (the provider
    must not let people choose that name); "created": an account without any grant for whoever has
    none.
    """

    issuer: str | None = None
    client_id: str = "gridsight"
    client_secret: SecretStr | None = None
    name: str = "OpenID Connect"
    scopes: list[str] = ["openid", "profile"]
    name_claim: str = "preferred_username"
    accounts: Literal["linked", "by_name", "created"] = "linked"
    ca_file: Path | None = None


class DeskSettings(_Section):
    """Duty desks: a PIN is good there for ``full_sign_in_days`` after a sign-in with the password,
    and for ``wrong_pins`` wrong ones.
    """

    full_sign_in_days: float = Field(default=7.0, gt=0)
    wrong_pins: int = Field(default=5, ge=1)


class AccountabilitySettings(_Section):
    """What who looks must say. ``live_purpose`` unset: yes, except in a demo.

    ``case_roles`` give a case number with each playback, search and export. Looks outside
    ``working_hours`` (local time) are shown to auditors, but for shifts of duty desks.
    """

    live_purpose: bool | None = None
    playback_reason: bool = True
    case_roles: list[Role] = [Role.INVESTIGATOR]
    shift_hours: float = Field(default=12.0, gt=0, le=72)
    working_hours: str = Field(default="07:00-20:00", pattern=_HOURS)


class LockedStoreSettings(_Section):
    """A bucket with object lock; nothing in it can be deleted before ``lock_days`` are over."""

    endpoint: str | None = None
    bucket: str | None = None
    access_key: str | None = None
    secret_key: SecretStr | None = None
    region: str | None = None
    secure: bool = True
    lock_days: int = Field(default=365, ge=1, le=36500)

    @model_validator(mode="after")
    def _whole(self) -> LockedStoreSettings:
        if (self.endpoint is None) != (self.bucket is None):
            raise ValueError("endpoint and bucket go together")
        return self


class AuditSettings(_Section):
    """How often the register is signed, and where copies of the signatures go."""

    checkpoint_interval_s: float = Field(default=60.0, gt=0, le=3600)
    checkpoint_directory: Path | None = None
    store: LockedStoreSettings = LockedStoreSettings()


class EvidenceSettings(_Section):
    """Packages of evidence: how long they are kept for download, how much of the disk they leave
    free, and the county's SM2 private key (PEM), where packages are to be signed with one too.
    """

    keep_days: float = Field(default=14.0, gt=0)
    reserve_bytes: int = Field(default=2 * 1024**3, ge=0)
    sm2_key_file: Path | None = None


class SteeringSettings(_Section):
    """Cameras that move: after how long without a command they are let go, and after how long a
    movement that is not renewed is stopped.
    """

    idle_s: float = Field(default=15.0, ge=2, le=600)
    move_timeout_s: float = Field(default=2.0, ge=0.5, le=10)


class AlarmSettings(_Section):
    """When something becomes an alarm."""

    camera_offline_after_s: float = Field(default=20.0, ge=1, le=3600)
    clock_drift_s: float = Field(default=10.0, ge=1, le=86400)


class TlsSettings(_Section):
    """Whether and how the console and the API are encrypted.

    ``auto``: with a certificate of the gateway's own authority where it listens beyond this machine
    and no ``public_url`` says that a proxy stands in front. ``names``: further names by which
    browsers come. Plain HTTP on ``http_port`` (0: any) only leads to HTTPS.
    """

    certificates: Literal["auto", "off", "local", "files"] = "auto"
    certificate: Path | None = None
    key: Path | None = None
    names: list[str] = []
    http_port: int = Field(default=8081, ge=0, le=65535)

    @model_validator(mode="after")
    def _has_files(self) -> Self:
        if self.certificates == "files" and not (self.certificate and self.key):
            raise ValueError("certificates from files need tls.certificate and tls.key")
        return self


class Gb28181Settings(_Section):
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
    digest_algorithms: list[Literal["MD5", "SHA-256"]] = ["MD5"]
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


class Gat1400Settings(_Section):
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


class OnvifSettings(_Section):
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
    interfaces: list[str] = []
    ranges: list[str] = []
    ports: list[int] = [80, 8000, 8080, 8899, 2020]
    rate_per_s: int = Field(default=50, ge=1, le=1000)
    notification_address: str = "127.0.0.1"
    notification_port: int = Field(default=8091, ge=0, le=65535)
    notification_url: str | None = Field(default=None, pattern=r"^http://[^/\s]+$")


class CascadeSettings(_Section):
    """Where platforms above us (GB/T 28181) reach us once somebody has registered us with one.

    Nothing listens before that. ``port`` 0 takes any that is free; ``advertise_address`` is ours as
    the platforms above see it, where a NAT lies between.
    """

    address: str = "127.0.0.1"
    port: int = Field(default=5062, ge=0, le=65535)
    advertise_address: str | None = None


class MetricsSettings(_Section):
    """Who may read /metrics: who knows the token; without one, this machine itself."""

    token: SecretStr | None = None


class LogSettings(_Section):
    """What is logged, and in which form."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Settings(BaseSettings):
    """Everything that can be configured. Immutable; see :func:`load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_directory: Path = Path("data")
    run_directory: Path | None = None
    secrets_directory: Path | None = None
    public_url: str | None = None
    database_url: SecretStr | None = None
    demo: bool = False
    listen: ListenSettings = ListenSettings()
    store: StoreSettings = StoreSettings()
    recording: RecordingSettings = RecordingSettings()
    retention: RetentionSettings = RetentionSettings()
    backfill: BackfillSettings = BackfillSettings()
    shards: ShardSettings = ShardSettings()
    footage: FootageSettings = FootageSettings()
    webrtc: WebRtcSettings = WebRtcSettings()
    restream: RestreamSettings = RestreamSettings()
    push: PushSettings = PushSettings()
    files: FileSettings = FileSettings()
    transcoder: TranscoderSettings = TranscoderSettings()
    sign_in: SignInSettings = SignInSettings()
    accountability: AccountabilitySettings = AccountabilitySettings()
    audit: AuditSettings = AuditSettings()
    passwords: PasswordSettings = PasswordSettings()
    oidc: OidcSettings = OidcSettings()
    desks: DeskSettings = DeskSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    steering: SteeringSettings = SteeringSettings()
    alarms: AlarmSettings = AlarmSettings()
    tls: TlsSettings = TlsSettings()
    gb28181: Gb28181Settings = Gb28181Settings()
    cascade: CascadeSettings = CascadeSettings()
    onvif: OnvifSettings = OnvifSettings()
    gat1400: Gat1400Settings = Gat1400Settings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    @field_validator("data_directory", "run_directory", "secrets_directory", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        # Child processes must mean the same folder whatever directory they run in.
        return None if value is None else value.expanduser().absolute()

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[Any, ...]:
        """Only what the caller passes: :func:`load_settings` reads the sources itself."""
        return (sources["init_settings"],)

    @property
    def asks_live_purpose(self) -> bool:
        """Whether live views ask for a purpose once a shift."""
        asked = self.accountability.live_purpose
        return not self.demo if asked is None else asked

    @property
    def tls_kind(self) -> Literal["off", "local", "files"]:
        """Where the certificate comes from, once ``auto`` is decided."""
        if self.tls.certificates != "auto":
            return self.tls.certificates
        return "off" if self.public_url or _is_loopback(self.listen.address) else "local"

    @property
    def effective_run_directory(self) -> Path:
        """Sockets and run files: ``run_directory``, else ``run`` under the data directory."""
        return self.run_directory or self.data_directory / "run"

    @property
    def spool_directory(self) -> Path:
        """Open and not yet stored segments; each shard uses a folder of its own name below it."""
        return self.data_directory / "spool"

    @property
    def exports_directory(self) -> Path:
        """Packages of evidence; each job's files are in a folder of its id."""
        return self.data_directory / "exports"

    @property
    def store_directory(self) -> Path:
        """Footage of a directory store: ``store.path``, else ``footage`` in the data directory."""
        return (self.store.path or self.data_directory / "footage").absolute()

    @property
    def effective_database_url(self) -> str:
        """The SQLAlchemy URL in force; SQLite in the data directory unless configured."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_directory / 'gridsight.db'}"

    def to_json(self) -> str:
        """Everything, secrets included, for a child process. Keep it in a file of mode 0600."""
        return json.dumps(_revealed(self.model_dump(mode="python")))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """The inverse of :meth:`to_json`."""
        return cls.model_validate(json.loads(text))


@dataclass(frozen=True, slots=True)
class Origin:
    """One value in force: its dotted name, the value as text (secrets masked), its origin."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings in force, and where each value came from."""

    settings: Settings
    origins: tuple[Origin, ...]


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Read all sources and merge them: flags over environment over file over defaults.

    ``flags`` is nested like the settings; None in it means "not given". ``file`` falls back to
    ``GRIDSIGHT_CONFIG``, then ``gridsight.toml`` here, then ``/etc/gridsight/gridsight.toml``.
    Raises :class:`SettingsError`.
    """
    variables = os.environ if environment is None else environment
    origins: dict[str, str] = {}
    merged: dict[str, Any] = {}
    path = _find_file(file, variables)
    if path is not None:
        _merge(merged, _read_file(path), origins, lambda name: f"file {path}")
    _merge(merged, _read_environment(variables), origins, _environment_origin)
    given = _without_none(dict(flags or {}))
    _merge(merged, given, origins, lambda name: "command line")
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_explain(error, origins)) from None
    return LoadedSettings(settings, tuple(_origins_in_force(settings, origins)))


def _find_file(file: Path | None, variables: Mapping[str, str]) -> Path | None:
    configured = file or (
        Path(variables[CONFIG_FILE_VARIABLE]) if variables.get(CONFIG_FILE_VARIABLE) else None
    )
    if configured is not None:
        if not configured.is_file():
            raise SettingsError(f"settings file {configured} does not exist")
        return configured
    return next((path for path in _DEFAULT_FILES if path.is_file()), None)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as opened:
            return tomllib.load(opened)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings file {path} is not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path} cannot be read: {error}") from None


class _Environment(EnvSettingsSource):
    """pydantic's reader of nested variables, on a mapping that the caller chooses."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _read_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    known = set(Settings.model_fields)
    for name in variables:
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _OTHER_VARIABLES:
            continue
        top = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__", 1)[0]
        if top not in known:
            raise SettingsError(f"{name}: there is no such setting; see `gridsight config`")
    try:
        return dict(_Environment(variables)())
    except ValueError as error:
        raise SettingsError(f"environment: {error}") from None


def _environment_origin(name: str) -> str:
    return f"environment {ENVIRONMENT_PREFIX}{name.replace('.', '__').upper()}"


def _merge(
    target: dict[str, Any],
    source: Mapping[str, Any],
    origins: dict[str, str],
    say: Any,
    prefix: str = "",
) -> None:
    for key, value in source.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            branch = target.setdefault(key, {})
            if not isinstance(branch, dict):
                branch = target[key] = {}
            _merge(branch, value, origins, say, f"{name}.")
        else:
            target[key] = value
            origins[name] = say(name)


def _without_none(source: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in source.items():
        if isinstance(value, Mapping):
            branch = _without_none(value)
            if branch:
                kept[key] = branch
        elif value is not None:
            kept[key] = value
    return kept


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in fault["loc"])
        origin = origins.get(name, "")
        reason = "there is no such setting" if fault["type"] == "extra_forbidden" else fault["msg"]
        lines.append(f"{name}{f' ({origin})' if origin else ''}: {reason}")
    return "\n".join(lines)


def _origins_in_force(settings: Settings, origins: Mapping[str, str]) -> Iterator[Origin]:
    for name, value in _flatten(settings):
        yield Origin(name, _shown(value), origins.get(name, "default"))


def _flatten(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, SecretStr):
        return _masked_url(value.get_secret_value())
    if isinstance(value, list):
        return json.dumps(
            [
                item.model_dump(mode="json") if isinstance(item, BaseModel) else item
                for item in value
            ],
            ensure_ascii=False,
        )
    return str(value)


def _masked_url(secret: str) -> str:
    """A database URL with its password hidden; any other secret as stars alone."""
    if "://" not in secret:
        return "********"
    try:
        return make_url(secret).render_as_string(hide_password=True)
    except Exception:
        return "********"


def _revealed(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: _revealed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_revealed(item) for item in value]
    return value
