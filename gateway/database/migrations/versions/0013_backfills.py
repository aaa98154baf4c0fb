"""Footage fetched from devices: into gaps, and because somebody plays it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('camera', 'meeting', 'import', 'backfill', 'borrowed')"


def upgrade() -> None:
    with op.batch_alter_table("sources", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_sources_kind"), type_="check")
        batch_op.create_check_constraint(op.f("ck_sources_kind"), _KINDS)
    op.create_table(
        "backfills",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
        sa.Column("fetched_us", sa.BigInteger(), nullable=False),
        sa.Column("fault", sa.String(length=40), server_default="", nullable=False),
        sa.Column("detail", sa.String(length=500), server_default="", nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'done', 'partial', 'empty', 'failed')",
            name=op.f("ck_backfills_state"),
        ),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name=op.f("fk_backfills_camera_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backfills")),
    )
    with op.batch_alter_table("backfills", schema=None) as batch_op:
        batch_op.create_index("ix_backfills_camera_id", ["camera_id", "start_us"], unique=False)
        batch_op.create_index("ix_backfills_state", ["state", "next_us"], unique=False)
