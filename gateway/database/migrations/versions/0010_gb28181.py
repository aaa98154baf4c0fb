"""Dialogs with GB/T 28181 platforms; what is shared with those above"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _share_with_those_above()
    _keep_dialogs()


def _keep_dialogs() -> None:
    op.create_table(
        "gb28181_dialogs",
        sa.Column("call_id", sa.String(length=256), nullable=False),
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("purpose", sa.String(length=12), nullable=False),
        sa.Column("ssrc", sa.BigInteger(), nullable=False),
        sa.Column("journal", sa.JSON(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platforms.id"], name=op.f("fk_gb28181_dialogs_platform_id")
        ),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_gb28181_dialogs")),
    )
    with op.batch_alter_table("gb28181_dialogs", schema=None) as batch_op:
        batch_op.create_index("ix_gb28181_dialogs_platform_id", ["platform_id"], unique=False)


def _share_with_those_above() -> None:
    op.create_table(
        "platform_codes",
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("item_kind", sa.String(length=8), nullable=False),
        sa.Column("item_id", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "item_kind IN ('group', 'area', 'camera')", name=op.f("ck_platform_codes_item_kind")
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platforms.id"], name=op.f("fk_platform_codes_platform_id")
        ),
        sa.PrimaryKeyConstraint(
            "platform_id", "item_kind", "item_id", name=op.f("pk_platform_codes")
        ),
    )
    with op.batch_alter_table("platform_codes", schema=None) as batch_op:
        batch_op.create_index("ix_platform_codes_code", ["platform_id", "code"], unique=True)

    op.create_table(
        "platform_shares",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=True),
        sa.Column("camera_id", sa.String(length=40), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("user_name", sa.String(length=100), nullable=False),
        sa.CheckConstraint(
            "(area_id IS NULL) <> (camera_id IS NULL)",
            name=op.f("ck_platform_shares_one_of_both"),
        ),
        sa.ForeignKeyConstraint(["area_id"], ["areas.id"], name=op.f("fk_platform_shares_area_id")),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_platform_shares_camera_id")
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platforms.id"], name=op.f("fk_platform_shares_platform_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_platform_shares_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_shares")),
    )
    with op.batch_alter_table("platform_shares", schema=None) as batch_op:
        batch_op.create_index("ix_platform_shares_area_id", ["area_id"], unique=False)
        batch_op.create_index("ix_platform_shares_camera_id", ["camera_id"], unique=False)
        batch_op.create_index(
            "ix_platform_shares_place", ["platform_id", "area_id", "camera_id"], unique=True
        )
