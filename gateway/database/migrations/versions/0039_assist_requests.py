"""Assist requests, what their clerks answered and looked through"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039.0033"
down_revision = "0038.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assist_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("words", sa.String(length=2000), nullable=False),
        sa.Column("plate", sa.String(length=40), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("deadline_us", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("desk_id", sa.String(length=40), nullable=True),
        sa.Column("decided_us", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decision_note", sa.String(length=1000), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=40), nullable=True),
        sa.Column("outcome", sa.String(length=12), nullable=True),
        sa.Column("result", sa.String(length=2000), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'open', 'refused', 'closed', 'expired')",
            name=op.f("ck_assist_requests_state"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_assist_requests_case_id")),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_assist_requests_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["users.id"], name=op.f("fk_assist_requests_decided_by")
        ),
        sa.ForeignKeyConstraint(
            ["ended_by"], ["users.id"], name=op.f("fk_assist_requests_ended_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assist_requests")),
    )
    op.create_index(
        "ix_assist_requests_case_id", "assist_requests", ["case_id", "created_us"], unique=False
    )
    op.create_index(
        "ix_assist_requests_state", "assist_requests", ["state", "deadline_us"], unique=False
    )
    op.create_table(
        "assist_areas",
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("answered_by", sa.String(length=40), nullable=True),
        sa.Column("note", sa.String(length=1000), nullable=True),
        sa.Column("missing", sa.JSON(), nullable=False),
        sa.Column("reminded_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('asked', 'seen', 'not_seen', 'missing')", name=op.f("ck_assist_areas_state")
        ),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["users.id"], name=op.f("fk_assist_areas_answered_by")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["assist_requests.id"], name=op.f("fk_assist_areas_request_id")
        ),
        sa.PrimaryKeyConstraint("request_id", "area_id", name=op.f("pk_assist_areas")),
    )
    op.create_table(
        "assist_clips",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("bookmark_id", sa.String(length=40), nullable=False),
        sa.Column("hold_id", sa.String(length=40), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_assist_clips_camera_id")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_assist_clips_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["assist_requests.id"], name=op.f("fk_assist_clips_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assist_clips")),
        sa.UniqueConstraint(
            "request_id",
            "area_id",
            "camera_id",
            "start_us",
            "end_us",
            name=op.f("uq_assist_clips_request_id_area_id_camera_id_start_us_end_us"),
        ),
    )
    op.create_table(
        "assist_looked",
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("ranges", sa.JSON(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_assist_looked_camera_id")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["assist_requests.id"], name=op.f("fk_assist_looked_request_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_assist_looked_user_id")),
        sa.PrimaryKeyConstraint(
            "request_id", "camera_id", "user_id", name=op.f("pk_assist_looked")
        ),
    )
    op.create_table(
        "assist_photos",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("picture_sealed", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_assist_photos_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["assist_requests.id"], name=op.f("fk_assist_photos_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assist_photos")),
    )
    op.create_index(
        "ix_assist_photos_request_id", "assist_photos", ["request_id", "created_us"], unique=False
    )
    op.create_table(
        "assist_steps",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=True),
        sa.Column("words", sa.String(length=2000), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["assist_requests.id"], name=op.f("fk_assist_steps_request_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_assist_steps_user_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_assist_steps")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_assist_steps_request_id", "assist_steps", ["request_id", "number"], unique=False
    )
    op.add_column("viewing_sessions", sa.Column("clip_id", sa.String(length=40), nullable=True))
