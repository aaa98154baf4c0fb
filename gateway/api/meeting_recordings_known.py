"""Which meetings' recordings somebody may watch, as a condition for a query."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.meeting_tables import meeting_participants, meeting_passes, meetings
from gateway.database.tables import areas
from gateway.meetings.kinds import LEADING
from gateway.people.areas import within
from gateway.people.authorize import Principal
from gateway.people.roles import Right


def known_meetings(caller: Principal, at_us: int) -> sa.ColumnElement[bool]:
    """On ``meetings``: the same as :meth:`gateway.meetings.recording.access.Recorded.knows`."""
    of_area, own, table = areas.alias("of_area"), meeting_participants.c, meeting_passes.c
    convened = sa.select(of_area.c.id).where(
        within(of_area.c.path, caller.areas_with(Right.CONVENE, at_us))
    )
    ways = [meetings.c.area_id.in_(convened)]
    meeting = caller.areas_with(Right.MEET, at_us)
    if meeting:
        passed = (
            sa.select(table.meeting_id)
            .join(of_area, of_area.c.id == table.area_id)
            .where(
                within(of_area.c.path, meeting),
                table.revoked_us.is_(None),
                table.expires_us > at_us,
            )
        )
        led = sa.select(own.meeting_id).where(
            own.kind == "person",
            own.role.in_(LEADING),
            own.state != "removed",
            own.user_id == caller.user_id,
        )
        ways += [meetings.c.id.in_(passed), meetings.c.id.in_(led)]
    if "" in caller.areas_with(Right.CONVENE, at_us):
        return sa.true()
    return sa.or_(*ways)
