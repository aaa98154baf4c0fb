"""The tables of analysis: what people asked to be looked through, and how far it got.

Part of the schema in :mod:`gateway.database.tables`. What was found is in ``search/index``.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# What people asked for: recorded footage to be looked through.
analysis_jobs = sa.Table(
    "analysis_jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    # Whether what was looked through already is looked through again, by the model of now.
    sa.Column("again", sa.Boolean, nullable=False),
    # Of those in the settings, by name; none: the one that looks at live pictures.
    sa.Column("model", sa.String(40), nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("cancelled_us", sa.BigInteger, nullable=True),
    # When its last stretch was over.
    sa.Column("finished_us", sa.BigInteger, nullable=True),
    sa.Index("ix_analysis_jobs_created_us", "created_us"),
)

# A camera's stretch of recorded footage that is, or was, looked through: of a job, or because
# analysis found by itself that it had not been.
analysis_stretches = sa.Table(
    "analysis_stretches",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("job_id", sa.String(40), sa.ForeignKey("analysis_jobs.id"), nullable=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    # asked, import, backfill, missed; in this order they are taken.
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    # Everything before it is in the index; after a crash it goes on from here.
    sa.Column("position_us", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("passages", sa.Integer, nullable=False, server_default="0"),
    # Times that it did not get any further.
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_us", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String(500), nullable=False, server_default=""),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("state IN ('waiting', 'done', 'failed', 'cancelled')", name="state"),
    sa.CheckConstraint("reason IN ('asked', 'import', 'backfill', 'missed')", name="reason"),
    sa.Index("ix_analysis_stretches_state", "state", "rank", "next_us"),
    sa.Index("ix_analysis_stretches_camera_id", "camera_id", "start_us"),
    sa.Index("ix_analysis_stretches_job_id", "job_id"),
)

# The analysis processes of several machines. One machine alone has none of these rows.
analysts = sa.Table(
    "analysts",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("node", sa.String(100), nullable=False),
    # Grows while it lives.
    sa.Column("beat", sa.BigInteger, nullable=False),
    # How much it can do, by which cameras are shared out.
    sa.Column("workers", sa.Integer, nullable=False),
    # Of what rows left behind it has deleted the vectors up to this number.
    sa.Column("forgot", sa.BigInteger, nullable=False),
)

# Which of them has a camera: its live pictures and its footage. The epoch grows with each change.
analysis_owners = sa.Table(
    "analysis_owners",
    metadata,
    sa.Column("camera_id", sa.String(40), primary_key=True),
    # "" for nobody.
    sa.Column("owner", sa.String(40), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
)
