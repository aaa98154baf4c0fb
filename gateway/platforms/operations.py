"""What signalling knows of platforms, whatever they speak: the terms that all kinds share.

A kind (ONVIF, GB/T 28181 below, …) is a :class:`PlatformKind`: it holds every platform of its kind,
and gives :class:`DeviceOperations` for what is asked of one channel. A refusal is a
:class:`DeviceRefused`, with a stable code that the console translates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Direction = Literal["below", "above"]
StateName = Literal["connecting", "online", "offline", "refused", "disabled"]

SteerAction = Literal[
    "move",  # continuous, until stop or the device's time-out
    "stop",
    "absolute",
    "relative",
    "goto_preset",
    "home",
    "focus",  # `zoom` is its speed: negative is near
    "iris",  # `zoom` is its speed: negative is closed
    "auxiliary",  # `number` and `on`: wiper, light
]


REFUSALS = frozenset(
    {"offline", "refused", "unsupported", "busy", "timed_out", "not_found", "device_error"}
)


class DeviceRefused(Exception):
    """Something cannot be done by this device now. ``code`` is one of :data:`REFUSALS` (``refused``
    is the account); the message says what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class DesiredPlatform:
    """A platform's row. ``host`` and ``port`` are None where it comes to us."""

    id: str
    kind: str
    direction: Direction
    name: str
    code: str | None
    area_id: str
    host: str | None
    port: int | None
    username: str | None
    password: str | None = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    changed_us: int = 0


@dataclass(frozen=True, slots=True)
class PlatformState:
    """How one platform stands: what its row in ``platform_states`` says.

    ``fault`` is a stable code, ``detail`` the same in one English line. ``host``, ``port`` and
    ``transport`` are from where it last spoke. ``facts``: manufacturer, model, firmware,
    serial_number, clock_offset_us (its clock less ours), capabilities (list of words such as
    ``ptz``, ``presets``, ``events``, ``recordings``, ``talk``). ``catalog``: state (``none``,
    ``fetching``, ``complete``, ``partial``, ``failed``), expected, received, orphans, duplicates,
    cycles, at_us.
    """

    state: StateName
    since_us: int
    fault: str = ""
    detail: str = ""
    host: str | None = None
    port: int | None = None
    transport: str | None = None
    expires_us: int | None = None
    seen_us: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    catalog: Mapping[str, Any] = field(default_factory=dict)

    def to_message(self) -> dict[str, Any]:
        """For rows and the control channel."""
        return {**asdict(self), "facts": dict(self.facts), "catalog": dict(self.catalog)}


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as the other side describes it; a row of ``platform_channels``.

    ``facts`` may hold: manufacturer, model, address, ptz_type, main_url, sub_url, snapshot_url,
    profiles, capabilities.
    """

    code: str
    parent_code: str | None
    kind: Literal["camera", "group", "area", "device", "other"]
    name: str
    status: Literal["on", "off", "unknown"] = "unknown"
    civil_code: str | None = None
    longitude: float | None = None
    latitude: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_message(self) -> dict[str, Any]:
        """For the control channel: ten thousand of them in a few milliseconds, as asdict is not."""
        return {
            "code": self.code,
            "parent_code": self.parent_code,
            "kind": self.kind,
            "name": self.name,
            "status": self.status,
            "civil_code": self.civil_code,
            "longitude": self.longitude,
            "latitude": self.latitude,
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class SteerCommand:
    """One command to a camera that moves. Speeds and relative moves are −1…1, absolute places
    −1…1 (pan, tilt) and 0…1 (zoom), as in ONVIF's generic spaces.
    """

    action: SteerAction
    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    speed: float = 0.5
    preset: str = ""
    number: int = 0
    on: bool = True

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> SteerCommand:
        """From the control channel. Raises TypeError for unknown fields."""
        return cls(**message)

    def to_message(self) -> dict[str, Any]:
        """For the control channel."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Preset:
    """A place that a camera remembers. ``token`` is the device's own: a number in GB/T 28181."""

    token: str
    name: str


