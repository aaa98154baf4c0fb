"""Whose a key of the store is, when a machine that is away had begun to upload under it."""

from __future__ import annotations

import sqlalchemy as sa

from recorder.rows import row_operation
from recorder.tables import claimed_keys, segments


@row_operation("recorder.claim_key")
def claim_key(connection: sa.Connection, store_key: str, segment_id: str, now_us: int) -> bool:
    """Take a key over: from now on no segment is indexed under it. False when that segment has been
    indexed already. Doing it twice is harmless.
    """
    indexed = sa.select(segments.c.id).where(segments.c.id == segment_id)
    if connection.execute(indexed).first() is not None:
        return False
    if not is_claimed(connection, store_key):
        connection.execute(sa.insert(claimed_keys).values(store_key=store_key, claimed_us=now_us))
    return True


@row_operation("recorder.forget_claims")
def forget_claims(connection: sa.Connection, before_us: int) -> int:
    """Claims from before an instant: the footage is no longer kept, nor any spool with it."""
    gone = sa.delete(claimed_keys).where(claimed_keys.c.claimed_us < before_us)
    return int(connection.execute(gone).rowcount)


def is_claimed(connection: sa.Connection, store_key: str) -> bool:
    """Whether somebody took it over."""
    known = sa.select(claimed_keys.c.store_key).where(claimed_keys.c.store_key == store_key)
    return connection.execute(known).first() is not None
