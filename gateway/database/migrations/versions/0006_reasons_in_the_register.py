"""Reasons and cases in the register, purposes of shifts, how long sessions were really watched"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.database.audit_tables import APPEND_ONLY

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit_log", sa.Column("reason_code", sa.String(32), nullable=True))
    op.add_column("audit_log", sa.Column("case_id", sa.String(64), nullable=True))
    op.create_index("ix_audit_log_case_id", "audit_log", ["case_id", "at_us"])
    op.create_index("ix_audit_log_action", "audit_log", ["action", "at_us"])
    for statement in APPEND_ONLY.get(op.get_bind().dialect.name, ()):
        op.execute(statement)
    op.create_table(
        "shift_purposes",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("text", sa.String(500), nullable=True),
        sa.Column("case_id", sa.String(64), nullable=True),
        sa.Column("given_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_shift_purposes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift_purposes")),
    )
    op.create_index("ix_shift_purposes_user_id", "shift_purposes", ["user_id", "given_us"])
    op.add_column("viewing_sessions", sa.Column("seen_us", sa.BigInteger(), nullable=True))
    op.add_column("viewing_sessions", sa.Column("reported_us", sa.BigInteger(), nullable=True))
