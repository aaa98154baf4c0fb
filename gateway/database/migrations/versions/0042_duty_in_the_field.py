"""Who is on duty in the field, and where"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042.0033"
down_revision = "0041.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "field_duties",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("area_path", sa.String(length=1000), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("accuracy_m", sa.Float(), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_field_duties_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_field_duties")),
    )
    op.create_index("ix_field_duties_ends_us", "field_duties", ["ends_us"])
