"""What was said to be held on a machine that was away is not any more, once that is stored.

Whoever takes a camera over from a shard that is away explains what is missing as ``held_on_node``.
Footage that comes back covers its part of it. The rest is time in which nothing was recorded, and
says so as soon as the shard has nothing left of that camera.
"""

from __future__ import annotations

from collections.abc import Sequence

from recorder.recorder import Recorder
from recorder.rows import RowWriter


class BroughtBack:
    """Of one shard, from its start on. ``names``: its own, and those that it had before."""

    def __init__(self, recorder: Recorder, rows: RowWriter, names: Sequence[str]) -> None:
        self._recorder = recorder
        self._rows = rows
        self._names = list(names)
        self._found: set[str] | None = set(recorder.spool.files)
        self._recorded: set[str] = set()
        self._let_go: set[str] = set()

    async def turn(self) -> None:
        """Look at the spool, and tell what has come back since. Raises what writing rows does; then
        it is told at the next turn.
        """
        spool, now = self._recorder.spool, self._recorder.recorded_ids
        self._let_go = (self._let_go | self._recorded) - now
        self._recorded = now
        if self._found is not None and self._found.isdisjoint(spool.files):
            await self._tell(None)
            self._found = None
        stored = sorted(one for one in self._let_go if not spool.files_of(one))
        if stored:
            await self._tell(stored)
            self._let_go.difference_update(stored)

    async def _tell(self, source_ids: list[str] | None) -> None:
        await self._rows.write("gaps.brought_back", owners=self._names, source_ids=source_ids)
