"""Locks that the store puts on held objects, and keys of uploads that were taken over"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "object_locks",
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("store_key", sa.Text(), nullable=False),
        sa.Column("locked_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("segment_id", name=op.f("pk_object_locks")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "claimed_keys",
        sa.Column("store_key", sa.Text(), nullable=False),
        sa.Column("claimed_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store_key", name=op.f("pk_claimed_keys")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_segments_held",
        "segments",
        ["id"],
        sqlite_where=sa.text("held = 1"),
        postgresql_where=sa.text("held"),
    )
