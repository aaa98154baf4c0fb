"""Tables of what leaves: channels to other systems, and what is to be delivered by each.

Part of the schema in :mod:`gateway.database.tables`. Written by :mod:`gateway.outbox`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

# SQLite counts up by itself only what it calls INTEGER.
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

outbox_channels = sa.Table(
    "outbox_channels",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("address", sa.String(1000), nullable=False),
    # Of e-mail and MQTT: whose account, from and to whom, by which topic; never a password.
    sa.Column("options", sa.JSON(none_as_null=True), nullable=True),
    # What it is told of by itself; what a rule sends there comes all the same.
    sa.Column("topics", sa.JSON, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    # What signs a webhook; the password of an account elsewhere.
    sa.Column("secret_sealed", sa.String(400), nullable=False),
    # Signs beside the other until the receiver has learnt that one.
    sa.Column("old_secret_sealed", sa.String(400), nullable=True),
    sa.Column("old_secret_until_us", sa.BigInteger, nullable=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(40), nullable=False),
    sa.Column("delivered_us", sa.BigInteger, nullable=True),
    sa.Column("failed_us", sa.BigInteger, nullable=True),
    sa.Column("error", sa.String(300), nullable=True),
    # Failures since the last success: what waits behind them waits longer each time.
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("next_try_us", sa.BigInteger, nullable=False),
    sa.Column("deleted_us", sa.BigInteger, nullable=True),
)

outbox_deliveries = sa.Table(
    "outbox_deliveries",
    metadata,
    # In this order by each channel.
    sa.Column("sequence", _Number, primary_key=True, autoincrement=True),
    # The receiver knows by it what came twice.
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("channel_id", sa.String(40), sa.ForeignKey("outbox_channels.id"), nullable=False),
    sa.Column("once_key", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    # Given up when it is still not delivered then.
    sa.Column("give_up_us", sa.BigInteger, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("tried_us", sa.BigInteger, nullable=True),
    sa.Column("status", sa.Integer, nullable=True),
    sa.Column("error", sa.String(300), nullable=True),
    sa.Column("done_us", sa.BigInteger, nullable=True),
    sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="state"),
    sa.UniqueConstraint("channel_id", "once_key"),
    sa.Index("ix_outbox_deliveries_state", "state", "channel_id", "sequence"),
    sa.Index("ix_outbox_deliveries_done_us", "done_us"),
)
