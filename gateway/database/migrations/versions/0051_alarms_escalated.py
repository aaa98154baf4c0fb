"""Alarms that somebody escalates"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0051.0033"
down_revision = "0050.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarms", sa.Column("escalated_us", sa.BigInteger(), nullable=True))
    op.add_column("alarms", sa.Column("escalated_name", sa.String(length=200), nullable=True))
    op.add_column("alarms", sa.Column("escalated_words", sa.String(length=500), nullable=True))
