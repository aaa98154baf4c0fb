"""Where cameras stand and where they look"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("longitude", "latitude", "heading_deg", "view_deg"):
        op.add_column("cameras", sa.Column(name, sa.Float(), nullable=True))
