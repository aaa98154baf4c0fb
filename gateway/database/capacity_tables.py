"""The forecast of each day, kept: of the whole store, of each area's own cameras, of each camera.

A day is UTC, counted from 1970. The row of ``forecast_days`` is written last: where it is, the day
is whole.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

forecast_days = sa.Table(
    "forecast_days",
    metadata,
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("used_bytes", sa.BigInteger, nullable=False),
    # Null: the store cannot tell, and no capacity is configured.
    sa.Column("free_bytes", sa.BigInteger, nullable=True),
    sa.Column("bytes_per_day", sa.BigInteger, nullable=False),
    sa.Column("full_at_us", sa.BigInteger, nullable=True),
    # What all will keep after 0, 1, 2, … days.
    sa.Column("projected", sa.JSON, nullable=False),
)

forecast_area_days = sa.Table(
    "forecast_area_days",
    metadata,
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    # The home of the cameras that are counted, not of those below it.
    sa.Column("area_id", sa.String(40), primary_key=True),
    sa.Column("cameras", sa.Integer, nullable=False),
    sa.Column("short", sa.Integer, nullable=False),
    sa.Column("empty", sa.Integer, nullable=False),
    sa.Column("filling", sa.Integer, nullable=False),
    sa.Column("used_bytes", sa.BigInteger, nullable=False),
    sa.Column("bytes_per_day", sa.BigInteger, nullable=False),
    # Of the camera that keeps, or will keep, the fewest.
    sa.Column("least_days", sa.Float, nullable=True),
    sqlite_with_rowid=False,
)

forecast_camera_days = sa.Table(
    "forecast_camera_days",
    metadata,
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("camera_id", sa.String(40), primary_key=True),
    # When it was looked at: what a later look of the day does not find goes.
    sa.Column("kept_us", sa.BigInteger, nullable=False),
    # Where it stands among all of the day, the worst first.
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    # Why it is short: its own limit in bytes, or the store's space.
    sa.Column("cause", sa.String(8), nullable=True),
    sa.Column("required_days", sa.Float, nullable=False),
    sa.Column("kept_days", sa.Float, nullable=False),
    sa.Column("reach_days", sa.Float, nullable=False),
    sa.Column("short_from_us", sa.BigInteger, nullable=True),
    sa.Column("used_bytes", sa.BigInteger, nullable=False),
    sa.Column("bytes_per_day", sa.BigInteger, nullable=False),
    # Of what was recorded in the last whole days, and in the weeks before.
    sa.Column("bitrate_bps", sa.BigInteger, nullable=True),
    sa.Column("before_bps", sa.BigInteger, nullable=True),
    # What the rise of its bitrate adds to each day.
    sa.Column("risen_bytes_per_day", sa.BigInteger, nullable=False),
    sa.CheckConstraint("state IN ('short', 'empty', 'filling', 'ok')", name="state"),
    sa.CheckConstraint("cause IN ('bytes', 'space')", name="cause"),
    sa.Index("ix_forecast_camera_days_place", "day", "place"),
    sqlite_with_rowid=False,
)
