"""An index that holds all that a page of cameras is chosen by"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cameras", schema=None) as batch_op:
        batch_op.drop_index("ix_cameras_area_id")
        batch_op.create_index(
            "ix_cameras_area_id", ["area_id", "deleted_us", "name", "id"], unique=False
        )
