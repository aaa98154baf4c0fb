"""Tables of incidents: what they are about, who handles them, by when, and all that was done.

Part of the schema in :mod:`gateway.database.tables`. Areas are no foreign keys here: an incident
outlives the village in which it happened. Written by :mod:`gateway.incidents`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# SQLite counts up only what is an INTEGER there.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

STATES = ("open", "assigned", "accepted", "arrived", "answered", "closed", "merged")
ORIGINS = ("alarm", "search", "live", "call", "field", "external")

incident_categories = sa.Table(
    "incident_categories",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("position", sa.Integer, nullable=False),
    # As gateway.incidents.clocks.Limit: {us, working, yellow_us}; null: no such limit.
    sa.Column("arrive", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("resolve", sa.JSON(none_as_null=True), nullable=True),
    # Not offered any more; incidents that have it keep it.
    sa.Column("retired", sa.Boolean, nullable=False),
)

units = sa.Table(
    "units",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    # What it is responsible for: this area and all below that have no unit of their own.
    sa.Column("area_id", sa.String(40), nullable=False),
    # The unit above it, to which it passes up what it cannot do.
    sa.Column("parent_id", sa.String(40), sa.ForeignKey("units.id"), nullable=True),
    # Ids of the categories that it handles; null: whatever no other unit of the area does.
    sa.Column("category_ids", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("phone", sa.String(40), nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index("ix_units_area_id", "area_id"),
)

unit_members = sa.Table(
    "unit_members",
    metadata,
    sa.Column("unit_id", sa.String(40), sa.ForeignKey("units.id"), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Index("ix_unit_members_user_id", "user_id"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # What people call it by: the year and a count, "2026-000123".
    sa.Column("number", sa.String(20), nullable=False, unique=True),
    # Counts up with every change.
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("origin", sa.String(8), nullable=False),
    # What it was opened from, by its origin: what comes twice opens one.
    sa.Column("origin_id", sa.String(100), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("words", sa.String(4000), nullable=False),
    sa.Column(
        "category_id", sa.String(40), sa.ForeignKey("incident_categories.id"), nullable=False
    ),
    sa.Column("priority", sa.String(9), nullable=False),
    # Where it is, on the axis 'area'; the path as it is or was last.
    sa.Column("area_id", sa.String(40), nullable=False),
    sa.Column("area_path", sa.String(1000), nullable=False),
    sa.Column("place", sa.String(300), nullable=False),
    # WGS-84.
    sa.Column("longitude", sa.Float, nullable=True),
    sa.Column("latitude", sa.Float, nullable=True),
    sa.Column("camera_id", sa.String(40), nullable=True),
    # When it happened, where that is known: footage is looked at there.
    sa.Column("happened_us", sa.BigInteger, nullable=True),
    # Who told of it, and may rate how it was handled.
    sa.Column("reporter_user_id", sa.String(40), nullable=True),
    sa.Column("reporter_name", sa.String(200), nullable=False),
    sa.Column("reporter_phone", sa.String(40), nullable=False),
    # All of its words in small letters: what is typed is looked for here.
    sa.Column("search_text", sa.Text, nullable=False),
    sa.Column("opened_us", sa.BigInteger, nullable=False),
    sa.Column("opened_by", sa.String(40), nullable=True),
    sa.Column("opened_name", sa.String(200), nullable=False),
    sa.Column("unit_id", sa.String(40), sa.ForeignKey("units.id"), nullable=True),
    # Who of the unit has taken it.
    sa.Column("handler_id", sa.String(40), nullable=True),
    sa.Column("handler_name", sa.String(200), nullable=True),
    sa.Column("assigned_us", sa.BigInteger, nullable=True),
    sa.Column("accepted_us", sa.BigInteger, nullable=True),
    sa.Column("arrived_us", sa.BigInteger, nullable=True),
    # The unit says that it is done; whoever dispatches closes it.
    sa.Column("answered_us", sa.BigInteger, nullable=True),
    sa.Column("closed_us", sa.BigInteger, nullable=True),
    sa.Column("result", sa.String(12), nullable=True),
    sa.Column("result_words", sa.String(4000), nullable=True),
    # By whoever reported it: 1 to 5.
    sa.Column("rating", sa.Integer, nullable=True),
    sa.Column("feedback", sa.String(2000), nullable=True),
    # As its category had them when it was opened.
    sa.Column("arrive", sa.JSON(none_as_null=True), nullable=True),
    sa.Column("resolve", sa.JSON(none_as_null=True), nullable=True),
    # [[start_us, end_us or null]]
    sa.Column("suspensions", sa.JSON, nullable=False),
    sa.Column("extended_us", sa.BigInteger, nullable=False),
    # {what: 'extend' | 'suspend', us, words, by, name, at_us}: asked by the unit, not decided yet.
    sa.Column("asked", sa.JSON(none_as_null=True), nullable=True),
    # A reply is demanded by then.
    sa.Column("reply_due_us", sa.BigInteger, nullable=True),
    sa.Column("urges", sa.Integer, nullable=False),
    # Worked out of all these: when each is due, and when the light turns; null while nothing runs.
    sa.Column("arrive_due_us", sa.BigInteger, nullable=True),
    sa.Column("resolve_due_us", sa.BigInteger, nullable=True),
    sa.Column("yellow_us", sa.BigInteger, nullable=True),
    sa.Column("red_us", sa.BigInteger, nullable=True),
    # The light that was told last.
    sa.Column("told_light", sa.String(6), nullable=False),
    sa.Column("arrived_late", sa.Boolean, nullable=True),
    sa.Column("resolved_late", sa.Boolean, nullable=True),
    sa.Column("merged_into", sa.String(40), sa.ForeignKey("incidents.id"), nullable=True),
    sa.Column("split_from", sa.String(40), sa.ForeignKey("incidents.id"), nullable=True),
    sa.CheckConstraint(f"state IN {STATES}", name="state"),
    sa.CheckConstraint(f"origin IN {ORIGINS}", name="origin"),
    sa.CheckConstraint("priority IN ('normal', 'urgent', 'emergency')", name="priority"),
    sa.CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
    sa.Index("ix_incidents_origin", "origin", "origin_id", unique=True),
    sa.Index("ix_incidents_changed_us", "changed_us"),
    sa.Index("ix_incidents_opened_us", "opened_us", "id"),
    sa.Index("ix_incidents_unit_id", "unit_id", "opened_us", "id"),
    sa.Index("ix_incidents_category_id", "category_id", "opened_us", "id"),
    sa.Index("ix_incidents_reporter_user_id", "reporter_user_id", "opened_us"),
    sa.Index("ix_incidents_reporter_phone", "reporter_phone", "opened_us"),
    sa.Index("ix_incidents_merged_into", "merged_into"),
    # Few are under way at a time.
    sa.Index(
        "ix_incidents_under_way",
        "opened_us",
        "id",
        sqlite_where=sa.text("closed_us IS NULL"),
        postgresql_where=sa.text("closed_us IS NULL"),
    ),
    sa.Index(
        "ix_incidents_over",
        "opened_us",
        "id",
        sqlite_where=sa.text("closed_us IS NOT NULL"),
        postgresql_where=sa.text("closed_us IS NOT NULL"),
    ),
)

# In which areas each incident lies, from the root down: a page of any subtree is one range.
incident_areas = sa.Table(
    "incident_areas",
    metadata,
    sa.Column("area_id", sa.String(40), primary_key=True),
    sa.Column("opened_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("incident_id", sa.String(40), sa.ForeignKey("incidents.id"), primary_key=True),
    sa.Index("ix_incident_areas_incident_id", "incident_id"),
    sqlite_with_rowid=False,
)

incident_numbers = sa.Table(
    "incident_numbers",
    metadata,
    sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last", sa.Integer, nullable=False),
)

incident_steps = sa.Table(
    "incident_steps",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=True),
    sa.Column("incident_id", sa.String(40), sa.ForeignKey("incidents.id"), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    # Null: the gateway itself.
    sa.Column("by_id", sa.String(40), nullable=True),
    sa.Column("by_name", sa.String(200), nullable=False),
    # The unit that had it then.
    sa.Column("unit_id", sa.String(40), nullable=True),
    sa.Column("words", sa.String(4000), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    # As the telephone names it that took the step: what it sends twice is one step.
    sa.Column("told_as", sa.String(40), nullable=True),
    sa.Index(
        "ix_incident_steps_told_as",
        "told_as",
        "incident_id",
        "by_id",
        unique=True,
        sqlite_where=sa.text("told_as IS NOT NULL"),
        postgresql_where=sa.text("told_as IS NOT NULL"),
    ),
    sa.Index("ix_incident_steps_incident_id", "incident_id", "id"),
)

incident_attachments = sa.Table(
    "incident_attachments",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("incident_id", sa.String(40), sa.ForeignKey("incidents.id"), nullable=False),
    # 'file': subject_id is of attached_files; 'footage' and 'snapshot': of a camera, with a time;
    # 'export': of an export job.
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("subject_id", sa.String(40), nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=True),
    sa.Column("end_us", sa.BigInteger, nullable=True),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("by_id", sa.String(40), nullable=True),
    sa.Column("by_name", sa.String(200), nullable=False),
    sa.CheckConstraint("kind IN ('file', 'footage', 'snapshot', 'export')", name="kind"),
    sa.Index("ix_incident_attachments_incident_id", "incident_id"),
    sa.Index("ix_incident_attachments_subject_id", "subject_id"),
)

duty_shifts = sa.Table(
    "duty_shifts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("area_id", sa.String(40), nullable=False),
    sa.Column("unit_id", sa.String(40), sa.ForeignKey("units.id"), nullable=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("post", sa.String(10), nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sa.Column("phone", sa.String(40), nullable=False),
    sa.Column("note", sa.String(300), nullable=False),
    sa.CheckConstraint("post IN ('leader', 'agent', 'handler')", name="post"),
    sa.Index("ix_duty_shifts_area_id", "area_id", "start_us"),
    sa.Index("ix_duty_shifts_end_us", "end_us"),
)

agent_seats = sa.Table(
    "agent_seats",
    metadata,
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("area_id", sa.String(40), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("state IN ('ready', 'talking', 'writing', 'away')", name="state"),
)
