"""What of a camera's picture is shown to nobody without the right to see it."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

camera_masks = sa.Table(
    "camera_masks",
    metadata,
    # Every version that was ever in force: footage stays covered by what covered it when it was
    # recorded. A version without masks takes them away.
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    # [{"name": …, "points": [[x, y], …]}, …], see gateway.masks.
    sa.Column("masks", sa.JSON, nullable=False),
    sa.Column("from_us", sa.BigInteger, nullable=False),
    # When the next version took its place; null is in force.
    sa.Column("until_us", sa.BigInteger, nullable=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("user_name", sa.String(100), nullable=False),
    # Few, among all that ever were.
    sa.Index(
        "ix_camera_masks_in_force",
        "camera_id",
        unique=True,
        sqlite_where=sa.text("until_us IS NULL"),
        postgresql_where=sa.text("until_us IS NULL"),
    ),
)
