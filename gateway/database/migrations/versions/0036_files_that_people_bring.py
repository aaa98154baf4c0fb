"""Files that people bring, and what they are attached to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036.0033"
down_revision = "0035.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attached_files",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("taken_us", sa.BigInteger(), nullable=True),
        sa.Column("has_thumbnail", sa.Boolean(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=False),
        sa.Column("kept_us", sa.BigInteger(), nullable=True),
        sa.Column("removed_us", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('photo', 'video', 'sound', 'document')", name=op.f("ck_attached_files_kind")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_attached_files_created_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attached_files")),
    )
    op.create_index("ix_attached_files_created_us", "attached_files", ["created_us"])
    op.create_table(
        "attachments",
        sa.Column("file_id", sa.String(length=40), nullable=False),
        sa.Column("subject_kind", sa.String(length=24), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("attached_us", sa.BigInteger(), nullable=False),
        sa.Column("attached_by", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["file_id"], ["attached_files.id"], name=op.f("fk_attachments_file_id")
        ),
        sa.PrimaryKeyConstraint(
            "file_id", "subject_kind", "subject_id", name=op.f("pk_attachments")
        ),
    )
    op.create_index("ix_attachments_subject", "attachments", ["subject_kind", "subject_id"])
