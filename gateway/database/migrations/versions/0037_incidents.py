"""Incidents, the units that handle them, duty and seats"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037.0033"
down_revision = "0036.0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "incident_categories",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("arrive", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("resolve", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_categories")),
        sa.UniqueConstraint("name", name=op.f("uq_incident_categories_name")),
    )
    op.create_table(
        "incident_numbers",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_incident_numbers")),
    )
    op.create_table(
        "units",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("parent_id", sa.String(length=40), nullable=True),
        sa.Column("category_ids", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("phone", sa.String(length=40), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["units.id"], name=op.f("fk_units_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
    )
    op.create_index("ix_units_area_id", "units", ["area_id"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("origin_id", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("words", sa.String(length=4000), nullable=False),
        sa.Column("category_id", sa.String(length=40), nullable=False),
        sa.Column("priority", sa.String(length=9), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("area_path", sa.String(length=1000), nullable=False),
        sa.Column("place", sa.String(length=300), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=True),
        sa.Column("latitude", sa.Float(), nullable=True),
        sa.Column("camera_id", sa.String(length=40), nullable=True),
        sa.Column("happened_us", sa.BigInteger(), nullable=True),
        sa.Column("reporter_user_id", sa.String(length=40), nullable=True),
        sa.Column("reporter_name", sa.String(length=200), nullable=False),
        sa.Column("reporter_phone", sa.String(length=40), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(length=40), nullable=True),
        sa.Column("opened_name", sa.String(length=200), nullable=False),
        sa.Column("unit_id", sa.String(length=40), nullable=True),
        sa.Column("handler_id", sa.String(length=40), nullable=True),
        sa.Column("handler_name", sa.String(length=200), nullable=True),
        sa.Column("assigned_us", sa.BigInteger(), nullable=True),
        sa.Column("accepted_us", sa.BigInteger(), nullable=True),
        sa.Column("arrived_us", sa.BigInteger(), nullable=True),
        sa.Column("answered_us", sa.BigInteger(), nullable=True),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.String(length=12), nullable=True),
        sa.Column("result_words", sa.String(length=4000), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("feedback", sa.String(length=2000), nullable=True),
        sa.Column("arrive", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("resolve", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("suspensions", sa.JSON(), nullable=False),
        sa.Column("extended_us", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reply_due_us", sa.BigInteger(), nullable=True),
        sa.Column("urges", sa.Integer(), nullable=False),
        sa.Column("arrive_due_us", sa.BigInteger(), nullable=True),
        sa.Column("resolve_due_us", sa.BigInteger(), nullable=True),
        sa.Column("yellow_us", sa.BigInteger(), nullable=True),
        sa.Column("red_us", sa.BigInteger(), nullable=True),
        sa.Column("told_light", sa.String(length=6), nullable=False),
        sa.Column("arrived_late", sa.Boolean(), nullable=True),
        sa.Column("resolved_late", sa.Boolean(), nullable=True),
        sa.Column("merged_into", sa.String(length=40), nullable=True),
        sa.Column("split_from", sa.String(length=40), nullable=True),
        sa.CheckConstraint(
            "origin IN ('alarm', 'search', 'live', 'call', 'field', 'external')",
            name=op.f("ck_incidents_origin"),
        ),
        sa.CheckConstraint(
            "priority IN ('normal', 'urgent', 'emergency')", name=op.f("ck_incidents_priority")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'assigned', 'accepted', 'arrived', 'answered', 'closed', 'merged')",
            name=op.f("ck_incidents_state"),
        ),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_incidents_rating")),
        sa.ForeignKeyConstraint(
            ["category_id"], ["incident_categories.id"], name=op.f("fk_incidents_category_id")
        ),
        sa.ForeignKeyConstraint(
            ["merged_into"], ["incidents.id"], name=op.f("fk_incidents_merged_into")
        ),
        sa.ForeignKeyConstraint(
            ["split_from"], ["incidents.id"], name=op.f("fk_incidents_split_from")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_incidents_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("number", name=op.f("uq_incidents_number")),
    )
    op.create_index(
        "ix_incidents_category_id", "incidents", ["category_id", "opened_us", "id"], unique=False
    )
    op.create_index("ix_incidents_changed_us", "incidents", ["changed_us"], unique=False)
    op.create_index("ix_incidents_merged_into", "incidents", ["merged_into"], unique=False)
    op.create_index("ix_incidents_opened_us", "incidents", ["opened_us", "id"], unique=False)
    op.create_index("ix_incidents_origin", "incidents", ["origin", "origin_id"], unique=True)
    op.create_index(
        "ix_incidents_reporter_phone", "incidents", ["reporter_phone", "opened_us"], unique=False
    )
    op.create_index(
        "ix_incidents_reporter_user_id",
        "incidents",
        ["reporter_user_id", "opened_us"],
        unique=False,
    )
    op.create_index(
        "ix_incidents_under_way",
        "incidents",
        ["opened_us", "id"],
        unique=False,
        sqlite_where=sa.text("closed_us IS NULL"),
        postgresql_where=sa.text("closed_us IS NULL"),
    )
    op.create_index(
        "ix_incidents_over",
        "incidents",
        ["opened_us", "id"],
        unique=False,
        sqlite_where=sa.text("closed_us IS NOT NULL"),
        postgresql_where=sa.text("closed_us IS NOT NULL"),
    )
    op.create_index(
        "ix_incidents_unit_id", "incidents", ["unit_id", "opened_us", "id"], unique=False
    )
    op.create_table(
        "agent_seats",
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('ready', 'talking', 'writing', 'away')", name=op.f("ck_agent_seats_state")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_agent_seats_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_agent_seats")),
    )
    op.create_table(
        "duty_shifts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("unit_id", sa.String(length=40), nullable=True),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("post", sa.String(length=10), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.CheckConstraint(
            "post IN ('leader', 'agent', 'handler')", name=op.f("ck_duty_shifts_post")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_duty_shifts_unit_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_duty_shifts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_shifts")),
    )
    op.create_index("ix_duty_shifts_area_id", "duty_shifts", ["area_id", "start_us"], unique=False)
    op.create_index("ix_duty_shifts_end_us", "duty_shifts", ["end_us"], unique=False)
    op.create_table(
        "incident_areas",
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_areas_incident_id")
        ),
        sa.PrimaryKeyConstraint(
            "area_id", "opened_us", "incident_id", name=op.f("pk_incident_areas")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_incident_areas_incident_id", "incident_areas", ["incident_id"], unique=False
    )
    op.create_table(
        "incident_attachments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=True),
        sa.Column("end_us", sa.BigInteger(), nullable=True),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("by_id", sa.String(length=40), nullable=True),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        sa.CheckConstraint(
            "kind IN ('file', 'footage', 'snapshot', 'export')",
            name=op.f("ck_incident_attachments_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_attachments_incident_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_attachments")),
    )
    op.create_index(
        "ix_incident_attachments_incident_id", "incident_attachments", ["incident_id"], unique=False
    )
    op.create_index(
        "ix_incident_attachments_subject_id", "incident_attachments", ["subject_id"], unique=False
    )
    op.create_table(
        "incident_steps",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("by_id", sa.String(length=40), nullable=True),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        sa.Column("unit_id", sa.String(length=40), nullable=True),
        sa.Column("words", sa.String(length=4000), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_steps_incident_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_steps")),
    )
    op.create_index(
        "ix_incident_steps_incident_id", "incident_steps", ["incident_id", "id"], unique=False
    )
    op.create_table(
        "unit_members",
        sa.Column("unit_id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_unit_members_unit_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_unit_members_user_id")),
        sa.PrimaryKeyConstraint("unit_id", "user_id", name=op.f("pk_unit_members")),
    )
    op.create_index("ix_unit_members_user_id", "unit_members", ["user_id"], unique=False)
