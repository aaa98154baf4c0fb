"""The forecast of storage, kept for each day"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forecast_days",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("free_bytes", sa.BigInteger(), nullable=True),
        sa.Column("bytes_per_day", sa.BigInteger(), nullable=False),
        sa.Column("full_at_us", sa.BigInteger(), nullable=True),
        sa.Column("projected", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_forecast_days")),
    )
    op.create_table(
        "forecast_area_days",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("area_id", sa.String(40), nullable=False),
        sa.Column("cameras", sa.Integer(), nullable=False),
        sa.Column("short", sa.Integer(), nullable=False),
        sa.Column("empty", sa.Integer(), nullable=False),
        sa.Column("filling", sa.Integer(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("bytes_per_day", sa.BigInteger(), nullable=False),
        sa.Column("least_days", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("day", "area_id", name=op.f("pk_forecast_area_days")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "forecast_camera_days",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("camera_id", sa.String(40), nullable=False),
        sa.Column("kept_us", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(8), nullable=True),
        sa.Column("required_days", sa.Float(), nullable=False),
        sa.Column("kept_days", sa.Float(), nullable=False),
        sa.Column("reach_days", sa.Float(), nullable=False),
        sa.Column("short_from_us", sa.BigInteger(), nullable=True),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.Column("bytes_per_day", sa.BigInteger(), nullable=False),
        sa.Column("bitrate_bps", sa.BigInteger(), nullable=True),
        sa.Column("before_bps", sa.BigInteger(), nullable=True),
        sa.Column("risen_bytes_per_day", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('short', 'empty', 'filling', 'ok')",
            name=op.f("ck_forecast_camera_days_state"),
        ),
        sa.CheckConstraint(
            "cause IN ('bytes', 'space')", name=op.f("ck_forecast_camera_days_cause")
        ),
        sa.PrimaryKeyConstraint("day", "camera_id", name=op.f("pk_forecast_camera_days")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_forecast_camera_days_place", "forecast_camera_days", ["day", "place"])
