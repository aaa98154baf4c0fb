"""Rules of who is told of alarms, and what they were told"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043.0033"
down_revision = "0042.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarms", sa.Column("priority", sa.String(length=12), nullable=True))
    op.add_column(
        "alarms", sa.Column("silent", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index("ix_alarms_subject", "alarms", ["subject", "kind", "begin_us"])
    op.create_table(
        "alarm_rules",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("camera_ids", sa.JSON(), nullable=False),
        sa.Column("least_priority", sa.String(length=12), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("quiet", sa.JSON(), nullable=False),
        sa.Column("utc_offset_minutes", sa.Integer(), nullable=False),
        sa.Column("breaks_through", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.String(length=12), nullable=True),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["area_id"], ["areas.id"], name=op.f("fk_alarm_rules_area_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_rules")),
    )
    op.create_table(
        "alarm_notices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("rule_id", sa.String(length=40), nullable=False),
        sa.Column("rule_name", sa.String(length=100), nullable=False),
        sa.Column("user_ids", sa.JSON(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("channel_ids", sa.JSON(), nullable=False),
        sa.Column("alarm_id", sa.String(length=40), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.Column("told_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'told', 'summed', 'dropped')", name=op.f("ck_alarm_notices_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_notices")),
        sa.UniqueConstraint(
            "alarm_id", "rule_id", "step", name=op.f("uq_alarm_notices_alarm_id_rule_id_step")
        ),
    )
    op.create_index("ix_alarm_notices_state", "alarm_notices", ["state", "due_us"])
    op.create_index("ix_alarm_notices_told_us", "alarm_notices", ["told_us"])
