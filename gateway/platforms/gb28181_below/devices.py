"""One device or platform below us while it is held: how it stands, what it has, what it told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from camera_adapters.gb28181.registrar import Registration
from camera_adapters.sip.peer import Peer
from camera_adapters.sip.session import SipSession
from gateway.identifiers import US_PER_S, now_us
from gateway.platforms.operations import (
    DesiredPlatform,
    DeviceRefused,
    PlatformState,
    StateName,
    StateSink,
)
from gateway.platforms.options import Gb28181BelowOptions

# `seen_us` alone is told this often.
_SEEN_S = 15.0
NOT_REGISTERED = "not_registered"


@dataclass(slots=True)
class Device:
    """See the module. ``tasks`` is what is being fetched from it."""

    platform: DesiredPlatform
    code: str
    options: Gb28181BelowOptions
    sink: StateSink
    state: StateName = "offline"
    since_us: int = field(default_factory=now_us)
    fault: str = NOT_REGISTERED
    detail: str = "it has not registered here yet"
    # When a fault of a device that is online is forgotten again; steady seconds.
    fault_until_s: float | None = None
    peer: Peer | None = None
    version: str = ""
    expires_us: int | None = None
    seen_us: int | None = None
    told_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    catalog: dict[str, Any] = field(default_factory=lambda: {"state": "none"})
    subscriptions: dict[str, SipSession] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The platform's id."""
        return self.platform.id

    def reach(self) -> Peer:
        """Where to speak to it. Raises DeviceRefused ``offline``."""
        if self.peer is None or self.state != "online":
            raise DeviceRefused("offline", f"{self.platform.name} is not registered: {self.detail}")
        return self.peer

    def came(self, registration: Registration, now_s: float) -> None:
        """It is registered, and there."""
        if self.state != "online":
            self.state, self.since_us = "online", now_us()
            self.fault, self.detail, self.fault_until_s = "", "", None
        elif self.fault != "duplicate_code":
            self.fault, self.detail, self.fault_until_s = "", "", None
        self.version = registration.version or self.version
        self.expires_us = now_us() + round((registration.expires_at_s - now_s) * US_PER_S)
        self.heard(registration.peer, now_s, tell=True)

    def heard(self, peer: Peer, now_s: float, *, tell: bool = False) -> None:
        """It spoke, from there."""
        moved = peer != self.peer
        self.peer, self.seen_us = peer, now_us()
        if tell or moved or now_s - self.told_s >= _SEEN_S:
            self.told_s = now_s
            self.tell()

    def gone(self, fault: str, detail: str, *, state: StateName = "offline") -> None:
        """It is not there."""
        if self.state != state:
            self.since_us = now_us()
        self.state, self.fault, self.detail, self.fault_until_s = state, fault, detail, None
        if fault != "silent":
            self.expires_us = None
        self.tell()

    def blemish(self, fault: str, detail: str, until_s: float) -> None:
        """Something is wrong, though it is online; shown until then."""
        news = (fault, detail) != (self.fault, self.detail)
        self.fault, self.detail, self.fault_until_s = fault, detail, until_s
        if news:
            self.tell()

    def tell(self) -> None:
        """Report how it stands."""
        facts = self.facts
        if self.version:
            facts = {**facts, "version": self.version}
        self.sink.state(
            self.id,
            PlatformState(
                state=self.state,
                since_us=self.since_us,
                fault=self.fault,
                detail=self.detail[:500],
                host=self.peer.host if self.peer else None,
                port=self.peer.port if self.peer else None,
                transport=self.peer.transport if self.peer else None,
                expires_us=self.expires_us,
                seen_us=self.seen_us,
                facts=dict(facts),
                catalog=dict(self.catalog),
            ),
        )

    def close(self) -> None:
        """Fetch nothing more."""
        for task in self.tasks.values():
            task.cancel()
        self.tasks.clear()
