"""``gridsight store``: what the store can do, and its bucket's own rules."""

from __future__ import annotations

import contextlib

from gateway.commands.rows import open_rows
from gateway.database.engine import create_reader_engine
from gateway.settings import Settings
from gateway.store import open_configured_store
from gateway.store_state import StoreState, count_holds, longest_days, look_at_store
from recorder.stores.lifecycle import LifecycleRules, LifecycleStore

LEAST_MARGIN_DAYS = 7


async def show_store(settings: Settings) -> StoreState:
    """Try everything. Raises StoreError, ConfigurationError."""
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(open_rows(settings))
        engine = create_reader_engine(settings)
        stack.push_async_callback(engine.dispose)
        store = open_configured_store(settings)
        stack.push_async_callback(store.close)
        async with engine.connect() as connection:
            longest = await longest_days(connection, settings)
        return await look_at_store(settings, store, longest)


async def set_lifecycle(
    settings: Settings, *, upload_days: int | None, margin_days: int | None
) -> LifecycleRules:
    """Set our rules of the bucket: unfinished uploads end after ``upload_days``, cameras' footage
    goes ``margin_days`` after the longest retention; None: no such rule. Raises ValueError where
    that could delete what must be kept, StoreError.
    """
    if margin_days is not None and margin_days < LEAST_MARGIN_DAYS:
        raise ValueError(f"the margin is {LEAST_MARGIN_DAYS} days at least")
    hours = settings.store.upload_hours
    if upload_days is not None and upload_days * 24 < 2 * hours:
        raise ValueError(
            f"uploads that are left are made footage after {hours:g} hours (store.upload_hours): "
            "a rule that ends them has to wait for twice as long at least"
        )
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(open_rows(settings))
        engine = create_reader_engine(settings)
        stack.push_async_callback(engine.dispose)
        store = open_configured_store(settings)
        stack.push_async_callback(store.close)
        if not isinstance(store, LifecycleStore):
            raise ValueError("a directory has no rules: they are a bucket's")
        async with engine.connect() as connection:
            longest = await longest_days(connection, settings)
            holds = await count_holds(connection)
        expiry_days = None
        if margin_days is not None:
            if holds:
                raise ValueError(
                    f"there are {holds} holds, and a rule of the bucket knows nothing of them: "
                    "footage can expire by rule only where nothing is held"
                )
            expiry_days = int(longest) + 1 + margin_days
        return await store.set_lifecycle(upload_days=upload_days, expiry_days=expiry_days)
