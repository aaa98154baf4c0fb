"""What is done once for all API processes, by the one of them that leads.

Alarms are judged and escalated, rights withdrawn, meetings begun and ended at their time, lights of
incidents turned, standing searches compared, other systems told, cameras looked at, the day's
storage forecast made, and rows of what is over closed. Everything else each process does for those
who came to it.
``docs/decisions/023-api-replicas.md`` lists it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator

from gateway.api.alarm_rule_clock import tell_due_for_ever
from gateway.api.assist_watch import end_requests_for_ever
from gateway.api.health_patrol import patrol_for_ever
from gateway.api.incident_clock import keep_incidents_for_ever
from gateway.api.investigation_watch import compare_for_ever, end_for_ever
from gateway.api.meeting_clock import keep_meetings_for_ever
from gateway.api.services import Services
from gateway.api.sweep import sweep_for_ever
from gateway.api.withdrawal import withdraw_for_ever
from gateway.capacity.daily_watch import DailyForecast
from gateway.cluster.leading import Leadership
from gateway.identifiers import new_id
from gateway.outbox.sending import Sender
from recorder.rows import RowWriter

LEASE = "api"


@contextlib.asynccontextmanager
async def standing_for_leader(services: Services) -> AsyncIterator[Leadership]:
    """Lead whenever nobody else does, until the end; then give it back at once."""

    async def lead(rows: RowWriter) -> None:
        await _lead(services, rows)

    # Nobody else's, ever: who is started anew under the same name is another.
    leadership = Leadership(services.reader, services.rows, LEASE, new_id("api"))
    standing = asyncio.create_task(leadership.run(lead))
    try:
        yield leadership
    finally:
        standing.cancel()
        await asyncio.gather(standing, return_exceptions=True)


async def _lead(services: Services, rows: RowWriter) -> None:
    led = copy.copy(services)
    # What it writes is refused once another leads.
    led.rows = rows
    services.leading = True
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(services.alarm_watch.judge(rows))
            forecast = DailyForecast(
                services.settings, services.reader, rows, services.storage.store
            )
            group.create_task(forecast.run())
            sender = Sender(services.settings.outbox, services.secret, services.reader, rows)
            group.create_task(sender.run())
            for work in (
                withdraw_for_ever,
                sweep_for_ever,
                keep_meetings_for_ever,
                keep_incidents_for_ever,
                tell_due_for_ever,
                compare_for_ever,
                end_for_ever,
                end_requests_for_ever,
                patrol_for_ever,
            ):
                group.create_task(work(led))
    finally:
        services.leading = False
