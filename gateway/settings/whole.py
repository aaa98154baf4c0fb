"""All settings together, and what follows from them."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.settings.analysis import SearchSettings
from gateway.settings.assist import AssistSettings
from gateway.settings.attachments import AttachmentSettings
from gateway.settings.cluster import ClusterSettings
from gateway.settings.devices import (
    AlarmSettings,
    CascadeSettings,
    FileSettings,
    Gat1400Settings,
    Gb28181Settings,
    OnvifSettings,
    PushSettings,
    SteeringSettings,
)
from gateway.settings.field import FieldGatewaySettings, FieldSettings
from gateway.settings.footage import (
    BackfillSettings,
    FootageSettings,
    RecordingSettings,
    RetentionSettings,
    ShardSettings,
    StoreSettings,
    TranscoderSettings,
)
from gateway.settings.health import HealthSettings
from gateway.settings.hotline import HotlineAdapterSettings
from gateway.settings.listening import (
    ApiSettings,
    ListenSettings,
    LiveSettings,
    LogSettings,
    MetricsSettings,
    RestreamSettings,
    TlsSettings,
    WebRtcSettings,
)
from gateway.settings.map import MapSettings
from gateway.settings.meetings import MeetingSettings
from gateway.settings.outbox import OutboxSettings
from gateway.settings.people import (
    AccountabilitySettings,
    DeskSettings,
    OidcSettings,
    PasswordSettings,
    SignInSettings,
)
from gateway.settings.proof import AuditSettings, EvidenceSettings

ENVIRONMENT_PREFIX = "GRIDSIGHT_"


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
    api: ApiSettings = ApiSettings()
    store: StoreSettings = StoreSettings()
    recording: RecordingSettings = RecordingSettings()
    retention: RetentionSettings = RetentionSettings()
    backfill: BackfillSettings = BackfillSettings()
    cluster: ClusterSettings = ClusterSettings()
    shards: ShardSettings = ShardSettings()
    footage: FootageSettings = FootageSettings()
    webrtc: WebRtcSettings = WebRtcSettings()
    live: LiveSettings = LiveSettings()
    restream: RestreamSettings = RestreamSettings()
    push: PushSettings = PushSettings()
    files: FileSettings = FileSettings()
    transcoder: TranscoderSettings = TranscoderSettings()
    search: SearchSettings = SearchSettings()
    meetings: MeetingSettings = MeetingSettings()
    attachments: AttachmentSettings = AttachmentSettings()
    assist: AssistSettings = AssistSettings()
    field: FieldSettings = FieldSettings()
    field_gateway: FieldGatewaySettings = FieldGatewaySettings()
    hotline_adapter: HotlineAdapterSettings = HotlineAdapterSettings()
    map: MapSettings = MapSettings()
    outbox: OutboxSettings = OutboxSettings()
    sign_in: SignInSettings = SignInSettings()
    accountability: AccountabilitySettings = AccountabilitySettings()
    audit: AuditSettings = AuditSettings()
    passwords: PasswordSettings = PasswordSettings()
    oidc: OidcSettings = OidcSettings()
    desks: DeskSettings = DeskSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    steering: SteeringSettings = SteeringSettings()
    alarms: AlarmSettings = AlarmSettings()
    health: HealthSettings = HealthSettings()
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
    def api_names(self) -> list[str]:
        """The API processes of this machine."""
        return [self.name_here(one) for one in _numbered("api", self.api.count)]

    @property
    def transcoder_names(self) -> list[str]:
        """The transcoders of this machine."""
        return [self.name_here(one) for one in _numbered("transcoder", self.transcoder.count)]

    @property
    def effective_run_directory(self) -> Path:
        """Sockets and run files: ``run_directory``, else ``run`` under the data directory."""
        return self.run_directory or self.data_directory / "run"

    def name_here(self, process: str) -> str:
        """The name of a process of which each machine has one of its own: with the machine's name
        behind it where there are several.
        """
        if self.cluster.listen_address is None:
            return process
        return f"{process}.{self.cluster.node_name}"

    @property
    def spool_directory(self) -> Path:
        """Open and not yet stored segments; each shard uses a folder of its own name below it."""
        return self.data_directory / "spool"

    @property
    def search_directory(self) -> Path:
        """What analysis keeps beside rows and store: vectors, and what is on its way."""
        return self.data_directory / "search"

    @property
    def exports_directory(self) -> Path:
        """Packages of evidence; each job's files are in a folder of its id."""
        return self.data_directory / "exports"

    @property
    def uploads_directory(self) -> Path:
        """What people send, until it is in the store."""
        return self.data_directory / "uploads"

    @property
    def renders_directory(self) -> Path:
        """Where recordings of meetings are being rendered."""
        return self.data_directory / "renders"

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


def _numbered(kind: str, count: int) -> list[str]:
    """One alone has the name of its kind."""
    return [kind] if count == 1 else [f"{kind}-{number}" for number in range(1, count + 1)]


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


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
