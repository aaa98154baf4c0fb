"""What platforms above us are given, and by which codes they know it.

Part of the schema in :mod:`gateway.database.tables`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

platform_shares = sa.Table(
    "platform_shares",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("platform_id", sa.String(40), sa.ForeignKey("platforms.id"), nullable=False),
    # One of both: an area with all below it, as it is at each moment, or a single camera.
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("user_name", sa.String(100), nullable=False),
    sa.CheckConstraint("(area_id IS NULL) <> (camera_id IS NULL)", name="one_of_both"),
    sa.Index("ix_platform_shares_place", "platform_id", "area_id", "camera_id", unique=True),
    sa.Index("ix_platform_shares_area_id", "area_id"),
    sa.Index("ix_platform_shares_camera_id", "camera_id"),
)

platform_codes = sa.Table(
    "platform_codes",
    metadata,
    # Never deleted: a code that once named a camera to somebody names nothing else ever after.
    sa.Column("platform_id", sa.String(40), sa.ForeignKey("platforms.id"), primary_key=True),
    # 'group' is the root of what is shared, and its item the platform itself.
    sa.Column("item_kind", sa.String(8), primary_key=True),
    sa.Column("item_id", sa.String(40), primary_key=True),
    sa.Column("code", sa.String(20), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("item_kind IN ('group', 'area', 'camera')", name="item_kind"),
    sa.Index("ix_platform_codes_code", "platform_id", "code", unique=True),
)
