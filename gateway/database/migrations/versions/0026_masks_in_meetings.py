"""Cameras in meetings are always shown with their masks: nothing says otherwise any more"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("meeting_participants", "may_lift_masks")
