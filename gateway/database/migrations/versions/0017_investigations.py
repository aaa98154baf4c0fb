"""Searches that a second person approves, standing searches, uploaded photos"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "search_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("query", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("desk_id", sa.String(length=40), nullable=True),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("decided_us", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decision_note", sa.String(length=1000), nullable=True),
        sa.Column("broken_us", sa.BigInteger(), nullable=True),
        sa.Column("break_reason", sa.String(length=1000), nullable=True),
        sa.Column("review_until_us", sa.BigInteger(), nullable=True),
        sa.Column("reviewed_us", sa.BigInteger(), nullable=True),
        sa.Column("reviewed_by", sa.String(length=40), nullable=True),
        sa.Column("justified", sa.Boolean(), nullable=True),
        sa.Column("review_note", sa.String(length=1000), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=40), nullable=True),
        sa.Column("end_note", sa.String(length=1000), nullable=True),
        sa.Column("vector_kind", sa.String(length=80), nullable=True),
        sa.Column("vector_sealed", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('trail', 'photo', 'standing')", name=op.f("ck_search_requests_kind")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'broken', 'overdue', 'refused', 'ended', 'expired')",
            name=op.f("ck_search_requests_state"),
        ),
        sa.ForeignKeyConstraint(["area_id"], ["areas.id"], name=op.f("fk_search_requests_area_id")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_search_requests_case_id")),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_search_requests_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["users.id"], name=op.f("fk_search_requests_decided_by")
        ),
        sa.ForeignKeyConstraint(
            ["ended_by"], ["users.id"], name=op.f("fk_search_requests_ended_by")
        ),
        sa.ForeignKeyConstraint(
            ["reviewed_by"], ["users.id"], name=op.f("fk_search_requests_reviewed_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_requests")),
    )
    op.create_index("ix_search_requests_case_id", "search_requests", ["case_id", "created_us"])
    op.create_index("ix_search_requests_state", "search_requests", ["state", "expires_us"])
    op.create_table(
        "search_photos",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("objects", sa.JSON(), nullable=False),
        sa.Column("picture_sealed", sa.Text(), nullable=False),
        sa.Column("vector_kind", sa.String(length=80), nullable=False),
        sa.Column("vectors_sealed", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_search_photos_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["search_requests.id"], name=op.f("fk_search_photos_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_photos")),
    )
    op.create_index("ix_search_photos_request_id", "search_photos", ["request_id", "created_us"])
    op.create_table(
        "search_looks",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("objects", sa.JSON(), nullable=False),
        sa.Column("picture_sealed", sa.Text(), nullable=False),
        sa.Column("vector_kind", sa.String(length=80), nullable=False),
        sa.Column("vectors_sealed", sa.Text(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_search_looks_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_looks")),
    )
    op.create_index("ix_search_looks_expires_us", "search_looks", ["expires_us"])
    op.create_table(
        "standing_queue",
        sa.Column("number", _Number, nullable=False),
        sa.Column("passage_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_standing_queue")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "standing_matches",
        sa.Column("id", _Number, nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("passage_id", sa.BigInteger(), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("found_us", sa.BigInteger(), nullable=False),
        sa.Column("likeness", sa.Float(), nullable=True),
        sa.Column("alarm_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["search_requests.id"], name=op.f("fk_standing_matches_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_matches")),
        sa.UniqueConstraint(
            "request_id", "passage_id", name=op.f("uq_standing_matches_request_id_passage_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trails",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("attached_us", sa.BigInteger(), nullable=True),
        sa.Column("attached_by", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["attached_by"], ["users.id"], name=op.f("fk_trails_attached_by")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_trails_case_id")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_trails_created_by")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["search_requests.id"], name=op.f("fk_trails_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trails")),
    )
    op.create_index("ix_trails_case_id", "trails", ["case_id", "created_us"])
    op.create_index("ix_trails_request_id", "trails", ["request_id"])
    op.create_table(
        "trail_points",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("trail_id", sa.String(length=40), nullable=False),
        sa.Column("passage_id", sa.BigInteger(), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("best_us", sa.BigInteger(), nullable=False),
        sa.Column("object_class", sa.String(length=16), nullable=False),
        sa.Column("box", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("item_id", sa.String(length=40), nullable=True),
        sa.Column("added_us", sa.BigInteger(), nullable=False),
        sa.Column("added_by", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["users.id"], name=op.f("fk_trail_points_added_by")),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_trail_points_camera_id")
        ),
        sa.ForeignKeyConstraint(["trail_id"], ["trails.id"], name=op.f("fk_trail_points_trail_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trail_points")),
        sa.UniqueConstraint(
            "trail_id", "passage_id", name=op.f("uq_trail_points_trail_id_passage_id")
        ),
    )
    op.add_column("alarms", sa.Column("search_request_id", sa.String(length=40), nullable=True))
