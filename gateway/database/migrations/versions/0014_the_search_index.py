"""The search index: passages, and what of each camera was looked at"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "passage_cameras",
        sa.Column("number", _Number, nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=False),
        sa.Column("passages", sa.BigInteger(), nullable=False),
        sa.Column("live_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_passage_cameras")),
        sa.UniqueConstraint("camera_id", name=op.f("uq_passage_cameras_camera_id")),
    )
    op.create_table(
        "passage_names",
        sa.Column("number", _Number, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_passage_names")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_passage_names_kind_name")),
    )
    op.create_table(
        "passage_looks",
        sa.Column("number", _Number, nullable=False),
        sa.Column("code", sa.LargeBinary(length=16), nullable=False),
        sa.Column("object_class", sa.SmallInteger(), nullable=False),
        sa.Column("possible", sa.Integer(), nullable=False),
        sa.Column("monochrome", sa.Boolean(), nullable=False),
        sa.Column("color", sa.SmallInteger(), nullable=True),
        sa.Column("color_second", sa.SmallInteger(), nullable=True),
        sa.Column("upper_color", sa.SmallInteger(), nullable=True),
        sa.Column("upper_color_second", sa.SmallInteger(), nullable=True),
        sa.Column("lower_color", sa.SmallInteger(), nullable=True),
        sa.Column("lower_color_second", sa.SmallInteger(), nullable=True),
        sa.Column("plate_color", sa.SmallInteger(), nullable=True),
        sa.Column("plate_color_second", sa.SmallInteger(), nullable=True),
        sa.Column("vehicle_type", _Number, nullable=True),
        sa.Column("rider", sa.Boolean(), nullable=True),
        sa.Column("passages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_passage_looks")),
        sa.UniqueConstraint("code", name=op.f("uq_passage_looks_code")),
    )
    op.create_table(
        "passage_plates",
        sa.Column("number", _Number, nullable=False),
        sa.Column("plate", sa.String(length=15), nullable=False),
        sa.Column("folded", sa.String(length=15), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_passage_plates")),
        sa.UniqueConstraint("plate", name=op.f("uq_passage_plates_plate")),
    )
    op.create_index("ix_passage_plates_folded", "passage_plates", ["folded"], unique=False)
    op.create_table(
        "passages",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("camera", sa.Integer(), nullable=False),
        sa.Column("look", sa.Integer(), nullable=False),
        sa.Column("motion", sa.SmallInteger(), nullable=False),
        sa.Column("lasts_ms", sa.Integer(), nullable=False),
        sa.Column("plate", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passages")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_passages_camera",
        "passages",
        ["camera", "id", "look", "motion", "lasts_ms"],
        unique=False,
    )
    op.create_index(
        "ix_passages_long",
        "passages",
        ["id", "lasts_ms", "look", "camera", "motion"],
        unique=False,
        sqlite_where=sa.text("lasts_ms >= 60000"),
        postgresql_where=sa.text("lasts_ms >= 60000"),
    )
    op.create_index(
        "ix_passages_look", "passages", ["look", "id", "camera", "motion", "lasts_ms"], unique=False
    )
    op.create_index(
        "ix_passages_plate",
        "passages",
        ["plate", "id"],
        unique=False,
        sqlite_where=sa.text("plate IS NOT NULL"),
        postgresql_where=sa.text("plate IS NOT NULL"),
    )
    op.create_table(
        "passage_details",
        sa.Column("id", _Number, autoincrement=False, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.Column("best_ms", sa.Integer(), nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("vectors", sa.Integer(), nullable=True),
        sa.Column("crop", sa.Integer(), nullable=True),
        sa.Column("crop_offset", sa.Integer(), nullable=True),
        sa.Column("crop_bytes", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passage_details")),
    )
    op.create_index("ix_passage_details_crop", "passage_details", ["crop"], unique=False)
    op.create_table(
        "passage_crops",
        sa.Column("number", _Number, nullable=False),
        sa.Column("store_key", sa.String(length=200), nullable=False),
        sa.Column("camera", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("passages", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_passage_crops")),
        sa.UniqueConstraint("store_key", name=op.f("uq_passage_crops_store_key")),
    )
    op.create_table(
        "passage_crossings",
        sa.Column("zone", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("after_ms", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("how", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("zone", "id", "after_ms", "how", name=op.f("pk_passage_crossings")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_passage_crossings_id", "passage_crossings", ["id"], unique=False)
    op.create_table(
        "indexed_spans",
        sa.Column("camera", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("model", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("camera", "model", "start_us", name=op.f("pk_indexed_spans")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "missed_spans",
        sa.Column("camera", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("start_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("camera", "cause", "start_us", name=op.f("pk_missed_spans")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "passage_leftovers",
        sa.Column("number", _Number, nullable=False),
        sa.Column("camera", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("passages", sa.Integer(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_passage_leftovers")),
    )
    op.create_table(
        "passage_crop_leftovers",
        sa.Column("store_key", sa.String(length=200), nullable=False),
        sa.Column("camera", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store_key", name=op.f("pk_passage_crop_leftovers")),
    )
    op.create_table(
        "passage_deletions",
        sa.Column("camera", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("passages", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("camera", "day", "cause", name=op.f("pk_passage_deletions")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_passage_deletions_day", "passage_deletions", ["day"], unique=False)
