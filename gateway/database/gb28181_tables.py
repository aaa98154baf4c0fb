"""What signalling must find again after a restart: dialogs with devices that go on sending media.

Part of the schema in :mod:`gateway.database.tables`.
"""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import metadata

gb28181_dialogs = sa.Table(
    "gb28181_dialogs",
    metadata,
    # Also the name by which whoever receives the media asks for it again.
    sa.Column("call_id", sa.String(256), primary_key=True),
    sa.Column("platform_id", sa.String(40), sa.ForeignKey("platforms.id"), nullable=False),
    sa.Column("channel", sa.String(80), nullable=False),
    sa.Column("purpose", sa.String(12), nullable=False),
    sa.Column("ssrc", sa.BigInteger, nullable=False),
    # The dialog as camera_adapters.sip writes it, and what the receiver was told.
    sa.Column("journal", sa.JSON, nullable=False),
    sa.Column("answer", sa.JSON, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Index("ix_gb28181_dialogs_platform_id", "platform_id"),
)
