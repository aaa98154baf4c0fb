"""Tables of assist requests: what is asked of whose clerks, what they answered, and what they saw.

Part of the schema in :mod:`gateway.database.tables`. Areas are no foreign keys here: a request
outlives the village that it asked. Written by :mod:`gateway.assist`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# SQLite counts up only what is an INTEGER there.
_Number = sa.BigInteger().with_variant(sa.Integer, "sqlite")

REQUEST_STATES = ("waiting", "open", "refused", "closed", "expired")
ANSWERS = ("asked", "seen", "not_seen", "missing")
OUTCOMES = ("found", "not_found", "withdrawn")

assist_requests = sa.Table(
    "assist_requests",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # Counts every change, whoever made it: who watches knows by it.
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("case_id", sa.String(40), sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    # What they look like, what they wear.
    sa.Column("words", sa.String(2000), nullable=False),
    sa.Column("plate", sa.String(40), nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sa.Column("deadline_us", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    # The duty desk at which it was asked for: who approves it sits elsewhere.
    sa.Column("desk_id", sa.String(40), nullable=True),
    sa.Column("decided_us", sa.BigInteger, nullable=True),
    sa.Column("decided_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("decision_note", sa.String(1000), nullable=True),
    sa.Column("ended_us", sa.BigInteger, nullable=True),
    # Null in one that is over: its deadline ended it, or its case.
    sa.Column("ended_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("outcome", sa.String(12), nullable=True),
    sa.Column("result", sa.String(2000), nullable=True),
    sa.CheckConstraint(
        "state IN ('waiting', 'open', 'refused', 'closed', 'expired')", name="state"
    ),
    sa.Index("ix_assist_requests_state", "state", "deadline_us"),
    sa.Index("ix_assist_requests_case_id", "case_id", "created_us"),
)

assist_photos = sa.Table(
    "assist_photos",
    metadata,
    # Gone with its bytes in the transaction that ends the request.
    sa.Column("id", sa.String(40), primary_key=True),
    # Null for the hour in which the request is being written.
    sa.Column("request_id", sa.String(40), sa.ForeignKey("assist_requests.id"), nullable=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("picture_sealed", sa.Text, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Index("ix_assist_photos_request_id", "request_id", "created_us"),
)

assist_areas = sa.Table(
    "assist_areas",
    metadata,
    sa.Column("request_id", sa.String(40), sa.ForeignKey("assist_requests.id"), primary_key=True),
    sa.Column("area_id", sa.String(40), primary_key=True),
    # As it was called and where it lay when it was asked.
    sa.Column("path", sa.String(1000), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("answered_us", sa.BigInteger, nullable=True),
    sa.Column("answered_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("note", sa.String(1000), nullable=True),
    # Of footage that is missing: [{camera_id, camera_name, start_us, end_us, cause}].
    sa.Column("missing", sa.JSON, nullable=False),
    sa.Column("reminded_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("state IN ('asked', 'seen', 'not_seen', 'missing')", name="state"),
)

assist_clips = sa.Table(
    "assist_clips",
    metadata,
    # Minutes that a clerk attached, and that the request lends to who asked, until it ends.
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("request_id", sa.String(40), sa.ForeignKey("assist_requests.id"), nullable=False),
    sa.Column("area_id", sa.String(40), nullable=False),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("start_us", sa.BigInteger, nullable=False),
    sa.Column("end_us", sa.BigInteger, nullable=False),
    sa.Column("note", sa.String(500), nullable=False),
    sa.Column("bookmark_id", sa.String(40), nullable=False),
    sa.Column("hold_id", sa.String(40), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.UniqueConstraint("request_id", "area_id", "camera_id", "start_us", "end_us"),
)

assist_looked = sa.Table(
    "assist_looked",
    metadata,
    # What was really played of a camera within the window: [[start_us, end_us]], apart, in order.
    sa.Column("request_id", sa.String(40), sa.ForeignKey("assist_requests.id"), primary_key=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("ranges", sa.JSON, nullable=False),
    sa.Column("last_us", sa.BigInteger, nullable=False),
)

assist_steps = sa.Table(
    "assist_steps",
    metadata,
    sa.Column("number", _Number, primary_key=True),
    sa.Column("request_id", sa.String(40), sa.ForeignKey("assist_requests.id"), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    # Null: its deadline, or its case.
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("area_id", sa.String(40), nullable=True),
    sa.Column("words", sa.String(2000), nullable=True),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("ix_assist_steps_request_id", "request_id", "number"),
    sqlite_autoincrement=True,
)
