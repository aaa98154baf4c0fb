"""The recorder's tables: which footage exists, where it lies, and why some is missing.

All times are UTC microseconds (``*_us``), all ranges half open. Invariants, kept by the operations
in :mod:`recorder.index` and compared by :mod:`recorder.check`:

1. A row of ``segments`` in state ``stored`` has a complete object in the store.
2. The effective ranges of one source never overlap.
3. ``spans`` of a source is the union of its effective ranges, merged; so a timeline of any length
   is read from a few rows, however old the index is.
4. ``daily_usage`` is the sum of the bytes of the rows, by the UTC day of their start;
   ``runs.segments`` counts the rows of a run, and a run goes with its last.
5. A row in state ``deleting`` has no effective range; its object may or may not be there.
6. A stored row that meets a row of ``held_ranges`` is ``held``, whenever it was stored.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

STORED = "stored"
DELETING = "deleting"

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),  # "{camera_id}/main" for cameras
    sa.Column("kind", sa.Text, nullable=False),  # camera, meeting, import, backfill, borrowed
    sa.Column("camera_id", sa.Text, index=True),
    sa.Column("variant", sa.Text),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint(
        "kind IN ('camera', 'meeting', 'import', 'backfill', 'borrowed')", name="kind"
    ),
)

assignments = sa.Table(
    "assignments",
    metadata,
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),  # the name of a shard
    sa.Column("epoch", sa.BigInteger, nullable=False),  # grows with each change of owner
    sa.Column("since_us", sa.BigInteger, nullable=False),
    # The shard that the source is moving to. It records already, under ``epoch``; the owner goes on
    # under the epoch before, until the successor is seen to record.
    sa.Column("successor", sa.Text, nullable=True),
    # Who held it before: for a while it has footage that is not in the index yet.
    sa.Column("predecessor", sa.Text, nullable=True),
    sa.Index("ix_assignments_owner", "owner"),
)

# One row per run: what playback must know of the format, without opening an object.
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    # Grows with each run of the source, whatever the clock does: later runs win over earlier ones.
    sa.Column("ordinal", sa.BigInteger, nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),  # wall clock at media time zero
    sa.Column("mime", sa.Text, nullable=False),  # video/mp4; codecs="avc1.64001f,mp4a.40.2"
    sa.Column("video_codec", sa.Text),
    sa.Column("audio_codec", sa.Text),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("timescales", sa.Text, nullable=False),  # per track, in order: "90000,48000"
    sa.Column("init_segment", sa.LargeBinary, nullable=False),
    sa.Column("segments", sa.Integer, nullable=False),  # rows that refer to it; gone with the last
    sa.Index("ix_runs_source", "source_id", "ordinal"),
)

segments = sa.Table(
    "segments",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("ordinal", sa.BigInteger, nullable=False),  # the run's
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    # What of it counts on the timeline; both NULL when others cover all of it.
    sa.Column("effective_start_us", sa.BigInteger),
    sa.Column("effective_end_us", sa.BigInteger),
    sa.Column("start_90k", sa.BigInteger, nullable=False),  # first decoding time, in the run
    sa.Column("store_key", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("header_bytes", sa.Integer, nullable=False),  # where the first fragment begins
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("gop_index", sa.LargeBinary, nullable=False),  # see recorder.gop_index
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("held", sa.Boolean, nullable=False),
    sa.CheckConstraint("state IN ('stored', 'deleting')", name="state"),
    sa.CheckConstraint("end_us > start_us", name="range"),
)
# Covering: neighbours on the timeline are found without touching the wide rows.
sa.Index(
    "ix_segments_effective",
    segments.c.source_id,
    segments.c.effective_start_us,
    segments.c.effective_end_us,
)
# Few, among millions: those that are being deleted, and those that others cover wholly.
sa.Index(
    "ix_segments_hidden",
    segments.c.id,
    sqlite_where=segments.c.effective_start_us.is_(None),
    postgresql_where=segments.c.effective_start_us.is_(None),
)
# Few as well: what is held, for the locks that the store puts on its objects.
sa.Index(
    "ix_segments_held",
    segments.c.id,
    sqlite_where=sa.text("held = 1"),
    postgresql_where=sa.text("held"),
)

spans = sa.Table(
    "spans",
    metadata,
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("start_us", sa.BigInteger, primary_key=True),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

gaps = sa.Table(
    "gaps",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger),  # NULL: still going on
    sa.Column("cause", sa.Text, nullable=False),  # camera_adapters.stream.GapCause
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index("ix_gaps_source", "source_id", "start_us"),
)

clock_offsets = sa.Table(
    "clock_offsets",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source_id", sa.Text, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    # How far the source's clock runs ahead of the time that its footage is filed under.
    sa.Column("offset_us", sa.BigInteger, nullable=False),
    sa.Column("accepted_us", sa.BigInteger),  # when an operator accepted the new clock
    sa.Index("ix_clock_offsets_source", "source_id", "since_us"),
)

daily_usage = sa.Table(
    "daily_usage",
    metadata,
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),  # days since 1970-01-01 UTC
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("segments", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Footage that no policy deletes, stored already or still to come.
held_ranges = sa.Table(
    "held_ranges",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    # All sources of a camera, of today and tomorrow; or the one source.
    sa.Column("camera_id", sa.Text),
    sa.Column("source_id", sa.Text),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sa.CheckConstraint("(camera_id IS NULL) <> (source_id IS NULL)", name="whose"),
    sa.Index("ix_held_ranges_camera_id", "camera_id", "start_us"),
    sa.Index("ix_held_ranges_source_id", "source_id", "start_us"),
)

# Objects that the store itself keeps from being deleted, since their segments are held. A row comes
# before the lock and goes after it: whatever is locked has one.
object_locks = sa.Table(
    "object_locks",
    metadata,
    sa.Column("segment_id", sa.Text, primary_key=True),
    sa.Column("store_key", sa.Text, nullable=False),
    sa.Column("locked_us", sa.BigInteger),  # NULL: on its way
    sqlite_with_rowid=False,
)

# Keys of uploads that were taken over from a machine that is away: it may not index under them.
claimed_keys = sa.Table(
    "claimed_keys",
    metadata,
    sa.Column("store_key", sa.Text, primary_key=True),
    sa.Column("claimed_us", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What was deleted, and is proven to be gone: counted when the object has left the store.
deletions = sa.Table(
    "deletions",
    metadata,
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True),  # of the deletion; days since 1970-01-01 UTC
    sa.Column("cause", sa.Text, primary_key=True),  # camera_adapters.stream.GapCause
    sa.Column("segments", sa.Integer, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),  # where the footage began
    sa.Column("last_us", sa.BigInteger, nullable=False),  # and ended
    sa.Index("ix_deletions_day", "day"),
    sqlite_with_rowid=False,
)

TABLES = (
    sources,
    assignments,
    runs,
    segments,
    spans,
    gaps,
    clock_offsets,
    daily_usage,
    held_ranges,
    object_locks,
    claimed_keys,
    deletions,
)
