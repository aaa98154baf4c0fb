"""Channels by e-mail and MQTT"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0046.0033"
down_revision = "0045.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox_channels", sa.Column("options", sa.JSON(), nullable=True))
