"""What of the index cannot be compared with a look"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_passage_details_vectors", "passage_details", ["vectors", "id"])
