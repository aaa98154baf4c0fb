"""Tables of what several like processes share: who leads, and what is counted for all of them."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

leases = sa.Table(
    "leases",
    metadata,
    # What is led: "api" is everything that API processes do on their own account.
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("holder", sa.String(140), nullable=False),
    # Counts the holders: a write under an older number is refused.
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("renewed_us", sa.BigInteger, nullable=False),
    # By the database's clock; 0 when it was given back.
    sa.Column("expires_us", sa.BigInteger, nullable=False),
)

rate_takes = sa.Table(
    "rate_takes",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    # What is done and by whom, as "looks:usr_…".
    sa.Column("key", sa.String(140), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Index("ix_rate_takes_key", "key", "at_us"),
    sa.Index("ix_rate_takes_at_us", "at_us"),
)
