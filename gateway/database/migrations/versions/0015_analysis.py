"""Which cameras are analysed, and looking through what is recorded already"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cameras", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("analysis", sa.String(length=8), server_default="auto", nullable=False)
        )
        batch_op.create_check_constraint(
            op.f("ck_cameras_analysis"), "analysis IN ('auto', 'on', 'off')"
        )
        # The table is made anew, and would have its default in brackets.
        batch_op.alter_column("search_key", existing_type=sa.Text(), server_default="")
    op.create_table(
        "analysis_jobs",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=40), nullable=True),
        sa.Column("cancelled_us", sa.BigInteger(), nullable=True),
        sa.Column("finished_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_analysis_jobs_created_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_jobs")),
    )
    with op.batch_alter_table("analysis_jobs", schema=None) as batch_op:
        batch_op.create_index("ix_analysis_jobs_created_us", ["created_us"], unique=False)
    op.create_table(
        "analysis_stretches",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("position_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("passages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_us", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.String(length=500), server_default="", nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "reason IN ('asked', 'import', 'backfill', 'missed')",
            name=op.f("ck_analysis_stretches_reason"),
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'done', 'failed', 'cancelled')",
            name=op.f("ck_analysis_stretches_state"),
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_analysis_stretches_camera_id")
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["analysis_jobs.id"], name=op.f("fk_analysis_stretches_job_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_stretches")),
    )
    with op.batch_alter_table("analysis_stretches", schema=None) as batch_op:
        batch_op.create_index(
            "ix_analysis_stretches_camera_id", ["camera_id", "start_us"], unique=False
        )
        batch_op.create_index("ix_analysis_stretches_job_id", ["job_id"], unique=False)
        batch_op.create_index(
            "ix_analysis_stretches_state", ["state", "rank", "next_us"], unique=False
        )
