"""Who may do what, where and how long; and where cameras stand beside their home."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    # "*" is the whole county, today's areas and tomorrow's.
    sa.Column("area_id", sa.String(40), nullable=False),
    # In force from the one to just before the other; null is without end.
    sa.Column("valid_from_us", sa.BigInteger, nullable=True),
    sa.Column("valid_until_us", sa.BigInteger, nullable=True),
    # Who steers a camera gives way to a higher number.
    sa.Column("ptz_priority", sa.Integer, nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    # Null for what the command line and the first start gave.
    sa.Column("granted_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.CheckConstraint("ptz_priority BETWEEN 1 AND 100", name="ptz_priority"),
    sa.Index("ix_grants_user_id", "user_id"),
    sa.Index("ix_grants_area_id", "area_id"),
)

camera_places = sa.Table(
    "camera_places",
    metadata,
    # Beside the home in `cameras.area_id`: a department, a police jurisdiction, a platform.
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), primary_key=True),
    sa.Index("ix_camera_places_area_id", "area_id", "camera_id"),
)
