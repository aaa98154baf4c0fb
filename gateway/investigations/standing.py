"""Standing searches: every new passage is held against each of them, once it is indexed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.cameras import read_places
from gateway.database.evidence_tables import case_members
from gateway.database.investigation_tables import search_requests, standing_queue
from gateway.database.tables import areas, cameras, users
from gateway.identifiers import now_us
from gateway.investigations.filters import StandingQuery
from gateway.investigations.masked_matches import is_beneath
from gateway.investigations.questions import passage_query
from gateway.investigations.request_rows import IN_USE
from gateway.investigations.requests import in_force, select_requests
from gateway.investigations.sealed import unseal_vector
from gateway.masks import MaskVersion, covering, mask_histories
from gateway.people.authorize import AreaPlace, Grant, rights_of
from gateway.people.grants import grants_of
from gateway.people.roles import Right
from gateway.secrets import SealError
from recorder.rows import RowWriter
from search.index.matching import fits
from search.index.messages import StoredPassage
from search.index.questions import PassageQuery
from search.index.reading import find_passages
from search.plates import PatternError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from search.index.likeness import Vectors

_log = structlog.get_logger(__name__)

AT_ONCE = 300
# So long new passages wait for the machine that has their vectors; then they are told as missed,
# and everybody else's are compared.
PATIENCE_S = 20.0
# Where nothing is said: as alike as the same clothes are mostly from one camera to another.
LEAST_LIKENESS = 0.85


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing search in force: its question, its look, and the rights of who asked."""

    request_id: str
    query: PassageQuery
    area_paths: tuple[str, ...]
    camera_ids: frozenset[str]
    kind: str | None
    vector: NDArray[np.float32] | None
    least: float
    grants: tuple[Grant, ...]

    def rights_at(self, place: AreaPlace, at_us: int) -> frozenset[Right]:
        """What who asked holds there now; nothing outside of how far it goes."""
        inside = all(
            any(path.startswith(within) for path in place.area_paths) for within in self.area_paths
        )
        if not inside:
            return frozenset()
        return rights_of(one for one in self.grants if one.in_force(at_us) and one.covers(place))


