"""When an assist request is in force: told of rows, and as a condition on them."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.assist_tables import assist_areas, assist_requests
from gateway.database.evidence_tables import cases
from gateway.database.tables import areas

IN_FORCE = ("waiting", "open")


def is_open(at_us: int) -> sa.ColumnElement[bool]:
    """On ``assist_requests``: clerks may know of it, and it lends what they attached.

    By its deadline and its case, not by its state alone: nobody has to have written down yet that
    it is over.
    """
    table = assist_requests.c
    # In a name of its own: who reads the case beside it means another row.
    own_case = cases.alias("own_case").c
    closed = (
        sa.select(own_case.id)
        .where(own_case.id == table.case_id, own_case.closed_us.is_not(None))
        .correlate(assist_requests)
    )
    return sa.and_(table.state == "open", table.deadline_us > at_us, ~sa.exists(closed))


def path_now() -> sa.ColumnElement[str]:
    """On ``assist_areas`` with ``areas`` beside it: where an area lies today, or lay at last."""
    return sa.func.coalesce(areas.c.path, assist_areas.c.path)
