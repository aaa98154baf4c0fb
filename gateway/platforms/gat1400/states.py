"""How platforms stand, told whenever it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.identifiers import now_us
from gateway.platforms.operations import PlatformState, StateName, StateSink


class States:
    """The newest state of each platform that is held, and its teller."""

    def __init__(self, sink: StateSink) -> None:
        self._sink = sink
        self._states: dict[str, PlatformState] = {}

    def get(self, platform_id: str) -> PlatformState | None:
        """The newest state."""
        return self._states.get(platform_id)

    def keep(self, platform_ids: set[str]) -> None:
        """Forget all others."""
        for gone in self._states.keys() - platform_ids:
            del self._states[gone]

    def tell(
        self, platform_id: str, state: StateName, fault: str = "", detail: str = "", **more: Any
    ) -> None:
        """It stands so now. ``more``: further fields of PlatformState, which stay until changed."""
        known = self._states.get(platform_id)
        at_us = now_us()
        if known is None:
            known = PlatformState(state, at_us)
        changed = known.state != state or known.fault != fault
        told = replace(
            known,
            state=state,
            since_us=at_us if changed else known.since_us,
            fault=fault,
            detail=detail[:500],
            **more,
        )
        self._states[platform_id] = told
        self._sink.state(platform_id, told)

    def heard(self, platform_id: str, host: str, port: int) -> None:
        """It spoke, and is who it says."""
        known = self._states.get(platform_id)
        at_us = now_us()
        # A warning that another has its code stays for as long as it is so: a minute.
        if (
            known is not None
            and known.state == "online"
            and known.fault == "double_code"
            and at_us - known.since_us < 60_000_000
        ):
            self.tell(platform_id, "online", known.fault, known.detail, seen_us=at_us)
            return
        self.tell(platform_id, "online", host=host, port=port, transport="http", seen_us=at_us)

    def facts(self, platform_id: str, **facts: Any) -> None:
        """Add facts."""
        known = self._states.get(platform_id)
        if known is not None:
            merged: Mapping[str, Any] = {**known.facts, **facts}
            if merged != known.facts:
                self._states[platform_id] = told = replace(known, facts=merged)
                self._sink.state(platform_id, told)
