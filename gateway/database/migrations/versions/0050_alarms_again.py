"""Alarms that come back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0050.0033"
down_revision = "0049.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarms", sa.Column("again", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("alarms", sa.Column("again_us", sa.BigInteger(), nullable=True))
