"""What meetings keep and the store against one another, for ``gridsight check``."""

from __future__ import annotations

from collections.abc import AsyncIterator

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.meeting_tables import meeting_files, meeting_recordings, roll_call_answers
from gateway.meetings.kept import STORE_PREFIX
from recorder.check import Difference
from recorder.stores import Store


async def check_meetings(engine: AsyncEngine, store: Store) -> AsyncIterator[Difference]:
    """Files, pictures of roll calls and rendered recordings that are missing or of another size
    than their row says, and objects that no row names: of a file that was not written down because
    the gateway was killed, or is just being handed out. Nothing is repaired. Raises StoreError.
    """
    named: set[str] = set()
    async with engine.connect() as connection:
        rows = (await connection.execute(_named())).all()
    for row in rows:
        named.add(row.key)
        stat = await store.stat(row.key)
        if stat is None:
            yield Difference("object_missing", row.what, f"the store has no {row.key}")
        elif row.size_bytes is not None and stat.size_bytes != row.size_bytes:
            yield Difference(
                "object_size",
                row.what,
                f"{row.key} has {stat.size_bytes} bytes, the row says {row.size_bytes}",
            )
    async for found in store.list(STORE_PREFIX):
        if found.key not in named:
            yield Difference("object_unindexed", found.key, "no row of a meeting names it")


def _named() -> sa.CompoundSelect[tuple[object, ...]]:
    files, answers, recordings = meeting_files.c, roll_call_answers.c, meeting_recordings.c
    nothing = sa.cast(sa.null(), sa.BigInteger)
    return sa.union_all(
        sa.select(
            files.key.label("key"),
            ("meeting file " + files.id).label("what"),
            files.size_bytes.label("size_bytes"),
        ).where(files.removed_us.is_(None)),
        sa.select(answers.snapshot_key, "roll call " + answers.roll_call_id, nothing).where(
            answers.snapshot_key.is_not(None)
        ),
        sa.select(
            recordings.render_key, "meeting recording " + recordings.id, recordings.render_bytes
        ).where(recordings.render_key.is_not(None)),
    )
