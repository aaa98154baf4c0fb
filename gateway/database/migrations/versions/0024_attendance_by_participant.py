"""Attendance found by who was there, and by the seat"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing prunes these rows, and every arrival asks for those of one participant.
    op.create_index(
        "ix_meeting_attendance_participant_id",
        "meeting_attendance",
        ["participant_id", "connected_us"],
    )
    op.create_index("ix_meeting_attendance_session_id", "meeting_attendance", ["session_id"])
