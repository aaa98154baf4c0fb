"""The table of big screens. Part of the schema in :mod:`gateway.database.tables`."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

screens = sa.Table(
    "screens",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    # Who configures there may change it, who sees live there may show it. No foreign key: the
    # screen of an area that is gone stays until somebody gives it another.
    sa.Column("area_id", sa.String(40), nullable=False),
    # Counts up with each change: whoever changes names the one that they saw.
    sa.Column("version", sa.Integer, nullable=False),
    # {scenes: [{name, widgets}], tour_s, alarm}, see gateway.api.screen_forms.
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("changed_by", sa.String(200), nullable=False),
    sa.Index("ix_screens_area_id", "area_id"),
)
