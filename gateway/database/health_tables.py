"""Tables of camera health: how each camera stands, as it should look, and its days.

Part of the schema in :mod:`gateway.database.tables`. Written by :mod:`gateway.health`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

camera_health = sa.Table(
    "camera_health",
    metadata,
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    # Raised by each look and each new reference.
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("looked_us", sa.BigInteger, nullable=False),
    sa.Column("next_us", sa.BigInteger, nullable=False),
    # When the last picture that was looked at was taken, and why there was none at the last look.
    sa.Column("picture_us", sa.BigInteger, nullable=True),
    sa.Column("missing", sa.String(200), nullable=True),
    # {finding: gateway.health.standing.Standing}; those that are open as bits.
    sa.Column("standing", sa.JSON, nullable=False),
    sa.Column("found", sa.Integer, nullable=False),
    # Of the last picture: gateway.health.picture_measures.Measures.samples.
    sa.Column("samples", sa.LargeBinary, nullable=True),
    # A picture that is kept to be shown, in the store.
    sa.Column("picture_key", sa.String(200), nullable=True),
    sa.Column("kept_us", sa.BigInteger, nullable=True),
    # By how much the camera's clock is ahead of ours; null where nobody could measure it.
    sa.Column("clock_offset_us", sa.BigInteger, nullable=True),
    sa.Index("ix_camera_health_next_us", "next_us"),
    # Few cameras are unwell at a time, and alarms ask for them all the time.
    sa.Index(
        "ix_camera_health_found",
        "found",
        sqlite_where=sa.text("found <> 0"),
        postgresql_where=sa.text("found <> 0"),
    ),
)

camera_health_references = sa.Table(
    "camera_health_references",
    metadata,
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    # In which light.
    sa.Column("mode", sa.String(8), primary_key=True),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    # Who said that this is right; null: it was the first picture.
    sa.Column("by_name", sa.String(200), nullable=True),
    sa.Column("picture_key", sa.String(200), nullable=False),
    # gateway.health.picture_measures.Reference.
    sa.Column("numbers", sa.JSON, nullable=False),
    sa.Column("thumb", sa.LargeBinary, nullable=False),
    sa.Column("deviations", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("mode IN ('day', 'dim', 'night')", name="mode"),
)

camera_health_days = sa.Table(
    "camera_health_days",
    metadata,
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    # Since 1970, by the clock on the wall (health.utc_offset_minutes).
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("recorded_us", sa.BigInteger, nullable=False),
    # What should be recorded of it, as far as it has passed.
    sa.Column("expected_us", sa.BigInteger, nullable=False),
    # What was open on that day, as bits.
    sa.Column("found", sa.Integer, nullable=False),
    sa.Index("ix_camera_health_days_day", "day"),
)
