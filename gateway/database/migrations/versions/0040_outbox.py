"""Channels to other systems, and what is delivered by them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040.0033"
down_revision = "0039.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox_channels",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("address", sa.String(length=1000), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("secret_sealed", sa.String(length=400), nullable=False),
        sa.Column("old_secret_sealed", sa.String(length=400), nullable=True),
        sa.Column("old_secret_until_us", sa.BigInteger(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("delivered_us", sa.BigInteger(), nullable=True),
        sa.Column("failed_us", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_us", sa.BigInteger(), nullable=False),
        sa.Column("deleted_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_channels")),
    )
    op.create_table(
        "outbox_deliveries",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("channel_id", sa.String(length=40), nullable=False),
        sa.Column("once_key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("give_up_us", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("tried_us", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("done_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'dead')", name=op.f("ck_outbox_deliveries_state")
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["outbox_channels.id"], name=op.f("fk_outbox_deliveries_channel_id")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox_deliveries")),
        sa.UniqueConstraint(
            "channel_id", "once_key", name=op.f("uq_outbox_deliveries_channel_id_once_key")
        ),
        sa.UniqueConstraint("id", name=op.f("uq_outbox_deliveries_id")),
    )
    op.create_index("ix_outbox_deliveries_done_us", "outbox_deliveries", ["done_us"], unique=False)
    op.create_index(
        "ix_outbox_deliveries_state",
        "outbox_deliveries",
        ["state", "channel_id", "sequence"],
        unique=False,
    )
