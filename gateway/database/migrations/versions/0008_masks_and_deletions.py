"""Masks on pictures, restreams that know them, and what was deleted when"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "camera_masks",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("masks", sa.JSON(), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("user_name", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_camera_masks_camera_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_camera_masks_user_id")),
        sa.PrimaryKeyConstraint("camera_id", "version", name=op.f("pk_camera_masks")),
    )
    op.create_index(
        "ix_camera_masks_in_force",
        "camera_masks",
        ["camera_id"],
        unique=True,
        sqlite_where=sa.text("until_us IS NULL"),
        postgresql_where=sa.text("until_us IS NULL"),
    )
    op.create_table(
        "deletions",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "day", "cause", name=op.f("pk_deletions")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_deletions_day", "deletions", ["day"], unique=False)
    with op.batch_alter_table("restreams", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("may_lift_masks", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    with op.batch_alter_table("viewing_sessions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("may_lift_masks", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
