"""Vectors of every machine, as one console asks them: its own from its disk, the others' by asking.

Each machine that analyses keeps the vectors of what it saw. Whoever has those of all passages at
hand asks nobody; so it is where one machine stands alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import structlog

from gateway.analysis.asked_vectors import VectorsElsewhere, own_vectors
from gateway.api.errors import unavailable
from gateway.api.services import Services
from gateway.control.channel import ControlError

if TYPE_CHECKING:
    from search.index.likeness import Vectors
    from search.index.vectors import Near, Vector

_log = structlog.get_logger(__name__)

_FAULTS = (ConnectionError, TimeoutError, ControlError)


class EveryMachinesVectors:
    """See :class:`search.index.likeness.Vectors`. For one question: ``unanswered`` are the
    processes that did not answer, whose vectors are not among what was found.
    """

    def __init__(self, own: Vectors, others: dict[str, Vectors]) -> None:
        self.unanswered: Collection[str] = ()
        self._own = own
        self._others = others

    async def nearest(self, kind: str, vector: Vector, *, limit: int, **among: Any) -> list[Near]:
        """Of all that answer, the likest first; a passage counts once."""
        own = self._own.nearest(kind, vector, limit=limit, **among)
        if not self._others:
            return await own
        from search.index.vectors import Near

        asked = [
            self._asked(name, other.nearest(kind, vector, limit=limit, **among))
            for name, other in self._others.items()
        ]
        best: dict[int, float] = {}
        for found in await _together(own, *asked):
            for near in found or ():
                best[near.passage_id] = max(best.get(near.passage_id, 0.0), near.likeness)
        order = sorted(best.items(), key=lambda one: (-one[1], -one[0]))
        return [Near(*one) for one in order[:limit]]

    async def find_many(self, kind: str, ids: Collection[int]) -> dict[int, Vector]:
        """Those that somebody has who answers; who has them all at hand asks nobody."""
        found = await self._own.find_many(kind, ids)
        left = [one for one in ids if one not in found]
        if not left or not self._others:
            return found
        asked = [
            self._asked(name, other.find_many(kind, left)) for name, other in self._others.items()
        ]
        for more in await _together(*asked):
            found = {**(more or {}), **found}
        return found

    async def find(self, kind: str, passage_id: int) -> Vector | None:
        """A passage's vector; None where it has none. Raises ApiError 503 while that cannot be
        told, since somebody who may have it does not answer.
        """
        found = (await self.find_many(kind, [passage_id])).get(passage_id)
        if found is None and self.unanswered:
            raise unavailable(self.told())
        return found

    def told(self) -> str:
        """Whose vectors are missing, for people."""
        return (
            f"{', '.join(sorted(self.unanswered))} does not answer: what its machine saw was not "
            "compared"
        )

    async def _asked(self, name: str, asking: Any) -> Any:
        try:
            return await asking
        except _FAULTS as error:
            if name not in self.unanswered:
                _log.warning("vectors of another machine are missing", of=name, why=str(error))
            self.unanswered = {*self.unanswered, name}
            return None


async def vectors_of_all(services: Services) -> EveryMachinesVectors:
    """For one question. The own ones take a second to load, once. Raises DBAPIError."""
    if services.vectors is None:
        directory = services.settings.search_directory / "vectors"
        services.vectors = await asyncio.to_thread(own_vectors, directory)
    others: dict[str, Vectors] = {
        name: VectorsElsewhere(services.processes.client(name))
        for name in await services.processes.elsewhere("analysis")
    }
    return EveryMachinesVectors(services.vectors, others)


async def _together(*asking: Any) -> list[Any]:
    """All their answers; when one fails, or this is cancelled, none goes on."""
    tasks = [asyncio.ensure_future(one) for one in asking]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
