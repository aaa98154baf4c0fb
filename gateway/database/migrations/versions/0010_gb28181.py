"""Dialogs with GB/T 28181 platforms; what is shared with those above"""

from __future__ import annotations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
