"""The sender: takes what waits, in order by each channel, in the API process that leads.

A receiver that is slow or away keeps nobody else waiting. What was sent and not yet noted when the
process died is sent again under the same id.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.control.channel import ControlError
from gateway.database.outbox_tables import outbox_channels, outbox_deliveries
from gateway.identifiers import US_PER_S, now_us
from gateway.outbox.accounts import MailAccount, MqttAccount
from gateway.outbox.addresses import AddressGuard
from gateway.outbox.mail import deliver_mail
from gateway.outbox.message import Message, Outcome
from gateway.outbox.mqtt import deliver_mqtt
from gateway.outbox.webhook import deliver
from gateway.secrets import SealError, unseal
from gateway.settings.outbox import OutboxSettings
from recorder.retention import DAY_US
from recorder.rows import RowError, RowWriter

_log = structlog.get_logger(__name__)

LOOKS_EVERY_S = 1.0
_FORGETS_EVERY_US = 600 * US_PER_S
_CHANNELS_AT_ONCE = 16
_HOUR_US = 3600 * US_PER_S
_FAULTS = (ConnectionError, TimeoutError, ControlError, RowError, sa.exc.DBAPIError)


def seal_context(channel_id: str) -> str:
    """What a channel's secret is bound to."""
    return f"outbox:{channel_id}"


class Sender:
    """Delivers for as long as :meth:`run` runs; only one in all the cluster may."""

    def __init__(
        self, settings: OutboxSettings, secret: bytes, reader: AsyncEngine, rows: RowWriter
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._reader = reader
        self._rows = rows
        self._guard = AddressGuard(settings.allowed_networks)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._forgotten_us = 0

    async def run(self) -> None:
        """For ever; a failure is logged, and tried again."""
        try:
            while True:
                try:
                    await self._begin()
                    await self._forget()
                except _FAULTS as error:
                    _log.warning("the outbox cannot be read; trying again", why=str(error))
                # Who has just delivered looks for the next by itself.
                await asyncio.sleep(LOOKS_EVERY_S)
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _begin(self) -> None:
        """A task for each channel that has something to do and none yet."""
        self._busy = {one: task for one, task in self._busy.items() if not task.done()}
        room = _CHANNELS_AT_ONCE - len(self._busy)
        if room <= 0:
            return
        channel, own = outbox_channels.c, outbox_deliveries.c
        waiting = sa.exists().where(own.state == "waiting", own.channel_id == channel.id)
        async with self._reader.connect() as connection:
            found = await connection.scalars(
                sa.select(channel.id)
                .where(
                    channel.enabled,
                    channel.deleted_us.is_(None),
                    channel.next_try_us <= now_us(),
                    channel.id.not_in(list(self._busy)),
                    waiting,
                )
                # Who waited longest comes first: many that fail keep nobody out for ever.
                .order_by(channel.next_try_us)
                .limit(room)
            )
            for channel_id in found:
                self._busy[channel_id] = asyncio.create_task(self._work_off(channel_id))

    async def _work_off(self, channel_id: str) -> None:
        try:
            while await self.send_next(channel_id):
                pass
        except (*_FAULTS, SealError) as error:
            _log.warning("a channel stands; trying again", channel=channel_id, why=str(error))
        except Exception:
            _log.exception("a channel stands; trying again", channel=channel_id)

    async def send_next(self, channel_id: str) -> bool:
        """Try the oldest that waits for this channel; gives whether to go on with the next."""
        found = await self._oldest(channel_id)
        if found is None:
            return False
        message = Message(found.id, found.kind, found.body, found.created_us)
        outcome = await self._deliver(found, message)
        if outcome.error is None:
            await self._rows.write("outbox.delivered", delivery_id=found.id, status=outcome.status)
            return True
        _log.info("a delivery failed", channel=channel_id, id=found.id, why=outcome.error)
        await self._rows.write(
            "outbox.failed",
            delivery_id=found.id,
            status=outcome.status,
            error=outcome.error,
            gone=outcome.gone,
            give_up_us=round(self._settings.give_up_hours * _HOUR_US),
            jitter=random.random(),
        )
        return False

    async def _deliver(self, row: sa.Row[Any], message: Message) -> Outcome:
        secrets, timeout_s = self._secrets(row), self._settings.timeout_s
        if row.channel_kind == "email":
            mail = MailAccount.of(row.options)
            return await deliver_mail(
                self._guard, row.address, mail, secrets[0], message, timeout_s
            )
        if row.channel_kind == "mqtt":
            mqtt = MqttAccount.of(row.options)
            return await deliver_mqtt(
                self._guard, row.address, mqtt, secrets[0], message, timeout_s
            )
        return await deliver(self._guard, row.address, secrets, message, timeout_s)

    async def _oldest(self, channel_id: str) -> Any:
        own, channel = outbox_deliveries.c, outbox_channels.c
        statement = (
            sa.select(
                own.id, own.kind, own.body, own.created_us, own.channel_id, channel.address,
                channel.kind.label("channel_kind"), channel.options,
                channel.secret_sealed, channel.old_secret_sealed, channel.old_secret_until_us,
            )
            .join(outbox_channels, channel.id == own.channel_id)
            .where(
                own.channel_id == channel_id,
                own.state == "waiting",
                channel.enabled,
                channel.next_try_us <= now_us(),
            )
            .order_by(own.sequence)
            .limit(1)
        )  # fmt: skip
        async with self._reader.connect() as connection:
            return (await connection.execute(statement)).one_or_none()

    def _secrets(self, row: sa.Row[Any]) -> list[str]:
        context = seal_context(row.channel_id)
        secrets = [unseal(self._secret, row.secret_sealed, context)]
        if row.old_secret_sealed is not None and now_us() < (row.old_secret_until_us or 0):
            secrets.append(unseal(self._secret, row.old_secret_sealed, context))
        return secrets

    async def _forget(self) -> None:
        at_us = now_us()
        if at_us < self._forgotten_us + _FORGETS_EVERY_US:
            return
        before_us = at_us - self._settings.keep_days * DAY_US
        while await self._rows.write("outbox.forget", before_us=before_us):
            pass
        self._forgotten_us = at_us
