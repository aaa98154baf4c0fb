"""Steps of incidents that a telephone sends again"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048.0033"
down_revision = "0047.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("incident_steps", sa.Column("told_as", sa.String(length=40), nullable=True))
    op.create_index(
        "ix_incident_steps_told_as",
        "incident_steps",
        ["told_as", "incident_id", "by_id"],
        unique=True,
        sqlite_where=sa.text("told_as IS NOT NULL"),
        postgresql_where=sa.text("told_as IS NOT NULL"),
    )
