"""Tables of files that people bring: what they are, and what they are attached to.

Part of the schema in :mod:`gateway.database.tables`. Written by :mod:`gateway.attachments.rows`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

attached_files = sa.Table(
    "attached_files",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("media_type", sa.String(100), nullable=False),
    # As whoever brought it calls it.
    sa.Column("name", sa.String(200), nullable=False),
    # Of what is kept; a photo is not the file that was sent.
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("width", sa.Integer, nullable=True),
    sa.Column("height", sa.Integer, nullable=True),
    sa.Column("duration_ms", sa.BigInteger, nullable=True),
    # What the file said of where and when it was taken; the kept file does not say it any more.
    sa.Column("longitude", sa.Float, nullable=True),
    sa.Column("latitude", sa.Float, nullable=True),
    sa.Column("taken_us", sa.BigInteger, nullable=True),
    sa.Column("has_thumbnail", sa.Boolean, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    # Its objects are in the store; null while they are on their way.
    sa.Column("kept_us", sa.BigInteger, nullable=True),
    # Nobody finds it any more; its objects are being deleted.
    sa.Column("removed_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("kind IN ('photo', 'video', 'sound', 'document')", name="kind"),
    sa.Index("ix_attached_files_created_us", "created_us"),
)

attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("file_id", sa.String(40), sa.ForeignKey("attached_files.id"), primary_key=True),
    # What it is attached to: "incident", "report", …, and the id there.
    sa.Column("subject_kind", sa.String(24), primary_key=True),
    sa.Column("subject_id", sa.String(40), primary_key=True),
    sa.Column("attached_us", sa.BigInteger, nullable=False),
    sa.Column("attached_by", sa.String(40), nullable=True),
    sa.Index("ix_attachments_subject", "subject_kind", "subject_id"),
)
