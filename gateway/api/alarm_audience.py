"""Who hears of alarms about approved searches: members of the case; of an overdue review also who
may approve. Others see alarms where they may look live.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database.evidence_tables import case_members
from gateway.database.investigation_tables import search_requests
from gateway.database.operating_tables import alarms
from gateway.database.tables import areas
from gateway.identifiers import now_us
from gateway.investigations.request_rows import REVIEW_OVERDUE
from gateway.investigations.requests import own_cases, tells_of_match, visible_to
from gateway.people.authorize import COUNTY, AreaPlace, Place, Principal, authorize
from gateway.people.roles import Right


@dataclass(frozen=True, slots=True)
class Audience:
    """Of one alarm about a search: members of its case, and the area of its request. ``masked``:
    what it is about was beneath a mask when it was found.
    """

    kind: str
    user_ids: frozenset[str]
    request_path: str
    masked: bool = False

    def includes(self, principal: Principal, place: Place) -> bool:
        """Whether somebody may hear of it, at the place where it happens."""
        at_us = now_us()
        member = principal.user_id in self.user_ids
        if self.kind == REVIEW_OVERDUE:
            request_place = AreaPlace(self.request_path)
            return member or authorize(principal, Right.APPROVE, request_place, at_us).allowed
        decision = authorize(principal, Right.SEARCH, place, at_us)
        may_search = decision.allowed and (decision.may_lift_masks or not self.masked)
        everything = authorize(principal, Right.SYSTEM, COUNTY, at_us).allowed
        return may_search and (member or everything)


def may_know_of(caller: Principal) -> sa.ColumnElement[bool]:
    """On ``alarms``: those that are about no search, or that the caller is in the audience of."""
    at_us = now_us()
    column = alarms.c
    of_cases = sa.select(search_requests.c.id)
    if not authorize(caller, Right.SYSTEM, COUNTY, at_us).allowed:
        of_cases = of_cases.where(search_requests.c.case_id.in_(own_cases(caller)))
    reviewed = (
        sa.select(search_requests.c.id)
        .join(areas, areas.c.id == search_requests.c.area_id)
        .where(visible_to(caller))
    )
    return sa.or_(
        column.search_request_id.is_(None),
        sa.and_(column.kind == REVIEW_OVERDUE, column.search_request_id.in_(reviewed)),
        sa.and_(
            column.kind != REVIEW_OVERDUE,
            column.search_request_id.in_(of_cases),
            tells_of_match(caller),
        ),
    )


async def audiences(connection: AsyncConnection, alarm_ids: Collection[str]) -> dict[str, Audience]:
    """Of those of the alarms that are about a search."""
    rows = (
        await connection.execute(
            sa.select(
                alarms.c.id, alarms.c.kind, alarms.c.detail, search_requests.c.case_id, areas.c.path
            )
            .join(search_requests, search_requests.c.id == alarms.c.search_request_id)
            .join(areas, areas.c.id == search_requests.c.area_id)
            .where(alarms.c.id.in_(alarm_ids))
        )
    ).all()
    members: dict[str, set[str]] = {}
    for row in await connection.execute(
        sa.select(case_members.c.case_id, case_members.c.user_id).where(
            case_members.c.case_id.in_({row.case_id for row in rows})
        )
    ):
        members.setdefault(row.case_id, set()).add(row.user_id)
    return {
        row.id: Audience(
            row.kind,
            frozenset(members.get(row.case_id, ())),
            row.path,
            bool(row.detail.get("masked")),
        )
        for row in rows
    }
