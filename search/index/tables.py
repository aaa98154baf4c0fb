"""Tables of the index: what passed, what it looked like, and what of each camera was looked at.

A passage is two rows: the narrow one of ``passages``, by which it is found, and the one of
``passage_details``, which is read only when it is in an answer. What repeats (cameras, looks,
plates, names) stands once in a table of its own and is a number in the rows, so that a search is
a search among thousands of looks or plates first and a walk along one index then. How the walk is
chosen is in :mod:`search.index.plan`.

Invariants, kept by :mod:`search.index.rows` and compared by :mod:`search.index.check`:

1. A row of ``passages`` has its row of ``passage_details``, and the other way round. Its crop is
   in the store, and its vector in its day's table, before it is added.
2. Ids sort by the time at which the passage began: see :mod:`search.passages`.
3. ``passages`` of ``passage_looks``, ``passage_cameras`` and ``passage_crops`` count the rows that
   refer to them; a crop's object whose last row goes becomes a row of ``passage_crop_leftovers``
   in the same transaction.
4. The spans of a camera and model in ``indexed_spans``, and of a camera and cause in
   ``missed_spans``, neither overlap nor touch.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# SQLite counts up only what is an INTEGER there.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

passage_cameras = sa.Table(
    "passage_cameras",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("camera_id", sa.String(40), nullable=False, unique=True),
    sa.Column("passages", sa.BigInteger, nullable=False),
    # Up to when the live picture was looked at; null for what was indexed from footage only.
    sa.Column("live_us", sa.BigInteger, nullable=True),
)

# Models, kinds of vectors, zones, types of vehicles: by their names, once.
passage_names = sa.Table(
    "passage_names",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),  # model, vectors, zone, vehicle_type
    sa.Column("name", sa.String(200), nullable=False),
    sa.UniqueConstraint("kind", "name"),
)

# What something can look like to who searches by words. Some thousand occur among millions of
# passages. Colours are numbers of search.passages.Color; null: not looked for.
passage_looks = sa.Table(
    "passage_looks",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    # Of all that follows: see search.index.packing.
    sa.Column("code", sa.LargeBinary(16), nullable=False, unique=True),
    sa.Column("object_class", sa.SmallInteger, nullable=False),  # search.objects.CLASS_NUMBERS
    sa.Column("possible", sa.Integer, nullable=False),  # bit n: may be of class n
    sa.Column("monochrome", sa.Boolean, nullable=False),
    sa.Column("color", sa.SmallInteger),
    sa.Column("color_second", sa.SmallInteger),
    sa.Column("upper_color", sa.SmallInteger),
    sa.Column("upper_color_second", sa.SmallInteger),
    sa.Column("lower_color", sa.SmallInteger),
    sa.Column("lower_color_second", sa.SmallInteger),
    sa.Column("plate_color", sa.SmallInteger),
    sa.Column("plate_color_second", sa.SmallInteger),
    sa.Column("vehicle_type", _Number),  # of passage_names
    sa.Column("rider", sa.Boolean),
    sa.Column("passages", sa.BigInteger, nullable=False),
)

# Every plate that occurs, once: parts of plates and look-alikes are looked for here.
passage_plates = sa.Table(
    "passage_plates",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("plate", sa.String(15), nullable=False, unique=True),
    # Look-alike characters as one: see search.plates.
    sa.Column("folded", sa.String(15), nullable=False),
    sa.Index("ix_passage_plates_folded", "folded"),
)

passages = sa.Table(
    "passages",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("camera", sa.Integer, nullable=False),  # of passage_cameras
    sa.Column("look", sa.Integer, nullable=False),  # of passage_looks
    sa.Column("motion", sa.SmallInteger, nullable=False),  # direction, and speed × 16
    sa.Column("lasts_ms", sa.Integer, nullable=False),
    sa.Column("plate", sa.Integer),  # of passage_plates
    # Each holds what searches compare, so that a row is read only when it is in the answer.
    sa.Index("ix_passages_look", "look", "id", "camera", "motion", "lasts_ms"),
    sa.Index("ix_passages_camera", "camera", "id", "look", "motion", "lasts_ms"),
    sqlite_with_rowid=False,
)
sa.Index(
    "ix_passages_plate",
    passages.c.plate,
    passages.c.id,
    sqlite_where=passages.c.plate.is_not(None),
    postgresql_where=passages.c.plate.is_not(None),
)
# Few: those that may have begun long before the time that is asked for.
LONG_MS = 60_000
sa.Index(
    "ix_passages_long",
    passages.c.id,
    passages.c.lasts_ms,
    passages.c.look,
    passages.c.camera,
    passages.c.motion,
    sqlite_where=passages.c.lasts_ms >= LONG_MS,
    postgresql_where=passages.c.lasts_ms >= LONG_MS,
)

passage_details = sa.Table(
    "passage_details",
    metadata,
    sa.Column("id", _Number, primary_key=True, autoincrement=False),
    # Box, path, confidences: see search.index.packing.
    sa.Column("packed", sa.LargeBinary, nullable=False),
    sa.Column("best_ms", sa.Integer, nullable=False),  # after the first
    sa.Column("model", sa.Integer, nullable=False),  # of passage_names
    sa.Column("vectors", sa.Integer),  # of passage_names; null: it has no vector
    # Where the crop is: of passage_crops, and within the object. Null: it has none.
    sa.Column("crop", sa.Integer),
    sa.Column("crop_offset", sa.Integer),
    sa.Column("crop_bytes", sa.Integer),
    sa.Index("ix_passage_details_crop", "crop"),
    # Which cannot be compared with a look: see search.index.comparable.
    sa.Index("ix_passage_details_vectors", "vectors", "id"),
)

# Objects in the store that hold crops, one after the other, of one camera each.
passage_crops = sa.Table(
    "passage_crops",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("store_key", sa.String(200), nullable=False, unique=True),
    sa.Column("camera", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),  # where its last crop ends
    sa.Column("passages", sa.Integer, nullable=False),
)

passage_crossings = sa.Table(
    "passage_crossings",
    metadata,
    sa.Column("zone", sa.Integer, primary_key=True, autoincrement=False),  # of passage_names
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("after_ms", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("how", sa.String(8), primary_key=True),
    sa.Index("ix_passage_crossings_id", "id"),
    sqlite_with_rowid=False,
)

# What of each camera was looked at, by which model.
indexed_spans = sa.Table(
    "indexed_spans",
    metadata,
    sa.Column("camera", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("model", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("start_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What was not, although it should have been, and why: see search.index.coverage.
missed_spans = sa.Table(
    "missed_spans",
    metadata,
    sa.Column("camera", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("cause", sa.String(16), primary_key=True),
    sa.Column("start_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Vectors whose rows are gone and that the day's table may still have: all of the camera from
# first_id to last_id that have no row.
passage_leftovers = sa.Table(
    "passage_leftovers",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("camera", sa.Integer, nullable=False),
    sa.Column("cause", sa.String(16), nullable=False),
    sa.Column("first_id", sa.BigInteger, nullable=False),
    sa.Column("last_id", sa.BigInteger, nullable=False),
    sa.Column("passages", sa.Integer, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
)

# Objects with crops whose last row is gone and that the store may still have.
passage_crop_leftovers = sa.Table(
    "passage_crop_leftovers",
    metadata,
    sa.Column("store_key", sa.String(200), primary_key=True),
    sa.Column("camera", sa.Integer, nullable=False),
    sa.Column("cause", sa.String(16), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
)

# What was deleted: passages counted when their vectors, bytes when their crops had gone.
passage_deletions = sa.Table(
    "passage_deletions",
    metadata,
    sa.Column("camera", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),  # of the deletion
    sa.Column("cause", sa.String(16), primary_key=True),
    sa.Column("passages", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Index("ix_passage_deletions_day", "day"),
    sqlite_with_rowid=False,
)
