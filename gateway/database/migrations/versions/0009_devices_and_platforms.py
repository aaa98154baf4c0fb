"""Devices and other platforms, their channels and states; who brings a camera"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "platform_applicants",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("transport", sa.String(length=8), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("knows_password", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("kind", "code", name=op.f("pk_platform_applicants")),
    )
    op.create_table(
        "platforms",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("username", sa.String(length=200), nullable=True),
        sa.Column("password_sealed", sa.String(length=1000), nullable=True),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("deleted_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("direction IN ('below', 'above')", name=op.f("ck_platforms_direction")),
        sa.CheckConstraint(
            "kind IN ('onvif', 'gb28181', 'gat1400')", name=op.f("ck_platforms_kind")
        ),
        sa.ForeignKeyConstraint(["area_id"], ["areas.id"], name=op.f("fk_platforms_area_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platforms")),
    )
    with op.batch_alter_table("platforms", schema=None) as batch_op:
        batch_op.create_index("ix_platforms_area_id", ["area_id"], unique=False)
        batch_op.create_index(
            "ix_platforms_code",
            ["kind", "direction", "code"],
            unique=True,
            sqlite_where=sa.text("deleted_us IS NULL"),
            postgresql_where=sa.text("deleted_us IS NULL"),
        )

    op.create_table(
        "platform_states",
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("fault", sa.String(length=40), server_default="", nullable=False),
        sa.Column("detail", sa.String(length=500), server_default="", nullable=False),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("transport", sa.String(length=8), nullable=True),
        sa.Column("expires_us", sa.BigInteger(), nullable=True),
        sa.Column("seen_us", sa.BigInteger(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("catalog", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state IN ('connecting', 'online', 'offline', 'refused', 'disabled')",
            name=op.f("ck_platform_states_state"),
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platforms.id"], name=op.f("fk_platform_states_platform_id")
        ),
        sa.PrimaryKeyConstraint("platform_id", name=op.f("pk_platform_states")),
    )
    op.create_table(
        "platform_channels",
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=80), nullable=False),
        sa.Column("parent_code", sa.String(length=80), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("civil_code", sa.String(length=20), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("gone_us", sa.BigInteger(), nullable=True),
        sa.Column("camera_id", sa.String(length=40), nullable=True),
        sa.CheckConstraint(
            "kind IN ('camera', 'group', 'area', 'device', 'other')",
            name=op.f("ck_platform_channels_kind"),
        ),
        sa.CheckConstraint(
            "status IN ('on', 'off', 'unknown')", name=op.f("ck_platform_channels_status")
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_platform_channels_camera_id")
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platforms.id"], name=op.f("fk_platform_channels_platform_id")
        ),
        sa.PrimaryKeyConstraint("platform_id", "code", name=op.f("pk_platform_channels")),
    )
    with op.batch_alter_table("platform_channels", schema=None) as batch_op:
        batch_op.create_index("ix_platform_channels_camera_id", ["camera_id"], unique=False)
        batch_op.create_index(
            "ix_platform_channels_parent_code", ["platform_id", "parent_code"], unique=False
        )

    with op.batch_alter_table("cameras", schema=None) as batch_op:
        # Read back from SQLite it would have brackets.
        batch_op.alter_column("search_key", existing_type=sa.Text(), server_default="")
        batch_op.add_column(sa.Column("platform_id", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("channel", sa.String(length=80), nullable=True))
        batch_op.create_index("ix_cameras_platform_id", ["platform_id", "channel"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_cameras_platform_id"), "platforms", ["platform_id"], ["id"]
        )
