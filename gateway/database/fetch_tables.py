"""The table of footage fetched from devices' own storage.

Part of the schema in :mod:`gateway.database.tables`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# One row for each stretch of a gap that was, or is to be, fetched from the camera's device.
backfills = sa.Table(
    "backfills",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    # Not before; rises with each try that failed.
    sa.Column("next_us", sa.BigInteger, nullable=False),
    # How much of it was fetched.
    sa.Column("fetched_us", sa.BigInteger, nullable=False),
    # Why it failed: a stable code, and one English line.
    sa.Column("fault", sa.String(40), nullable=False, server_default=""),
    sa.Column("detail", sa.String(500), nullable=False, server_default=""),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("state IN ('waiting', 'done', 'partial', 'empty', 'failed')", name="state"),
    sa.Index("ix_backfills_camera_id", "camera_id", "start_us"),
    sa.Index("ix_backfills_state", "state", "next_us"),
)
