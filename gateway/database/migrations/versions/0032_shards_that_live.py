"""Which shards live, to where a camera is moving, and who held it before"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shards",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("node", sa.String(100), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("capacity_mbps", sa.Float(), nullable=False),
        sa.Column("networks", sa.JSON(), nullable=False),
        sa.Column("drained", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_shards")),
    )
    op.add_column("assignments", sa.Column("successor", sa.Text(), nullable=True))
    op.add_column("assignments", sa.Column("predecessor", sa.Text(), nullable=True))
