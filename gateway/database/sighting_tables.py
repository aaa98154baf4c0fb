"""Tables of what others have seen: vehicles, people, pictures that checkpoints told us of.

Part of the schema in :mod:`gateway.database.tables`. What they are found by, and which index
answers what, is in :mod:`gateway.sightings.search`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# SQLite counts up only what is an INTEGER there.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# A device or checkpoint by its code, as one platform names it.
sighting_places = sa.Table(
    "sighting_places",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("platform_id", sa.String(40), sa.ForeignKey("platforms.id"), nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    # The camera that the device is; with it come its areas, its masks, its retention and holds.
    # Without one it stands where its platform stands.
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("platform_id", "code"),
    sa.Index("ix_sighting_places_camera_id", "camera_id"),
)

sightings = sa.Table(
    "sightings",
    metadata,
    # Counts up with arrival: what is told to platforms above goes by it.
    sa.Column("id", _Number, primary_key=True),
    # Of platform, kind and the id that it has there: told twice, it is stored once.
    sa.Column("own_key", sa.LargeBinary(16), nullable=False, unique=True),
    sa.Column("place_id", _Number, sa.ForeignKey("sighting_places.id"), nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    # When, by the device's clock if that can be; and when we were told.
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("received_us", sa.BigInteger, nullable=False),
    sa.Column("plate", sa.String(15), nullable=True),
    # GA/T 1400's ColorType: of the plate; of the vehicle or a person's coat; of the trousers.
    sa.Column("plate_color", sa.SmallInteger, nullable=True),
    sa.Column("color", sa.SmallInteger, nullable=True),
    sa.Column("lower_color", sa.SmallInteger, nullable=True),
    sa.Column("vehicle_type", sa.String(16), nullable=True),
    # Everything else that was taken, by the names of camera_adapters.gat1400.objects.
    sa.Column("facts", sa.JSON, nullable=False),
    # [[ImageType, offset, length, width, height], …] within the one object of the store.
    sa.Column("pictures", sa.JSON, nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    # Newest first, and every filter without a look at the row: ten million are walked in seconds,
    # the first page mostly in milliseconds.
    sa.Index(
        "ix_sightings_at_us",
        "at_us",
        "id",
        "place_id",
        "kind",
        "color",
        "plate_color",
        "vehicle_type",
        "lower_color",
        "plate",
    ),
    # The newest of a few places, and what of a place is too old.
    sa.Index("ix_sightings_place_id", "place_id", "at_us", "id"),
    sa.Index("ix_sightings_plate", "plate", "at_us", "id"),
    sqlite_autoincrement=True,
)

# Every plate that occurs, once: parts of plates and look-alikes are looked for here, which is
# some hundred times smaller than what passed.
sighting_plates = sa.Table(
    "sighting_plates",
    metadata,
    sa.Column("plate", sa.String(15), primary_key=True),
    # Look-alike characters as one: see search.plates.
    sa.Column("folded", sa.String(15), nullable=False),
    sa.Index("ix_sighting_plates_folded", "folded"),
    sqlite_with_rowid=False,
)

# Objects whose row is gone and that the store may still have.
sighting_leftovers = sa.Table(
    "sighting_leftovers",
    metadata,
    sa.Column("store_key", sa.String(200), primary_key=True),
    sa.Column("platform_id", sa.String(40), nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("cause", sa.String(16), nullable=False),
)

# What was deleted, counted when the objects had left the store.
sighting_deletions = sa.Table(
    "sighting_deletions",
    metadata,
    sa.Column("platform_id", sa.String(40), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("cause", sa.String(16), primary_key=True),
    sa.Column("sightings", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
)

# Who is told of what passes: platforms above that subscribed here, and ours at those below.
sighting_subscriptions = sa.Table(
    "sighting_subscriptions",
    metadata,
    sa.Column("platform_id", sa.String(40), sa.ForeignKey("platforms.id"), primary_key=True),
    # GA/T 1400's SubscribeID.
    sa.Column("id", sa.String(64), primary_key=True),
    # 'given': they hear of us; 'taken': we hear of them.
    sa.Column("direction", sa.String(8), nullable=False),
    # The SubscribeObject, as JSON.
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("ends_us", sa.BigInteger, nullable=True),
    # The last sighting that was told and confirmed: what follows is told next, after whatever end
    # of a process or a network.
    sa.Column("told_id", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("direction IN ('given', 'taken')", name="direction"),
)
