"""Tables of what brings channels and what takes them: devices, and other platforms.

Part of the schema in :mod:`gateway.database.tables`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

platforms = sa.Table(
    "platforms",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    # 'below' gives to us; 'above' is given to, when `enabled`, what its shares say.
    sa.Column("direction", sa.String(8), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    # By which it names itself: 20 digits (GB/T 28181 annex D, GA/T 1400); null for ONVIF.
    sa.Column("code", sa.String(40), nullable=True),
    # Who administers this area administers it, and its channels become cameras of this area
    # unless somebody says otherwise.
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=False),
    # Where it answers; null when it comes to us, from wherever it is.
    sa.Column("host", sa.String(255), nullable=True),
    sa.Column("port", sa.Integer, nullable=True),
    sa.Column("username", sa.String(200), nullable=True),
    sa.Column("password_sealed", sa.String(1000), nullable=True),
    # What only this kind has: see gateway.platforms.options.
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    # Raised by every change, so that signalling sees by one sum that it must reconcile.
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("deleted_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("kind IN ('onvif', 'gb28181', 'gat1400')", name="kind"),
    sa.CheckConstraint("direction IN ('below', 'above')", name="direction"),
    # Two of one kind cannot have one code, or nobody could tell who is speaking.
    sa.Index(
        "ix_platforms_code",
        "kind",
        "direction",
        "code",
        unique=True,
        sqlite_where=sa.text("deleted_us IS NULL"),
        postgresql_where=sa.text("deleted_us IS NULL"),
    ),
    sa.Index("ix_platforms_area_id", "area_id"),
)

platform_states = sa.Table(
    "platform_states",
    metadata,
    sa.Column(
        "platform_id",
        sa.String(40),
        sa.ForeignKey("platforms.id"),
        primary_key=True,
    ),
    # The one signalling process that speaks for it, fenced by the epoch until the lease ends.
    sa.Column("owner", sa.String(100), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("lease_until_us", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    # A stable code for translation, and one English line.
    sa.Column("fault", sa.String(40), nullable=False, server_default=""),
    sa.Column("detail", sa.String(500), nullable=False, server_default=""),
    # From where it last spoke, which behind NAT is not where it says that it is.
    sa.Column("host", sa.String(255), nullable=True),
    sa.Column("port", sa.Integer, nullable=True),
    sa.Column("transport", sa.String(8), nullable=True),
    sa.Column("expires_us", sa.BigInteger, nullable=True),
    sa.Column("seen_us", sa.BigInteger, nullable=True),
    # manufacturer, model, firmware, serial_number, clock_offset_us, capabilities, …
    sa.Column("facts", sa.JSON, nullable=False),
    # The last fetch of its channels: state, expected, received, orphans, duplicates, at_us, …
    sa.Column("catalog", sa.JSON, nullable=False),
    sa.CheckConstraint(
        "state IN ('connecting', 'online', 'offline', 'refused', 'disabled')", name="state"
    ),
)

platform_channels = sa.Table(
    "platform_channels",
    metadata,
    sa.Column("platform_id", sa.String(40), sa.ForeignKey("platforms.id"), primary_key=True),
    sa.Column("code", sa.String(80), primary_key=True),
    # The channel, group or platform above it; null directly beneath the platform.
    sa.Column("parent_code", sa.String(80), nullable=True),
    sa.Column("kind", sa.String(16), nullable=False),
    # As the other side names it. What we call the camera is in `cameras`.
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("civil_code", sa.String(20), nullable=True),
    sa.Column("status", sa.String(8), nullable=False),
    sa.Column("longitude", sa.Float, nullable=True),
    sa.Column("latitude", sa.Float, nullable=True),
    # manufacturer, model, address, ptz_type, main_url, sub_url, profiles, …
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("seen_us", sa.BigInteger, nullable=False),
    # When it was no longer in the catalogue; null while it is.
    sa.Column("gone_us", sa.BigInteger, nullable=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=True),
    sa.CheckConstraint("kind IN ('camera', 'group', 'area', 'device', 'other')", name="kind"),
    sa.CheckConstraint("status IN ('on', 'off', 'unknown')", name="status"),
    sa.Index("ix_platform_channels_parent_code", "platform_id", "parent_code"),
    sa.Index("ix_platform_channels_camera_id", "camera_id"),
)

# Who knocks without being known: shown to people, never taken in silently. Bounded: the oldest go.
platform_applicants = sa.Table(
    "platform_applicants",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("code", sa.String(40), primary_key=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("port", sa.Integer, nullable=False),
    sa.Column("transport", sa.String(8), nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    # Whether it proved to know the password that is set for all newcomers.
    sa.Column("knows_password", sa.Boolean, nullable=False),
    sa.Column("detail", sa.String(500), nullable=False),
)
