"""Tables of several machines that are one gateway."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# A media shard that has run, and whether it does: ``beat`` grows every second while it lives.
shards = sa.Table(
    "shards",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("node", sa.String(100), nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("capacity_mbps", sa.Float, nullable=False),
    # Networks in which it reaches cameras, as text; empty: all.
    sa.Column("networks", sa.JSON, nullable=False),
    # Somebody wants it empty: its cameras move away, and none come.
    sa.Column("drained", sa.Boolean, nullable=False),
)