@dataclass(frozen=True, slots=True)
class DeviceRecording:
    """A stretch of footage on the device's own storage. ``reference`` opens it, whatever it is."""

    start_us: int
    end_us: int
    reference: str = ""
    size_bytes: int | None = None


class DeviceOperations(Protocol):
    """What can be asked of one channel. Every method may raise :class:`DeviceRefused`; those that a
    kind does not have raise it with ``unsupported``.
    """

    async def steer(self, channel: str, command: SteerCommand) -> None:
        """Send one command; returns when it is on the wire (or the device has answered)."""

    async def presets(self, channel: str) -> list[Preset]:
        """Its presets."""

    async def set_preset(self, channel: str, token: str | None, name: str) -> Preset:
        """Remember where it looks now; None makes a new one."""

    async def remove_preset(self, channel: str, token: str) -> None:
        """Forget one."""

    async def keyframe(self, channel: str, variant: str) -> None:
        """Have it send a keyframe now."""

    async def recordings(self, channel: str, start_us: int, end_us: int) -> list[DeviceRecording]:
        """What its own storage holds of this range, by start, clipped to the range."""

    async def encoder(self, channel: str) -> list[dict[str, Any]]:
        """Settings of each of its streams: variant, codec, width, height, frames_per_second,
        bitrate_bps, gop_pictures, and `choices` of them where the device says so.
        """

    async def set_encoder(self, channel: str, variant: str, settings: Mapping[str, Any]) -> None:
        """Change some of them."""

    async def time(self) -> dict[str, Any]:
        """{device_us, offset_us, zone, source}: its clock, now."""

    async def set_time(self) -> None:
        """Set its clock to ours, its zone to the county's."""

    async def reboot(self) -> None:
        """Start it anew."""


class PlatformKind(Protocol):
    """All platforms of one kind and direction, within the signalling process."""

    @property
    def kind(self) -> str:
        """As in ``platforms.kind``."""

    @property
    def direction(self) -> Direction:
        """As in ``platforms.direction``."""

    async def start(self) -> None:
        """Open sockets, start loops. Raises ConfigurationError when it cannot run as configured."""

    async def close(self) -> None:
        """Stop, saying goodbye where the protocol has a word for it."""

    async def reconcile(self, platforms: Mapping[str, DesiredPlatform]) -> None:
        """Hold exactly these (by id); called every few seconds and after each change."""

    async def refresh(self, platform_id: str) -> None:
        """Fetch its channels and facts now. Raises DeviceRefused."""

    def operations(self, platform_id: str) -> DeviceOperations:
        """For one platform. Raises DeviceRefused ``not_found`` when it is not held."""

    def calls(self) -> Mapping[str, Callable[..., Any]]:
        """What it answers on the control channel beside what all kinds do: ``media.session`` of
        GB/T 28181, ``platforms.discover`` and ``platforms.probe`` of ONVIF.
        """

    def figures(self) -> Mapping[str, float]:
        """For /metrics: name → value."""


class StateSink(Protocol):
    """Where kinds report. All calls return at once; rows are written behind, in batches."""

    def state(self, platform_id: str, state: PlatformState) -> None:
        """The newest state of a platform."""

    async def channels(
        self, platform_id: str, found: Sequence[Channel], *, complete: bool = True
    ) -> dict[str, int]:
        """The catalogue as of now; gives {added, changed, gone, back}. Durable when it returns.

        Only of a ``complete`` one is what it does not have gone. Local names, areas and positions
        of cameras are not touched.
        """

    def channel_status(self, platform_id: str, status: Mapping[str, str]) -> None:
        """New status ("on", "off") of some channels, by code."""

    def applicant(
        self,
        kind: str,
        code: str,
        *,
        host: str,
        port: int,
        transport: str,
        knows_password: bool,
        detail: str = "",
    ) -> None:
        """Somebody unknown knocked."""
