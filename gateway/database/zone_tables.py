"""Lines and regions that people drew in cameras' pictures.

Part of the schema in :mod:`gateway.database.tables`. What happens in them is in ``device_events``,
with the source ``zone:ID``.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

ZONE_SOURCE = "zone:"

camera_zones = sa.Table(
    "camera_zones",
    metadata,
    sa.Column("camera_id", sa.String(40), sa.ForeignKey("cameras.id"), primary_key=True),
    # Counts up with each change: whoever changes names the one that they saw.
    sa.Column("version", sa.Integer, nullable=False),
    # [{id, name, kind, points, rules, …}], see search.zones.document.
    sa.Column("zones", sa.JSON, nullable=False),
    sa.Column("changed_us", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.String(40), nullable=False),
    sa.Column("user_name", sa.String(100), nullable=False),
)