class StandingSearches:
    """Compares what waits. ``vectors`` gives the reader of vectors when it is first needed."""

    def __init__(
        self,
        reader: AsyncEngine,
        rows: RowWriter,
        secret: bytes,
        vectors: Callable[[], Awaitable[Vectors]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._rows = rows
        self._secret = secret
        self._vectors = vectors
        self._clock = clock
        # Since when vectors are waited for that another machine has.
        self._away_since_s: float | None = None

    async def look(self) -> tuple[int, list[str]]:
        """Compare what waits, up to :data:`AT_ONCE`; gives how many that were, and the alarms.

        What was compared leaves the queue in the transaction that writes the matches: after a
        crash it is compared again, and no match is told twice.
        """
        async with self._reader.connect() as connection:
            waiting = (
                await connection.execute(
                    sa.select(standing_queue).order_by(standing_queue.c.number).limit(AT_ONCE)
                )
            ).all()
            if not waiting:
                return 0, []
            standing = await self._read(connection)
            passages = await find_passages(connection, [one.passage_id for one in waiting])
            seen_at = {one.camera_id for one in passages.values()}
            places = await read_places(connection, cameras.c.id.in_(seen_at))
            versions = await mask_histories(connection, seen_at)
        vectors, dropped = await self._read_vectors(standing, passages)
        matches = await asyncio.to_thread(
            compare, standing, list(passages.values()), places, versions, vectors, now_us()
        )
        told: list[str] = await self._rows.write(
            "investigations.compared",
            matches=matches,
            through=waiting[-1].number,
            dropped=dropped,
        )
        return len(waiting), told

    async def _read(self, connection: AsyncConnection) -> list[Standing]:
        table = search_requests.c
        rows = (
            await connection.execute(
                select_requests().where(table.kind == "standing", table.state.in_(IN_USE))
            )
        ).all()
        at_us = now_us()
        rows = [row for row in rows if in_force(row, at_us)]
        askers = {row.created_by for row in rows}
        held = await grants_of(connection, askers)
        enabled = set(
            await connection.scalars(
                sa.select(users.c.id).where(
                    users.c.id.in_(askers), users.c.enabled, users.c.deleted_us.is_(None)
                )
            )
        )
        joined = {
            (row.case_id, row.user_id)
            for row in await connection.execute(
                sa.select(case_members.c.case_id, case_members.c.user_id).where(
                    case_members.c.case_id.in_({row.case_id for row in rows})
                )
            )
        }
        asked = {(row.query or {}).get("area_id") for row in rows} - {None}
        columns = sa.select(areas.c.id, areas.c.path).where(areas.c.id.in_(asked))
        paths = {row.id: row.path for row in await connection.execute(columns)}
        found = []
        for row in rows:
            if row.created_by not in enabled or (row.case_id, row.created_by) not in joined:
                continue
            try:
                found.append(self._standing(row, paths, held.get(row.created_by, ())))
            except (SealError, PatternError, ValueError) as error:
                _log.error("a standing search cannot be read", request=row.id, why=str(error))
        return found

    def _standing(
        self, row: sa.Row[Any], paths: dict[str, str], grants: tuple[Grant, ...]
    ) -> Standing:
        asked = StandingQuery.model_validate(row.query)
        begun = [one for one in (row.decided_us, row.broken_us) if one is not None]
        within = [row.area_path]
        if asked.area_id is not None:
            # An area that is gone has nothing below it.
            within.append(paths.get(asked.area_id, "?"))
        vector = None
        if row.vector_sealed is not None:
            vector = unseal_vector(self._secret, row.vector_sealed, row.id)
        least = asked.like.least if asked.like is not None else None
        return Standing(
            row.id,
            passage_query(asked, min(begun), row.expires_us, None),
            tuple(within),
            frozenset(asked.camera_ids),
            row.vector_kind,
            vector,
            LEAST_LIKENESS if least is None else least,
            grants,
        )

    async def _read_vectors(
        self, standing: Sequence[Standing], passages: dict[int, StoredPassage]
    ) -> tuple[dict[int, NDArray[np.float32]], list[int]]:
        """And the passages whose vectors nobody could be asked for, for too long."""
        kinds = {one.kind for one in standing if one.vector is not None and one.kind}
        found: dict[int, NDArray[np.float32]] = {}
        away: list[int] = []
        for kind in kinds:
            ids = [one.id for one in passages.values() if one.vector_kind == kind]
            if ids:
                vectors = await self._vectors()
                found |= await vectors.find_many(kind, ids)
                if vectors.unanswered:
                    away += [one for one in ids if one not in found]
        if not away:
            self._away_since_s = None
            return found, away
        now_s = self._clock()
        if self._away_since_s is None:
            self._away_since_s = now_s
        if now_s < self._away_since_s + PATIENCE_S:
            raise ConnectionError("who has the vectors of new passages does not answer")
        return found, away


def compare(
    standing: Sequence[Standing],
    passages: Sequence[StoredPassage],
    places: dict[str, AreaPlace],
    versions: dict[str, list[MaskVersion]],
    vectors: dict[int, NDArray[np.float32]],
    at_us: int,
) -> list[dict[str, Any]]:
    """Which of the passages fit which searches, as ``investigations.compared`` takes them."""
    matches = []
    for passage in passages:
        place = places.get(passage.camera_id)
        if place is None:
            continue
        for one in standing:
            if one.camera_ids and passage.camera_id not in one.camera_ids:
                continue
            rights = one.rights_at(place, at_us)
            if Right.SEARCH not in rights or fits(one.query, passage) is None:
                continue
            masks = covering(
                versions.get(passage.camera_id, ()), passage.first_us, passage.last_us + 1
            )
            # What they may not know of is nothing to be found by.
            masked = is_beneath(one.query, passage, masks)
            if masked and Right.LIFT_MASKS not in rights:
                continue
            likeness = _likeness(one, passage, vectors)
            if one.vector is not None and (likeness is None or likeness < one.least):
                continue
            matches.append(
                {
                    "request_id": one.request_id,
                    "passage_id": passage.id,
                    "camera_id": passage.camera_id,
                    "at_us": passage.first_us,
                    "likeness": likeness,
                    "object_class": str(passage.object_class),
                    # Others of the case may not lift them.
                    "masked": masked,
                }
            )
    return matches


def _likeness(
    one: Standing, passage: StoredPassage, vectors: dict[int, NDArray[np.float32]]
) -> float | None:
    vector = vectors.get(passage.id)
    if one.vector is None or vector is None or passage.vector_kind != one.kind:
        return None
    if vector.shape != one.vector.shape:
        return None
    return max(0.0, min(1.0, float(vector @ one.vector)))
