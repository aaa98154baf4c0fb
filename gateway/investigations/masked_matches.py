"""Matches of standing searches that lie beneath masks, drawn before they were found or since.

Who may not lift the masks is told of them neither that they are nor how many. What is judged is the
passage as it stands in the index with the masks of now and then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.investigation_tables import search_requests, standing_matches
from gateway.database.privacy_tables import camera_masks
from gateway.database.tables import cameras
from gateway.identifiers import now_us
from gateway.investigations.filters import StandingQuery
from gateway.investigations.questions import passage_query
from gateway.mask_cover import beside_masks, is_hidden
from gateway.masks import MaskVersion, Polygons, covering, mask_histories
from gateway.people.areas import cameras_within
from gateway.people.authorize import Principal
from gateway.people.roles import Right
from search.index.matching import fits
from search.index.messages import StoredPassage
from search.index.questions import PassageQuery
from search.index.reading import find_passages
from search.plates import PatternError

# So many of masked cameras are judged for one answer, the newest first; the others are not told.
JUDGED_LIMIT = 2_000
_AT_ONCE = 100
_EVER_US = 2**62


@dataclass(frozen=True, slots=True)
class Match:
    """What a search found. ``found_us``: when, under the masks of then."""

    request_id: str
    passage_id: int
    camera_id: str
    at_us: int
    found_us: int

    @property
    def key(self) -> tuple[str, int]:
        """By which it is known."""
        return self.request_id, self.passage_id


def match_of(row: sa.Row[tuple[object, ...]]) -> Match:
    """Of a row of ``standing_matches``."""
    return Match(row.request_id, row.passage_id, row.camera_id, row.at_us, row.found_us)


def is_beneath(query: PassageQuery | None, passage: StoredPassage, masks: Polygons) -> bool:
    """Whether a passage is a match only for who sees beneath the masks: it is hidden there, or what
    the search asks for is. ``query`` None: nobody knows what it asks for.
    """
    if not masks:
        return False
    way = [(point.left, point.top, point.right, point.bottom) for point in passage.path]
    if is_hidden(passage.box, way, masks):
        return True
    beside = beside_masks(passage, masks)
    if beside is passage:
        return False
    return query is None or (fits(query, passage) is not None and fits(query, beside) is None)


async def beneath_masks(
    connection: AsyncConnection, matches: Collection[Match]
) -> set[tuple[str, int]]:
    """The keys of those that who may not lift masks is not told of. Of a passage that is gone this
    is judged by whether a mask was drawn since it was found.
    """
    histories = await mask_histories(connection, {one.camera_id for one in matches})
    doubtful = [one for one in matches if histories[one.camera_id]]
    if not doubtful:
        return set()
    queries = await _queries(connection, {one.request_id for one in doubtful})
    found: set[tuple[str, int]] = set()
    for at in range(0, len(doubtful), _AT_ONCE):
        some = doubtful[at : at + _AT_ONCE]
        passages = await find_passages(connection, list({one.passage_id for one in some}))
        found |= await asyncio.to_thread(_beneath, some, histories, queries, passages)
    return found


async def untold_counts(
    connection: AsyncConnection,
    caller: Principal,
    request_ids: Sequence[str],
    told: sa.ColumnElement[bool],
) -> Counter[str]:
    """How many of the matches that meet ``told``, by request, the caller is not told of: they lie
    beneath masks that the caller may not lift, or may do so and are beyond :data:`JUDGED_LIMIT`.
    """
    table = standing_matches.c
    lifted = caller.areas_with(Right.LIFT_MASKS, now_us())
    where = [
        table.request_id.in_(request_ids),
        told,
        table.camera_id.in_(sa.select(camera_masks.c.camera_id)),
        table.camera_id.not_in(sa.select(cameras.c.id).where(cameras_within(lifted))),
    ]
    counted = await connection.execute(
        sa.select(table.request_id, sa.func.count()).where(*where).group_by(table.request_id)
    )
    untold = Counter({row[0]: row[1] for row in counted})
    if not untold:
        return untold
    newest = sa.select(standing_matches).where(*where).order_by(table.id.desc())
    rows = await connection.execute(newest.limit(JUDGED_LIMIT))
    judged = [match_of(row) for row in rows]
    beneath = await beneath_masks(connection, judged)
    untold.subtract(one.request_id for one in judged if one.key not in beneath)
    return untold


async def _queries(
    connection: AsyncConnection, request_ids: Collection[str]
) -> dict[str, PassageQuery]:
    """What the requests ask for; what cannot be read is left out."""
    table = search_requests.c
    rows = await connection.execute(
        sa.select(table.id, table.query).where(table.id.in_(request_ids), table.query.is_not(None))
    )
    found = {}
    for row in rows:
        try:
            asked = StandingQuery.model_validate(row.query)
            found[row.id] = passage_query(asked, 0, _EVER_US, None)
        except (PatternError, ValueError):
            continue
    return found


def _beneath(
    matches: Collection[Match],
    histories: Mapping[str, Sequence[MaskVersion]],
    queries: Mapping[str, PassageQuery],
    passages: Mapping[int, StoredPassage],
) -> set[tuple[str, int]]:
    found = set()
    for one in matches:
        versions = histories[one.camera_id]
        passage = passages.get(one.passage_id)
        if passage is None:
            known = {
                polygon
                for version in versions
                if version.from_us <= one.found_us
                for polygon in version.polygons
            }
            beneath = not known.issuperset(covering(versions, one.at_us, one.at_us + 1))
        else:
            masks = covering(versions, passage.first_us, passage.last_us + 1)
            beneath = is_beneath(queries.get(one.request_id), passage, masks)
        if beneath:
            found.add(one.key)
    return found
