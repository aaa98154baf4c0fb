"""Live from the scene"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049.0033"
down_revision = "0048.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "field_lives",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("seen_us", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_field_lives_camera_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_field_lives_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_field_lives")),
    )
    op.create_index("ix_field_lives_seen_us", "field_lives", ["seen_us"])
