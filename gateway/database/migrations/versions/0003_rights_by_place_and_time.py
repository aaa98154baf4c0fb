"""Trees of areas beside the townships, cameras in several places, grants with a validity"""

from __future__ import annotations

import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("areas", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("axis", sa.String(length=16), server_default="area", nullable=False)
        )
        batch_op.create_check_constraint(
            "axis", "axis IN ('area', 'department', 'police', 'platform')"
        )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("area_id", sa.String(length=40), nullable=True))
        batch_op.create_foreign_key(op.f("fk_users_area_id"), "areas", ["area_id"], ["id"])
    op.create_table(
        "camera_places",
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_camera_places_camera_id")
        ),
        sa.ForeignKeyConstraint(["area_id"], ["areas.id"], name=op.f("fk_camera_places_area_id")),
        sa.PrimaryKeyConstraint("camera_id", "area_id", name=op.f("pk_camera_places")),
    )
    with op.batch_alter_table("camera_places", schema=None) as batch_op:
        batch_op.create_index("ix_camera_places_area_id", ["area_id", "camera_id"], unique=False)
    _give_grants_an_id()


def _give_grants_an_id() -> None:
    connection = op.get_bind()
    held = connection.execute(sa.text("SELECT user_id, role, area_id FROM grants")).mappings().all()
    op.drop_table("grants")
    grants = op.create_table(
        "grants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("area_id", sa.String(length=40), nullable=False),
        sa.Column("valid_from_us", sa.BigInteger(), nullable=True),
        sa.Column("valid_until_us", sa.BigInteger(), nullable=True),
        sa.Column("ptz_priority", sa.Integer(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("granted_by", sa.String(length=40), nullable=True),
        sa.CheckConstraint("ptz_priority BETWEEN 1 AND 100", name=op.f("ck_grants_ptz_priority")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_grants_user_id")),
        sa.ForeignKeyConstraint(["granted_by"], ["users.id"], name=op.f("fk_grants_granted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.create_index("ix_grants_user_id", ["user_id"], unique=False)
        batch_op.create_index("ix_grants_area_id", ["area_id"], unique=False)
    at_us = time.time_ns() // 1000
    rows = [{**row, "id": f"grant_{secrets.token_hex(10)}", "created_us": at_us} for row in held]
    if rows:
        connection.execute(sa.insert(grants), rows)
