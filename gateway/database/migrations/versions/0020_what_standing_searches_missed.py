"""What standing searches missed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "standing_dropped",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "start_us", name=op.f("pk_standing_dropped")),
        sqlite_with_rowid=False,
    )
