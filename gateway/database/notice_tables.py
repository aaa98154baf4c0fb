"""Tables of notices: what was published to which areas, who has read it, where it was confirmed.

Part of the schema in :mod:`gateway.database.tables`. Areas are no foreign keys here: what was
published to a village stays when the village is gone. Written by :mod:`gateway.notices`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

PRIORITIES = ("normal", "important", "emergency")

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    # Counts every change and every receipt: who watches knows by it.
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("priority", sa.String(12), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("words", sa.String(10_000), nullable=False),
    # For whom its publisher spoke: the area in which they may publish; "" is the county.
    sa.Column("publisher_path", sa.String(1000), nullable=False),
    sa.Column("from_us", sa.BigInteger, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), sa.ForeignKey("users.id"), nullable=False),
    sa.Column("withdrawn_us", sa.BigInteger, nullable=True),
    sa.Column("withdrawn_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
    sa.Column("withdrawal_note", sa.String(1000), nullable=True),
    sa.CheckConstraint("priority IN ('normal', 'important', 'emergency')", name="priority"),
    sa.Index("ix_notices_created_us", "created_us", "id"),
    sa.Index("ix_notices_until_us", "until_us"),
)

notice_areas = sa.Table(
    "notice_areas",
    metadata,
    sa.Column("notice_id", sa.String(40), sa.ForeignKey("notices.id"), primary_key=True),
    # It and all below it.
    sa.Column("area_id", sa.String(40), primary_key=True),
    # As it was called and where it lay when it was published.
    sa.Column("path", sa.String(1000), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
)

notice_receipts = sa.Table(
    "notice_receipts",
    metadata,
    sa.Column("notice_id", sa.String(40), sa.ForeignKey("notices.id"), primary_key=True),
    sa.Column("user_id", sa.String(40), sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("read_us", sa.BigInteger, nullable=False),
)

notice_sites = sa.Table(
    "notice_sites",
    metadata,
    # The screen of a village office: since when it shows an emergency, and who confirmed it there.
    sa.Column("notice_id", sa.String(40), sa.ForeignKey("notices.id"), primary_key=True),
    sa.Column("area_id", sa.String(40), primary_key=True),
    sa.Column("shown_us", sa.BigInteger, nullable=False),
    sa.Column("confirmed_us", sa.BigInteger, nullable=True),
    sa.Column("confirmed_by", sa.String(40), sa.ForeignKey("users.id"), nullable=True),
)
