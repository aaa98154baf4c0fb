"""Tables of searches that a second person approves, and of all that hangs on one of them.

Part of the schema in :mod:`gateway.database.tables`. How a request goes from one state to the next
is in :mod:`gateway.investigations.request_rows`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# SQLite counts up only what is an INTEGER there.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

search_requests = sa.Table(
    "search_requests",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=False),
    # How far it goes: this area and all below it.
    sa.Column("area_id", sa.String(40), sa.ForeignKey("areas.id"), nullable=False),
    sa.Column("reason", sa.String(1000), nullable=False),
    # Of a standing search: gateway.investigations.standing_query.StandingQuery as a document.
    sa.Column("query", sa.JSON, nullable=True),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    # The duty desk at which it was asked for: who decides sits elsewhere.
    sa.Column("desk_id", sa.String(40), nullable=True),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Column("decided_us", sa.BigInteger, nullable=True),
    sa.Column("decided_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("decision_note", sa.String(1000), nullable=True),
    # Used before anybody approved.
    sa.Column("broken_us", sa.BigInteger, nullable=True),
    sa.Column("break_reason", sa.String(1000), nullable=True),
    sa.Column("review_until_us", sa.BigInteger, nullable=True),
    sa.Column("reviewed_us", sa.BigInteger, nullable=True),
    sa.Column("reviewed_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("justified", sa.Boolean, nullable=True),
    sa.Column("review_note", sa.String(1000), nullable=True),
    sa.Column("ended_us", sa.BigInteger, nullable=True),
    # Null in an ended one: its time was over, or its case was closed.
    sa.Column("ended_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("end_note", sa.String(1000), nullable=True),
    # What it looks like that is searched for: float32, sealed; kind names the space of vectors.
    sa.Column("vector_kind", sa.String(80), nullable=True),
    sa.Column("vector_sealed", sa.Text, nullable=True),
    sa.CheckConstraint("kind IN ('trail', 'photo', 'standing')", name="kind"),
    sa.CheckConstraint(
        "state IN ('waiting', 'approved', 'broken', 'overdue', 'refused', 'ended', 'expired')",
        name="state",
    ),
    sa.Index("ix_search_requests_case_id", "case_id", "created_us"),
    sa.Index("ix_search_requests_state", "state", "expires_us"),
)

search_photos = sa.Table(
    "search_photos",
    metadata,
    # Gone, bytes and vectors, in the transaction that ends the request.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("request_id", sa.String(40), sa.ForeignKey("search_requests.id"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    # [{box, class, confidence}], in the order of the vectors.
    sa.Column("objects", sa.JSON, nullable=False),
    # A JPEG as it was drawn anew, nothing of what the file said beside its picture.
    sa.Column("picture_sealed", sa.Text, nullable=False),
    sa.Column("vector_kind", sa.String(80), nullable=False),
    sa.Column("vectors_sealed", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Index("ix_search_photos_request_id", "request_id", "created_us"),
)

search_looks = sa.Table(
    "search_looks",
    metadata,
    # A picture that one person searches by, and its objects, for an hour.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("camera_id", sa.String(40), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("objects", sa.JSON, nullable=False),
    # As who looked may see it: masks are drawn in.
    sa.Column("picture_sealed", sa.Text, nullable=False),
    sa.Column("vector_kind", sa.String(80), nullable=False),
    sa.Column("vectors_sealed", sa.Text, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    sa.Index("ix_search_looks_expires_us", "expires_us"),
)

standing_queue = sa.Table(
    "standing_queue",
    metadata,
    # Passages as they were indexed, while somebody searches for new ones; gone when compared.
    sa.Column("number", _Number, primary_key=True),
    sa.Column("passage_id", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

standing_dropped = sa.Table(
    "standing_dropped",
    metadata,
    # When passages began that waited to be compared and never were: there were too many.
    sa.Column("camera_id", sa.String(40), primary_key=True),
    sa.Column("start_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

standing_matches = sa.Table(
    "standing_matches",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("request_id", sa.String(40), sa.ForeignKey("search_requests.id"), nullable=False),
    sa.Column("passage_id", sa.BigInteger, nullable=False),
    sa.Column("camera_id", sa.String(40), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("found_us", sa.BigInteger, nullable=False),
    sa.Column("likeness", sa.Float, nullable=True),
    sa.Column("alarm_id", sa.String(40), nullable=False),
    # At most one alarm for each.
    sa.UniqueConstraint("request_id", "passage_id"),
    sqlite_autoincrement=True,
)

trails = sa.Table(
    "trails",
    metadata,
    # Gone with its request, unless it was attached to the case.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("request_id", sa.String(40), sa.ForeignKey("search_requests.id"), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("attached_us", sa.BigInteger, nullable=True),
    sa.Column("attached_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Index("ix_trails_case_id", "case_id", "created_us"),
    sa.Index("ix_trails_request_id", "request_id"),
)

trail_points = sa.Table(
    "trail_points",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("trail_id", sa.String(40), sa.ForeignKey("trails.id"), nullable=False),
    # What of the passage the route tells when the passage itself has expired.
    sa.Column("passage_id", sa.BigInteger, nullable=False),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("first_us", sa.BigInteger, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
    sa.Column("best_us", sa.BigInteger, nullable=False),
    sa.Column("object_class", sa.String(16), nullable=False),
    # Where it is in the picture: what masks cover is told to who may lift them.
    sa.Column("box", sa.JSON, nullable=False),
    sa.Column("note", sa.String(500), nullable=False),
    # The item of the case that these minutes became.
    sa.Column("item_id", sa.String(40), nullable=True),
    sa.Column("added_us", sa.BigInteger, nullable=False),
    sa.Column("added_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.UniqueConstraint("trail_id", "passage_id"),
)
