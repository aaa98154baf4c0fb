"""Tables of what comes from the field: reports, and the files that are on their way with them.

Part of the schema in :mod:`gateway.database.tables`. Written by :mod:`gateway.field`. Areas are no
foreign keys here: a report outlives the grid cell from which it came.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

field_reports = sa.Table(
    "field_reports",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    # Made by the telephone: whatever is sent twice is one report.
    sa.Column("client_id", sa.String(40), nullable=False),
    # On the axis 'area': where it is handled.
    sa.Column("area_id", sa.String(40), nullable=False),
    # The cell whose code was scanned; null without one.
    sa.Column("grid_id", sa.String(40), nullable=True),
    sa.Column("category", sa.String(100), nullable=True),
    sa.Column("words", sa.String(2000), nullable=False),
    sa.Column("place_words", sa.String(200), nullable=False),
    # WGS-84, as the telephone says.
    sa.Column("longitude", sa.Float, nullable=True),
    sa.Column("latitude", sa.Float, nullable=True),
    sa.Column("accuracy_m", sa.Float, nullable=True),
    # What speaks against the place or the times: see gateway.field.judging.
    sa.Column("flags", sa.JSON, nullable=False),
    # When it was made: by the telephone's clock, and put right by what that was off.
    sa.Column("made_phone_us", sa.BigInteger, nullable=False),
    sa.Column("made_us", sa.BigInteger, nullable=False),
    # Server's less telephone's, when it was sent.
    sa.Column("skew_ms", sa.BigInteger, nullable=False),
    sa.Column("received_us", sa.BigInteger, nullable=False),
    # How many files its sender has for it; they may come later.
    sa.Column("files", sa.Integer, nullable=False),
    sa.Column("incident_id", sa.String(40), nullable=True),
    sa.UniqueConstraint("user_id", "client_id"),
    sa.Index("ix_field_reports_user_id", "user_id", "received_us"),
)

field_uploads = sa.Table(
    "field_uploads",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("client_id", sa.String(40), nullable=False),
    # The report to which it belongs, by its own client_id; null: to none.
    sa.Column("report_client_id", sa.String(40), nullable=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("expires_us", sa.BigInteger, nullable=False),
    # What it became; its pieces are needed no more.
    sa.Column("file_id", sa.String(40), nullable=True),
    # Why it will never become anything: a code of gateway.attachments.kinds.FileRefused.
    sa.Column("refused", sa.String(24), nullable=True),
    sa.UniqueConstraint("user_id", "client_id"),
    sa.Index("ix_field_uploads_expires_us", "expires_us"),
)

field_pieces = sa.Table(
    "field_pieces",
    metadata,
    # Its object is in the store before this row is there.
    sa.Column("upload_id", sa.String(40), sa.ForeignKey("field_uploads.id"), primary_key=True),
    sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
)

field_duties = sa.Table(
    "field_duties",
    metadata,
    # Who is on duty in the field; the row goes when the duty ends, with the position.
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    # Where they work: who reads incidents there sees them on the map.
    sa.Column("area_path", sa.String(1000), nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    # It ends then, if nobody ends it before.
    sa.Column("ends_us", sa.BigInteger, nullable=False),
    # The newest position, and no other: WGS-84; null before the first.
    sa.Column("longitude", sa.Float, nullable=True),
    sa.Column("latitude", sa.Float, nullable=True),
    sa.Column("accuracy_m", sa.Float, nullable=True),
    sa.Column("at_us", sa.BigInteger, nullable=True),
    sa.Index("ix_field_duties_ends_us", "ends_us"),
)

field_lives = sa.Table(
    "field_lives",
    metadata,
    # Who is live from the scene, as which camera; the row goes when that ends.
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    # When the telephone was heard of last.
    sa.Column("seen_us", sa.BigInteger, nullable=False),
    # What it is about: the footage is attached to it in the end.
    sa.Column("incident_id", sa.String(40), nullable=True),
    sa.Index("ix_field_lives_seen_us", "seen_us"),
)
