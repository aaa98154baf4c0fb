"""Alarms that somebody puts off until later"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041.0033"
down_revision = "0040.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarms", sa.Column("snoozed_until_us", sa.BigInteger(), nullable=True))
    op.add_column("alarms", sa.Column("snoozed_name", sa.String(length=200), nullable=True))
