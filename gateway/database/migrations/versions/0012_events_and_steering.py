"""Who steers, patrols; events of devices, alarms, switches"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=True),
        sa.Column("platform_id", sa.String(length=40), nullable=True),
        sa.Column("switch_id", sa.String(length=40), nullable=True),
        sa.Column("network", sa.String(length=50), nullable=True),
        sa.Column("area_id", sa.String(length=40), nullable=True),
        sa.Column("begin_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.Column("folded_into", sa.String(length=40), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("acknowledged_us", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=40), nullable=True),
        sa.Column("acknowledged_name", sa.String(length=200), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["folded_into"], ["alarms.id"], name=op.f("fk_alarms_folded_into")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index("ix_alarms_begin_us", "alarms", ["begin_us", "id"], unique=False)
    op.create_index("ix_alarms_camera_id", "alarms", ["camera_id", "begin_us"], unique=False)
    op.create_index("ix_alarms_folded_into", "alarms", ["folded_into"], unique=False)
    op.create_index(
        "ix_alarms_open",
        "alarms",
        ["kind", "subject"],
        unique=True,
        sqlite_where=sa.text("end_us IS NULL"),
        postgresql_where=sa.text("end_us IS NULL"),
    )
    op.create_table(
        "device_events",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=True),
        sa.Column("channel", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("begin_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'ended', 'pulse')", name=op.f("ck_device_events_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_events")),
    )
    op.create_index("ix_device_events_begin_us", "device_events", ["begin_us", "id"], unique=False)
    op.create_index(
        "ix_device_events_camera_id", "device_events", ["camera_id", "begin_us"], unique=False
    )
    op.create_index(
        "ix_device_events_open",
        "device_events",
        ["platform_id", "channel", "kind"],
        unique=False,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_device_events_platform_id", "device_events", ["platform_id", "begin_us"], unique=False
    )
    op.create_table(
        "ptz_holdings",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", name=op.f("pk_ptz_holdings")),
    )
    op.create_table(
        "switches",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("networks", sa.JSON(), nullable=False),
        sa.Column("camera_ids", sa.JSON(), nullable=False),
        sa.Column("management_host", sa.String(length=255), nullable=True),
        sa.Column("management_port", sa.Integer(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["area_id"], ["areas.id"], name=op.f("fk_switches_area_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switches")),
    )
    op.create_index("ix_switches_area_id", "switches", ["area_id"], unique=False)
    op.create_table(
        "patrols",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("schedule", sa.JSON(), nullable=False),
        sa.Column("utc_offset_minutes", sa.Integer(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("started_by", sa.String(length=200), nullable=True),
        sa.Column("stopped_us", sa.BigInteger(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name=op.f("fk_patrols_camera_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrols")),
    )
    op.create_index("ix_patrols_camera_id", "patrols", ["camera_id"], unique=False)
    op.create_table(
        "preset_names",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_preset_names_camera_id")
        ),
        sa.PrimaryKeyConstraint("camera_id", "token", name=op.f("pk_preset_names")),
    )
    op.create_table(
        "ptz_homes",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("preset", sa.String(length=64), nullable=False),
        sa.Column("after_s", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name=op.f("fk_ptz_homes_camera_id")),
        sa.PrimaryKeyConstraint("camera_id", name=op.f("pk_ptz_homes")),
    )
