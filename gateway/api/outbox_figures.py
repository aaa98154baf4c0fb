"""Metrics of what other systems are told."""

from __future__ import annotations

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.database.outbox_tables import outbox_channels, outbox_deliveries
from gateway.identifiers import US_PER_S, now_us


async def outbox_families(reader: AsyncEngine) -> list[Metric]:
    """What waits by each channel and since when, and what was given up; nothing without one."""
    channel, own = outbox_channels.c, outbox_deliveries.c
    async with reader.connect() as connection:
        names = (
            await connection.execute(
                sa.select(channel.id, channel.name, channel.failures).where(
                    channel.deleted_us.is_(None)
                )
            )
        ).all()
        if not names:
            return []
        counted = await connection.execute(
            sa.select(own.channel_id, own.state, sa.func.count(), sa.func.min(own.created_us))
            .where(own.state.in_(("waiting", "dead")))
            .group_by(own.channel_id, own.state)
        )
        counts = {(one[0], one[1]): (one[2], one[3]) for one in counted}
    deliveries = GaugeMetricFamily(
        "gridsight_outbox_deliveries",
        "Messages to other systems that wait, or were given up",
        labels=["channel", "state"],
    )
    oldest = GaugeMetricFamily(
        "gridsight_outbox_waiting_seconds", "How long the oldest has waited", labels=["channel"]
    )
    failures = GaugeMetricFamily(
        "gridsight_outbox_failures", "Failures since the last success", labels=["channel"]
    )
    at_us = now_us()
    for one in names:
        for state in ("waiting", "dead"):
            deliveries.add_metric([one.name, state], counts.get((one.id, state), (0, 0))[0])
        since_us = counts.get((one.id, "waiting"), (0, at_us))[1]
        oldest.add_metric([one.name], max(0, at_us - since_us) / US_PER_S)
        failures.add_metric([one.name], one.failures)
    return [deliveries, oldest, failures]
