"""Which shard owns which camera: a pure decision.

A camera's sources (main and sub) belong to one shard together. A camera stays where it is as long
as its shard lives; those of a dead shard are spread over the others at once. What lives is moved
gently: away from a shard that is drained, and from a full one to one with much more room, a few at
a time, each with its successor recording before its predecessor lets go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Loads that differ by less than this part of a shard's capacity are left as they are.
SLACK = 0.1
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Host = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Shard:
    """One that lives. ``networks``: where it reaches cameras; empty: everywhere."""

    name: str
    capacity_mbps: float
    networks: tuple[Network, ...] = ()
    drained: bool = False

    def reaches(self, host: Host | None) -> bool:
        """Whether it can pull from a camera there; of a name or of a platform it is assumed."""
        return not self.networks or host is None or any(host in one for one in self.networks)


@dataclass(frozen=True, slots=True)
class Camera:
    """One that shall be held. ``successor``: the shard that it is moving to. ``fixed``: what sends
    its pictures knows one shard only, so that it is not moved while that one lives.
    """

    camera_id: str
    source_ids: tuple[str, ...]
    mbps: float
    host: Host | None = None
    successor: str | None = None
    fixed: bool = False


@dataclass(slots=True)
class Placement:
    """``owners``: source id → its new owner, None for nobody: at once. ``moves``: camera id → the
    shard that shall succeed the one that holds it. ``unreachable``: cameras that no shard reaches.
    """

    owners: dict[str, str | None] = field(default_factory=dict)
    moves: dict[str, str] = field(default_factory=dict)
    unreachable: list[str] = field(default_factory=list)


def place_cameras(
    cameras: Sequence[Camera],
    current: Mapping[str, str],
    shards: Sequence[Shard],
    *,
    moves_at_once: int,
) -> Placement:
    """What to change. ``current``: source id → owner ("" for nobody). ``shards``: those that live;
    if there are none, nothing is changed. At most ``moves_at_once`` cameras move at a time.
    """
    placement = Placement()
    if not shards:
        return placement
    loads = _Loads(shards)
    settled: dict[str, list[Camera]] = {shard.name: [] for shard in shards}
    homeless: list[Camera] = []
    moving = 0
    for camera in cameras:
        owner = next((current[s] for s in camera.source_ids if current.get(s) in settled), None)
        if owner is None or not loads.shards[owner].reaches(camera.host):
            homeless.append(camera)
            continue
        placement.owners.update(_give(camera, owner, current))
        if camera.successor in settled:
            loads.add(camera, camera.successor)
            moving += 1
        else:
            loads.add(camera, owner)
            if not camera.fixed:
                settled[owner].append(camera)
    # The largest first: the small ones then even out what they leave.
    for camera in sorted(homeless, key=lambda one: (-one.mbps, one.camera_id)):
        chosen = loads.best(camera)
        if chosen is None:
            placement.unreachable.append(camera.camera_id)
            continue
        loads.add(camera, chosen)
        placement.owners.update(_give(camera, chosen, current))
    wanted = {source_id for camera in cameras for source_id in camera.source_ids}
    placement.owners.update({s: None for s, owner in current.items() if owner and s not in wanted})
    _move(placement.moves, settled, loads, moves_at_once - moving)
    return placement


class _Loads:
    """What each shard carries, and who has room."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = {shard.name: shard for shard in shards}
        self._mbps = dict.fromkeys(self.shards, 0.0)

    def add(self, camera: Camera, name: str) -> None:
        self._mbps[name] += camera.mbps

    def move(self, camera: Camera, start: str, end: str) -> None:
        self._mbps[start] -= camera.mbps
        self._mbps[end] += camera.mbps

    def share(self, name: str, further_mbps: float = 0.0) -> float:
        """The part of its capacity that is in use."""
        return (self._mbps[name] + further_mbps) / self.shards[name].capacity_mbps

    def best(self, camera: Camera) -> str | None:
        """The emptiest that reaches it: one without room rather than none, since a shard that
        carries too much still records, and one that is drained rather than no other.
        """
        reaching = [one for one in self.shards.values() if one.reaches(camera.host)]
        staying = [one for one in reaching if not one.drained]
        if camera.successor is not None and any(one.name == camera.successor for one in staying):
            return camera.successor
        return min(
            (one.name for one in staying or reaching),
            key=lambda name: (self.share(name, camera.mbps), name),
            default=None,
        )

    def with_room(self, camera: Camera, but: str) -> str | None:
        """The emptiest other that has room and is not drained."""
        return min(
            (
                name
                for name, shard in self.shards.items()
                if name != but
                and not shard.drained
                and shard.reaches(camera.host)
                and self.share(name, camera.mbps) <= 1.0
            ),
            key=lambda name: (self.share(name, camera.mbps), name),
            default=None,
        )


def _move(
    moves: dict[str, str], settled: dict[str, list[Camera]], loads: _Loads, limit: int
) -> None:
    drained = [name for name, shard in loads.shards.items() if shard.drained]
    for name in drained:
        for camera in settled[name]:
            end = loads.with_room(camera, name)
            if end is not None and len(moves) < limit:
                moves[camera.camera_id] = end
                loads.move(camera, name, end)
    fullest_first = sorted(settled, key=loads.share, reverse=True)
    for name in fullest_first:
        if loads.shards[name].drained:
            continue
        for camera in settled[name]:
            if len(moves) >= limit:
                return
            end = loads.with_room(camera, name)
            # Afterwards it is still no fuller than where it came from: nothing moves twice.
            if end is not None and loads.share(name) - loads.share(end, camera.mbps) > SLACK:
                moves[camera.camera_id] = end
                loads.move(camera, name, end)


def _give(camera: Camera, owner: str, current: Mapping[str, str]) -> dict[str, str]:
    return {source_id: owner for source_id in camera.source_ids if current.get(source_id) != owner}
