"""Which picture is in which tile of a page, how sharp it should be, and which nobody looks at.

A page says what it would like to show; what it gets is decided here, by the layout that the chair
has chosen. All of it is pure bookkeeping on participants' ids and slots.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gateway.meetings.floor import Cause, OnAir, Picture

Layout = Literal["speaker", "speaker_grid", "grid", "screen"]
TILES_LIMIT = 25
"""A page of the grid: more pictures than that are turned over."""
UNWANTED_AFTER_MS = 3000
"""An uplink is paused when nobody has looked for so long: turning a page must not stop it."""


_IMPOSED: frozenset[Cause] = frozenset({"roll_call", "pinned", "screen"})
_SHOWN_OF_PROGRAM: Mapping[Layout, int] = {"speaker": 1, "screen": 2}


class Sight(NamedTuple):
    """One picture that can be looked at."""

    participant_id: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class Tile:
    """A place on a page. Without a participant it is the server's to fill, the program first."""

    slot: str
    participant_id: str | None
    picture: Picture
    height_px: int


@dataclass(frozen=True, slots=True)
class Placed:
    """What a tile shows."""

    slot: str
    sight: Sight
    height_px: int


def arrange(
    tiles: Sequence[Tile],
    layout: Layout,
    program: Sequence[OnAir],
    visible: Collection[Sight],
    own_id: str,
    *,
    looks_freely: bool = False,
    otherwise: Iterable[Sight] = (),
) -> list[Placed]:
    """What each tile of one page shows; tiles that are not in the outcome stay empty.

    ``program`` is everybody with a claim, the strongest first; ``visible`` all that is sent at the
    moment. In the layouts ``speaker`` and ``screen`` everybody sees the program and nothing else
    (``screen``: besides the screen, whoever speaks to it), unless they look freely: the chair's
    desk sees every site. What the chair has put on everybody's screen is in the largest tile, if
    the page has it nowhere. No two tiles show the same, and nobody is shown to themselves: for a
    screen on which there would be nothing at all, the first that is visible ``otherwise``.
    """
    on = {
        sight: one.cause
        for one in program
        if (sight := Sight(one.participant_id, one.picture)) in visible
        and one.participant_id != own_id
    }
    as_wished = looks_freely or layout in ("speaker_grid", "grid")
    chosen: dict[str, Sight] = {}
    if as_wished:
        for tile in tiles:
            if tile.participant_id is None or tile.participant_id == own_id:
                continue
            sight = Sight(tile.participant_id, tile.picture)
            if sight in visible and sight not in chosen.values():
                chosen[tile.slot] = sight
    largest_first = sorted(tiles, key=lambda tile: -tile.height_px)
    served = [tile for tile in largest_first if tile.participant_id is None or not as_wished]
    imposed = next((sight for sight, cause in on.items() if cause in _IMPOSED), None)
    takes_over = bool(largest_first) and not served and not looks_freely
    if takes_over and imposed is not None and imposed not in chosen.values():
        chosen[largest_first[0].slot] = imposed
    shown = list(on)[: _SHOWN_OF_PROGRAM.get(layout, len(on))]
    waiting = [sight for sight in shown if sight not in chosen.values()]
    chosen |= {tile.slot: sight for tile, sight in zip(served, waiting, strict=False)}
    if not chosen and served:
        other = next((one for one in otherwise if one in visible and one[0] != own_id), None)
        chosen |= {} if other is None else {served[0].slot: other}
    heights = {tile.slot: tile.height_px for tile in tiles}
    return [Placed(slot, sight, heights[slot]) for slot, sight in chosen.items()]


def layer_for(height_px: int, heights: Mapping[str, int]) -> str | None:
    """The smallest layer that fills a tile of this height, by the layers' own heights; else the
    largest. A picture may be stretched by a fifth before it looks soft. None: there are no layers.
    """
    if not heights:
        return None
    by_height = sorted(heights, key=heights.__getitem__)
    for rid in by_height:
        if heights[rid] * 1.2 >= height_px:
            return rid
    return by_height[-1]


class Uplinks:
    """Which layers of whose pictures anybody wants, with the patience that turning pages needs."""

    def __init__(self) -> None:
        self._last_wanted_ms: dict[tuple[Sight, str], int] = {}

    def update(
        self, wanted: Iterable[tuple[Sight, str]], at_ms: int
    ) -> dict[Sight, frozenset[str]]:
        """``wanted`` is everything that somebody looks at now; returns what is to be sent."""
        for one in wanted:
            self._last_wanted_ms[one] = at_ms
        outcome: dict[Sight, set[str]] = {}
        for (sight, rid), last_ms in list(self._last_wanted_ms.items()):
            if at_ms - last_ms >= UNWANTED_AFTER_MS:
                del self._last_wanted_ms[sight, rid]
            else:
                outcome.setdefault(sight, set()).add(rid)
        return {sight: frozenset(rids) for sight, rids in outcome.items()}

    def forget(self, participant_id: str) -> None:
        """The participant has left."""
        for key in [one for one in self._last_wanted_ms if one[0].participant_id == participant_id]:
            del self._last_wanted_ms[key]
