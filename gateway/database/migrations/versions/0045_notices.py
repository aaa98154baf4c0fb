"""Notices"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045.0033"
down_revision = "0044.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.String(length=12), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("words", sa.String(length=10_000), nullable=False),
        sa.Column("publisher_path", sa.String(length=1000), nullable=False),
        sa.Column("from_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("withdrawn_us", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=40), nullable=True),
        sa.Column("withdrawal_note", sa.String(length=1000), nullable=True),
        sa.CheckConstraint(
            "priority IN ('normal', 'important', 'emergency')", name=op.f("ck_notices_priority")
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_notices_created_by")),
        sa.ForeignKeyConstraint(
            ["withdrawn_by"], ["users.id"], name=op.f("fk_notices_withdrawn_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_created_us", "notices", ["created_us", "id"])
    op.create_index("ix_notices_until_us", "notices", ["until_us"])
    op.create_table(
        "notice_areas",
        sa.Column("notice_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        _of_notice("notice_areas"),
        sa.PrimaryKeyConstraint("notice_id", "area_id", name=op.f("pk_notice_areas")),
    )
    op.create_table(
        "notice_receipts",
        sa.Column("notice_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("read_us", sa.BigInteger(), nullable=False),
        _of_notice("notice_receipts"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_notice_receipts_user_id")),
        sa.PrimaryKeyConstraint("notice_id", "user_id", name=op.f("pk_notice_receipts")),
    )
    op.create_table(
        "notice_sites",
        sa.Column("notice_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("shown_us", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_us", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_by", sa.String(length=40), nullable=True),
        _of_notice("notice_sites"),
        sa.ForeignKeyConstraint(
            ["confirmed_by"], ["users.id"], name=op.f("fk_notice_sites_confirmed_by")
        ),
        sa.PrimaryKeyConstraint("notice_id", "area_id", name=op.f("pk_notice_sites")),
    )


def _of_notice(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["notice_id"], ["notices.id"], name=op.f(f"fk_{table}_notice_id")
    )
