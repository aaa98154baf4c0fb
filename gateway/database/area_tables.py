"""The devices that have stood in a camera's place."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

camera_devices = sa.Table(
    "camera_devices",
    metadata,
    # One row for each device that is known to have been there; the newest is today's, and its
    # addresses are those of the camera's own row. A camera that was never replaced has none.
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    sa.Column("from_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("until_us", sa.BigInteger, nullable=True),
    sa.Column("main_url", sa.String(2000), nullable=False),
    sa.Column("sub_url", sa.String(2000), nullable=True),
    sa.Column("model", sa.String(200), nullable=True),
    sa.Column("serial_number", sa.String(200), nullable=True),
    # Why it was put there, and by whom.
    sa.Column("note", sa.String(500), nullable=True),
    sa.Column("replaced_by", sa.String(100), nullable=True),
)
