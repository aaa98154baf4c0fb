"""On which shard a participant of a meeting sits, where that is not the meeting's own"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034.0033"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("meeting_participants", sa.Column("shard", sa.String(40), nullable=True))
    op.create_index("ix_meeting_participants_shard", "meeting_participants", ["shard"])
