"""Tables of daily work with devices: who steers, patrols, what devices tell, alarms, switches.

Part of the schema in :mod:`gateway.database.tables`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# Who holds a camera that moves. Written before its first command goes out, so that a signalling
# process that was killed finds what it must stop, and whose time it must end in the register.
ptz_holdings = sa.Table(
    "ptz_holdings",
    metadata,
    sa.Column("camera_id", sa.String(40), primary_key=True),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    # As gateway.platforms.ptz.Holder: kind, id, name, display_name, priority, …
    sa.Column("holder", sa.JSON, nullable=False),
)

# What people call presets: many devices keep no names, and some not even a list.
preset_names = sa.Table(
    "preset_names",
    metadata,
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
)

# Where a camera returns when nobody has steered it for a while: '' is the device's own home.
ptz_homes = sa.Table(
    "ptz_homes",
    metadata,
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    sa.Column("preset", sa.String(64), nullable=False),
    sa.Column("after_s", sa.Integer, nullable=False),
)

patrols = sa.Table(
    "patrols",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    # [{preset, dwell_s, speed}]
    sa.Column("steps", sa.JSON, nullable=False),
    # [{days: [1–7], start: "HH:MM", end: "HH:MM"}], in the zone of utc_offset_minutes.
    sa.Column("schedule", sa.JSON, nullable=False),
    sa.Column("utc_offset_minutes", sa.Integer, nullable=False),
    # Started by hand: runs until it is stopped. Stopped by hand: rests until its schedule begins
    # after that time.
    sa.Column("started_us", sa.BigInteger, nullable=True),
    sa.Column("started_by", sa.String(200), nullable=True),
    sa.Column("stopped_us", sa.BigInteger, nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Index("ix_patrols_camera_id", "camera_id"),
)

device_events = sa.Table(
    "device_events",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("platform_id", sa.String(40), nullable=False),
    # Of the channel when it was told; null: no camera of ours, or the device itself.
    sa.Column("camera_id", sa.String(40), nullable=True),
    sa.Column("channel", sa.String(80), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("source", sa.String(200), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("begin_us", sa.BigInteger, nullable=False),
    # Null while it lasts.
    sa.Column("end_us", sa.BigInteger, nullable=True),
    # How many pulses of one source stand in this row.
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.CheckConstraint("state IN ('open', 'ended', 'pulse')", name="state"),
    sa.Index("ix_device_events_begin_us", "begin_us", "id"),
    sa.Index("ix_device_events_camera_id", "camera_id", "begin_us"),
    sa.Index("ix_device_events_platform_id", "platform_id", "begin_us"),
    # Few rows are open at a time: these joins of begin and end stay small for ever.
    sa.Index(
        "ix_device_events_open",
        "platform_id",
        "channel",
        "kind",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    ),
)

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(20), nullable=False),
    # What it is about, as one word: "camera:ID", "platform:ID", "switch:ID", "network:10.1.2.0/24".
    sa.Column("subject", sa.String(100), nullable=False),
    sa.Column("camera_id", sa.String(40), nullable=True),
    sa.Column("platform_id", sa.String(40), nullable=True),
    sa.Column("switch_id", sa.String(40), nullable=True),
    sa.Column("network", sa.String(50), nullable=True),
    # Who may see it: the home of what it is about; null is the county.
    sa.Column("area_id", sa.String(40), nullable=True),
    # The approved search that it is about: seen by members of its case and who may approve, and
    # ended by who sees to it, not by a condition that is over.
    sa.Column("search_request_id", sa.String(40), nullable=True),
    sa.Column("begin_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=True),
    # The alarm that explains it: a camera's in that of its switch.
    sa.Column("folded_into", sa.String(40), sa.ForeignKey("alarms.id"), nullable=True),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("acknowledged_us", sa.BigInteger, nullable=True),
    sa.Column("acknowledged_by", sa.String(40), nullable=True),
    sa.Column("acknowledged_name", sa.String(200), nullable=True),
    sa.Column("note", sa.String(500), nullable=True),
    # Until then it waits for nobody; whether it is still on is seen by the clock alone.
    sa.Column("snoozed_until_us", sa.BigInteger, nullable=True),
    sa.Column("snoozed_name", sa.String(200), nullable=True),
    # What a rule makes of it; null: the priority of its kind.
    sa.Column("priority", sa.String(12), nullable=True),
    sa.Column("silent", sa.Boolean, nullable=False, server_default=sa.false()),
    # How often it came back after it was over, and since when the last time.
    sa.Column("again", sa.Integer, nullable=False, server_default="0"),
    sa.Column("again_us", sa.BigInteger, nullable=True),
    # Who thought that others must hear of it, why, and when the last time.
    sa.Column("escalated_us", sa.BigInteger, nullable=True),
    sa.Column("escalated_name", sa.String(200), nullable=True),
    sa.Column("escalated_words", sa.String(500), nullable=True),
    sa.Index("ix_alarms_begin_us", "begin_us", "id"),
    sa.Index("ix_alarms_camera_id", "camera_id", "begin_us"),
    sa.Index("ix_alarms_folded_into", "folded_into"),
    # What has happened there before.
    sa.Index("ix_alarms_subject", "subject", "kind", "begin_us"),
    # One of a kind about one thing at a time.
    sa.Index(
        "ix_alarms_open",
        "kind",
        "subject",
        unique=True,
        sqlite_where=sa.text("end_us IS NULL"),
        postgresql_where=sa.text("end_us IS NULL"),
    ),
)

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    # ["10.1.2.0/24"]: cameras whose host lies in one of them are behind it.
    sa.Column("networks", sa.JSON, nullable=False),
    # Ids of cameras that are behind it whatever their address.
    sa.Column("camera_ids", sa.JSON, nullable=False),
    sa.Column("management_host", sa.String(255), nullable=True),
    sa.Column("management_port", sa.Integer, nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Index("ix_switches_area_id", "area_id"),
)
