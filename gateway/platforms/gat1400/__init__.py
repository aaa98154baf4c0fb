"""GA/T 1400 in the signalling process: those below tell us, those above are told."""

from __future__ import annotations

from gateway.platforms.context import SignallingContext
from gateway.platforms.operations import PlatformKind


def build_below(context: SignallingContext) -> PlatformKind | None:
    """Who registers here."""
    from gateway.platforms.gat1400.below import Below
    from gateway.platforms.gat1400.hub import hub_of

    hub = hub_of(context)
    return None if hub is None else Below(hub)


def build_above(context: SignallingContext) -> PlatformKind | None:
    """Where we register."""
    from gateway.platforms.gat1400.above import Above
    from gateway.platforms.gat1400.hub import hub_of

    hub = hub_of(context)
    return None if hub is None else Above(hub)
