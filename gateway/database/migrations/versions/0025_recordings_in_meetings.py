"""Recordings and files that are played in meetings, and subtitles"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "meeting_playbacks",
        sa.Column("participant_id", sa.String(40), nullable=False),
        sa.Column("meeting_id", sa.String(40), nullable=False),
        sa.Column("source", sa.String(8), nullable=False),
        sa.Column("recording_id", sa.String(40), nullable=True),
        sa.Column("file_id", sa.String(40), nullable=True),
        sa.Column("start_us", sa.BigInteger(), nullable=True),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.Column("length_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("position_us", sa.BigInteger(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("loop", sa.Boolean(), nullable=False),
        sa.Column("command", sa.Integer(), nullable=False),
        sa.Column("problem", sa.String(300), nullable=True),
        sa.CheckConstraint(
            "source IN ('footage', 'meeting', 'file')",
            name=op.f("ck_meeting_playbacks_source"),
        ),
        sa.CheckConstraint(
            "state IN ('playing', 'paused')", name=op.f("ck_meeting_playbacks_state")
        ),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_playbacks_meeting_id")
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["meeting_participants.id"],
            name=op.f("fk_meeting_playbacks_participant_id"),
        ),
        sa.PrimaryKeyConstraint("participant_id", name=op.f("pk_meeting_playbacks")),
    )
    op.create_index("ix_meeting_playbacks_meeting_id", "meeting_playbacks", ["meeting_id"])
    op.create_table(
        "meeting_subtitles",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("meeting_id", sa.String(40), nullable=False),
        sa.Column("participant_id", sa.String(40), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.String(2000), nullable=False),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meetings.id"], name=op.f("fk_meeting_subtitles_meeting_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_subtitles")),
        sa.UniqueConstraint(
            "meeting_id",
            "participant_id",
            "at_us",
            name=op.f("uq_meeting_subtitles_meeting_id_participant_id_at_us"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_meeting_subtitles_meeting_id", "meeting_subtitles", ["meeting_id", "at_us"])
