"""``gridsight check``: index, store and spool against one another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from gateway.attachments.rows import STORE_PREFIX as ATTACHMENT_PREFIX
from gateway.commands.rows import open_rows
from gateway.database.engine import create_reader_engine
from gateway.field.upload_rows import STORE_PREFIX as UPLOAD_PREFIX
from gateway.health.keeping import STORE_PREFIX as HEALTH_PREFIX
from gateway.identifiers import now_us
from gateway.meetings.check import check_meetings
from gateway.meetings.kept import STORE_PREFIX as MEETING_PREFIX
from gateway.settings import Settings
from gateway.sightings.check import check_sightings
from gateway.sightings.keys import STORE_PREFIX as SIGHTING_PREFIX
from gateway.store import open_configured_store
from gateway.store_state import longest_days, look_at_store
from recorder.check import check
from search.index.check import check_index
from search.index.keys import CROP_PREFIX

# What else lies in the store, none of it footage.
NO_FOOTAGE = (
    ATTACHMENT_PREFIX, CROP_PREFIX, HEALTH_PREFIX, MEETING_PREFIX, SIGHTING_PREFIX, UPLOAD_PREFIX,
)  # fmt: skip


async def check_footage(
    settings: Settings, say: Callable[[str], None], *, verify: bool, repair: bool, settle_s: float
) -> int:
    """Say every difference; gives how many are left. What is younger than ``settle_s`` may still be
    in the middle of its way, and is none.
    """
    # LanceDB takes a second to load, and nobody else in the command line wants it.
    from search.index.vectors import VectorReader

    left = 0
    spool = settings.spool_directory
    async with contextlib.AsyncExitStack() as stack:
        rows = await stack.enter_async_context(open_rows(settings))
        engine = create_reader_engine(settings)
        stack.push_async_callback(engine.dispose)
        store = open_configured_store(settings)
        stack.push_async_callback(store.close)
        async with engine.connect() as connection:
            longest = await longest_days(connection, settings)
        state = await look_at_store(settings, store, longest)
        for line in state.troubles:
            say(f"store  {state.place}  {line}")
        differences = check(
            engine,
            store,
            spool_directories=sorted(spool.iterdir()) if spool.is_dir() else [],
            now_us=now_us(),
            settle_s=settle_s,
            verify=verify,
            rows=rows if repair else None,
            others=NO_FOOTAGE,
        )
        async for difference in differences:
            repaired = " (repaired)" if difference.repaired else ""
            left += not difference.repaired
            say(f"{difference.kind}  {difference.subject}  {difference.message}{repaired}")
        derived = (
            check_sightings(engine, store),
            check_meetings(engine, store),
            check_index(
                engine,
                store,
                VectorReader(settings.search_directory / "vectors"),
                has_all=settings.cluster.listen_address is None,
            ),
        )
        for others in derived:
            async for difference in others:
                left += 1
                say(f"{difference.kind}  {difference.subject}  {difference.message}")
    return left
