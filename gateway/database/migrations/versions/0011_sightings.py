"""Vehicles and persons that other platforms have seen"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sighting_places",
        sa.Column("id", _Number, nullable=False),
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("camera_id", sa.String(length=40), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_sighting_places_camera_id")
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platforms.id"], name=op.f("fk_sighting_places_platform_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sighting_places")),
        sa.UniqueConstraint(
            "platform_id", "code", name=op.f("uq_sighting_places_platform_id_code")
        ),
    )
    op.create_index("ix_sighting_places_camera_id", "sighting_places", ["camera_id"])
    op.create_table(
        "sightings",
        sa.Column("id", _Number, nullable=False),
        sa.Column("own_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("place_id", _Number, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("plate", sa.String(length=15), nullable=True),
        sa.Column("plate_color", sa.SmallInteger(), nullable=True),
        sa.Column("color", sa.SmallInteger(), nullable=True),
        sa.Column("lower_color", sa.SmallInteger(), nullable=True),
        sa.Column("vehicle_type", sa.String(length=16), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("pictures", sa.JSON(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["place_id"], ["sighting_places.id"], name=op.f("fk_sightings_place_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sightings")),
        sa.UniqueConstraint("own_key", name=op.f("uq_sightings_own_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_sightings_at_us",
        "sightings",
        [
            "at_us", "id", "place_id", "kind", "color", "plate_color", "vehicle_type",
            "lower_color", "plate",
        ],
    )  # fmt: skip
    op.create_index("ix_sightings_place_id", "sightings", ["place_id", "at_us", "id"])
    op.create_index("ix_sightings_plate", "sightings", ["plate", "at_us", "id"])
    op.create_table(
        "sighting_plates",
        sa.Column("plate", sa.String(length=15), nullable=False),
        sa.Column("folded", sa.String(length=15), nullable=False),
        sa.PrimaryKeyConstraint("plate", name=op.f("pk_sighting_plates")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sighting_plates_folded", "sighting_plates", ["folded"])
    op.create_table(
        "sighting_leftovers",
        sa.Column("store_key", sa.String(length=200), nullable=False),
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("store_key", name=op.f("pk_sighting_leftovers")),
    )
    op.create_table(
        "sighting_deletions",
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=False),
        sa.Column("sightings", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("platform_id", "day", "cause", name=op.f("pk_sighting_deletions")),
    )
    op.create_table(
        "sighting_subscriptions",
        sa.Column("platform_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("ends_us", sa.BigInteger(), nullable=True),
        sa.Column("told_id", sa.BigInteger(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("changed_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "direction IN ('given', 'taken')", name=op.f("ck_sighting_subscriptions_direction")
        ),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platforms.id"], name=op.f("fk_sighting_subscriptions_platform_id")
        ),
        sa.PrimaryKeyConstraint("platform_id", "id", name=op.f("pk_sighting_subscriptions")),
    )
