"""Where other machines reach a process's control channel"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("processes", sa.Column("control_address", sa.String(64), nullable=True))
    op.add_column("processes", sa.Column("control_port", sa.Integer(), nullable=True))
