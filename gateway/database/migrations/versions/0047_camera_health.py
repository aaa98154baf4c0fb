"""Camera health"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0047.0033"
down_revision = "0046.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "camera_health",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("looked_us", sa.BigInteger(), nullable=False),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
        sa.Column("picture_us", sa.BigInteger(), nullable=True),
        sa.Column("missing", sa.String(length=200), nullable=True),
        sa.Column("standing", sa.JSON(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=True),
        sa.Column("picture_key", sa.String(length=200), nullable=True),
        sa.Column("kept_us", sa.BigInteger(), nullable=True),
        sa.Column("clock_offset_us", sa.BigInteger(), nullable=True),
        _of_camera("camera_health"),
        sa.PrimaryKeyConstraint("camera_id", name=op.f("pk_camera_health")),
    )
    op.create_index("ix_camera_health_next_us", "camera_health", ["next_us"])
    op.create_index(
        "ix_camera_health_found",
        "camera_health",
        ["found"],
        sqlite_where=sa.text("found <> 0"),
        postgresql_where=sa.text("found <> 0"),
    )
    op.create_table(
        "camera_health_references",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("by_name", sa.String(length=200), nullable=True),
        sa.Column("picture_key", sa.String(length=200), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("thumb", sa.LargeBinary(), nullable=False),
        sa.Column("deviations", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "mode IN ('day', 'dim', 'night')", name=op.f("ck_camera_health_references_mode")
        ),
        _of_camera("camera_health_references"),
        sa.PrimaryKeyConstraint("camera_id", "mode", name=op.f("pk_camera_health_references")),
    )
    op.create_table(
        "camera_health_days",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False),
        sa.Column("expected_us", sa.BigInteger(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        _of_camera("camera_health_days"),
        sa.PrimaryKeyConstraint("camera_id", "day", name=op.f("pk_camera_health_days")),
    )
    op.create_index("ix_camera_health_days_day", "camera_health_days", ["day"])


def _of_camera(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["camera_id"], ["cameras.id"], name=op.f(f"fk_{table}_camera_id")
    )
