"""Tables of alarm rules: who is told of alarms, when and how, and what they were told.

Part of the schema in :mod:`gateway.database.tables`. Written by :mod:`gateway.alarms.rule_rows`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

alarm_rules = sa.Table(
    "alarm_rules",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # Of what happens there and below; null is the whole county.
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    # Of these kinds and cameras; [] are all.
    sa.Column("kinds", sa.JSON, nullable=False),
    sa.Column("camera_ids", sa.JSON, nullable=False),
    sa.Column("least_priority", sa.String(12), nullable=False),
    # [{days: [1–7], start: "HH:MM", end: "HH:MM"}], in the zone of utc_offset_minutes: when the
    # rule applies ([] is always), and when nobody is to be disturbed.
    sa.Column("hours", sa.JSON, nullable=False),
    sa.Column("quiet", sa.JSON, nullable=False),
    sa.Column("utc_offset_minutes", sa.Integer, nullable=False),
    # Emergencies are told in quiet hours, too.
    sa.Column("breaks_through", sa.Boolean, nullable=False),
    # The priority that these alarms have; null: that of their kind.
    sa.Column("priority", sa.String(12), nullable=True),
    sa.Column("silent", sa.Boolean, nullable=False),
    # Who is told, step by step: [{after_minutes, user_ids, roles, channel_ids}]; the first at once,
    # each further when nobody has acknowledged the alarm so long after the first.
    sa.Column("steps", sa.JSON, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
)

alarm_notices = sa.Table(
    "alarm_notices",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("rule_id", sa.String(40), nullable=False),
    # As they were when it happened: a rule that is changed changes no notice.
    sa.Column("rule_name", sa.String(100), nullable=False),
    sa.Column("user_ids", sa.JSON, nullable=False),
    sa.Column("roles", sa.JSON, nullable=False),
    sa.Column("channel_ids", sa.JSON, nullable=False),
    # Null: of all that were held through quiet hours. The alarm may be forgotten before it.
    sa.Column("alarm_id", sa.String(40), nullable=True),
    sa.Column("step", sa.Integer, nullable=False),
    # Of so many alarms.
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("held", sa.Boolean, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("due_us", sa.BigInteger, nullable=False),
    sa.Column("told_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("state IN ('waiting', 'told', 'summed', 'dropped')", name="state"),
    sa.UniqueConstraint("alarm_id", "rule_id", "step"),
    sa.Index("ix_alarm_notices_state", "state", "due_us"),
    sa.Index("ix_alarm_notices_told_us", "told_us"),
)
