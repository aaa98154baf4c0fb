"""Which machine's analysis has which camera: a pure decision.

A camera stays where it is as long as its analyst lives. One whose analyst is gone, or that is new,
goes where its media shard is, if there is room, so that its pictures stay within the machine. Where
one has much more to do than another, some move, a few at a time: what was under way of each that
moves is looked at once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# What one has beyond its part is left with it up to this share of it, and at least one camera.
SLACK = 0.1


@dataclass(frozen=True, slots=True)
class Analyst:
    """One that lives. ``workers``: its part of the cameras goes by them."""

    name: str
    node: str
    workers: int = 1


def place(
    wanted: Mapping[str, str],
    current: Mapping[str, str],
    analysts: Sequence[Analyst],
    *,
    moves_at_once: int,
) -> dict[str, str]:
    """What to change: camera → its analyst, "" for nobody. ``wanted``: camera → the node of its
    media shard, "" where none has it; ``current``: camera → the analyst that has it. If no analyst
    lives, nothing is changed. At most ``moves_at_once`` move from one that lives to another.
    """
    if not analysts:
        return {}
    has: dict[str, list[str]] = {one.name: [] for one in analysts}
    changes = {camera: "" for camera, owner in current.items() if owner and camera not in wanted}
    homeless = []
    for camera in sorted(wanted):
        owner = current.get(camera, "")
        if owner in has:
            has[owner].append(camera)
        else:
            homeless.append(camera)
    whole = sum(one.workers for one in analysts)
    parts = {one.name: len(wanted) * one.workers / whole for one in analysts}
    for camera in homeless:
        at_home = [one for one in analysts if one.node == wanted[camera]]
        room = [one for one in at_home if len(has[one.name]) < parts[one.name]]
        chosen = min(room or analysts, key=lambda one: (len(has[one.name]) + 1) / one.workers)
        has[chosen.name].append(camera)
        changes[camera] = chosen.name
    # Who has just been given cameras may have more of them in the next round.
    for _ in range(moves_at_once if not homeless else 0):
        move = _move(wanted, has, parts, analysts)
        if move is None:
            break
        camera, giver, taker = move
        has[giver].remove(camera)
        has[taker].append(camera)
        changes[camera] = taker
    return changes


def _move(
    wanted: Mapping[str, str],
    has: Mapping[str, Sequence[str]],
    parts: Mapping[str, float],
    analysts: Sequence[Analyst],
) -> tuple[str, str, str] | None:
    """One camera that moves from who has too many to who has the fewest: best one whose shard is
    there, and least one whose shard is where it is.
    """
    giver = max(analysts, key=lambda one: (len(has[one.name]) - parts[one.name], one.name))
    taker = min(analysts, key=lambda one: (len(has[one.name]) - parts[one.name], one.name))
    beyond = len(has[giver.name]) - parts[giver.name]
    if beyond < max(1.0, SLACK * parts[giver.name]) or len(has[taker.name]) >= parts[taker.name]:
        return None

    def nearness(camera: str) -> tuple[int, str]:
        node = wanted[camera]
        return (0 if node == taker.node else 2 if node == giver.node else 1), camera

    return min(has[giver.name], key=nearness), giver.name, taker.name
