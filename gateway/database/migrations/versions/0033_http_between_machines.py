"""Where a process's HTTP answers the other machines"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("processes", sa.Column("peer_http_port", sa.Integer(), nullable=True))
