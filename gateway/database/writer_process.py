"""The process that writes rows: every other process sends it named operations.

``rows.write`` answers when the write is durable. Many callers' writes share one transaction, so
that a thousand cameras' segments cost a few syncs a second, not a thousand.
"""

from __future__ import annotations

import asyncio
import time
from importlib import import_module
from typing import Any

import sqlalchemy as sa
import structlog

from gateway.audit import AuditRecord
from gateway.audit.checkpoints import CheckpointWriter, signing_key
from gateway.audit.outside import OutsideCopies, configured_outside
from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.control.channel import ControlClient, ControlError, control_path
from gateway.control.serving import control_server
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import upgrade
from gateway.database.write_times import WriteTimes
from gateway.identifiers import now_us
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.version import VERSION
from recorder.row_faults import is_passing
from recorder.rows import LocalRowWriter, RowError

_log = structlog.get_logger(__name__)

WRITER = "writer"

# Modules that declare row operations. Imported by the writer, and by nobody for this purpose.
_OPERATION_MODULES = (
    "recorder.index",
    "recorder.object_locks",
    "gateway.alarms.alarm_rows",
    "gateway.alarms.rule_rows",
    "gateway.analysis.analysis_rows",
    "gateway.analysis.analyst_rows",
    "gateway.assist.answer_rows",
    "gateway.assist.looked_rows",
    "gateway.assist.request_rows",
    "gateway.attachments.rows",
    "gateway.audit.records",
    "gateway.audit.watched_rows",
    "gateway.camera_rows",
    "gateway.capacity.daily_rows",
    "gateway.cluster.lease_rows",
    "gateway.cluster.rows",
    "gateway.database.partitions",
    "gateway.demo.rows",
    "gateway.evidence.case_rows",
    "gateway.evidence.export_rows",
    "gateway.evidence.hold_rows",
    "gateway.fetching.backfill_rows",
    "gateway.field.duty_rows",
    "gateway.field.live_rows",
    "gateway.field.report_rows",
    "gateway.field.upload_rows",
    "gateway.health.health_rows",
    "gateway.incidents.categories",
    "gateway.incidents.dispatching",
    "gateway.incidents.handling",
    "gateway.incidents.opening",
    "gateway.incidents.steps",
    "gateway.incidents.units",
    "gateway.investigations.photo_rows",
    "gateway.investigations.request_rows",
    "gateway.investigations.standing_rows",
    "gateway.investigations.trail_rows",
    "gateway.keepsake_rows",
    "gateway.mask_rows",
    "gateway.meetings.desk_rows",
    "gateway.meetings.journal",
    "gateway.meetings.paper_rows",
    "gateway.meetings.participant_rows",
    "gateway.meetings.playing.rows",
    "gateway.meetings.presence_rows",
    "gateway.meetings.recording.render_rows",
    "gateway.meetings.recording.rows",
    "gateway.meetings.roll_call_rows",
    "gateway.meetings.rows",
    "gateway.meetings.site_rows",
    "gateway.meetings.subtitles.rows",
    "gateway.meetings.telephone.rows",
    "gateway.outbox.channel_rows",
    "gateway.outbox.delivery_rows",
    "gateway.people.account_rows",
    "gateway.people.area_rows",
    "gateway.people.desk_rows",
    "gateway.people.grant_rows",
    "gateway.people.handover_rows",
    "gateway.people.purpose_rows",
    "gateway.people.second_factor_rows",
    "gateway.people.sign_in_rows",
    "gateway.people.token_rows",
    "gateway.notices.notice_rows",
    "gateway.platforms.catalog_rows",
    "gateway.platforms.channel_rows",
    "gateway.platforms.event_rows",
    "gateway.platforms.gb28181_below.dialog_rows",
    "gateway.platforms.platform_rows",
    "gateway.platforms.share_rows",
    "gateway.platforms.state_rows",
    "gateway.platforms.steering_rows",
    "gateway.rate_rows",
    "gateway.retention_rows",
    "gateway.screens.screen_rows",
    "gateway.sheets.apply_rows",
    "gateway.sightings.sighting_rows",
    "gateway.sightings.subscription_rows",
    "search.index.rows",
    "gateway.zones.zone_rows",
)

_REFUSED = "refused."
# The supervisor waits a minute for this process.
_SERVER_START_S = 40.0
_PARTITIONS_EVERY_S = 3600.0
_PARTITIONS_AGAIN_S = 60.0
# What the control channel makes of a handler's ConnectionError.
_AWAY = "unavailable"


class RemoteRowWriter:
    """A :class:`recorder.rows.RowWriter` that sends each write to the writer process.

    ConnectionError means that the write may or may not have happened: repeat it only if the
    operation says that it may be repeated.
    """

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    @classmethod
    def from_settings(cls, settings: Settings) -> RemoteRowWriter:
        """Reach the writer of this data directory."""
        secret = cluster_secret(settings)
        return cls(ControlClient(control_path(settings, WRITER), secret))

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        """See :class:`recorder.rows.RowWriter`."""
        try:
            return await self._client.call("rows.write", operation=operation, arguments=arguments)
        except ControlError as error:
            if error.code.startswith(_REFUSED):
                code = error.code.removeprefix(_REFUSED)
                raise RowError(code, str(error)) from None
            if error.code == _AWAY:
                raise ConnectionError(str(error)) from None
            raise

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()


def load_operations() -> None:
    """Import every module that declares row operations."""
    for name in _OPERATION_MODULES:
        import_module(name)


async def serve_rows(settings: Settings, name: str) -> None:
    """Bring the schema up to date, then answer ``rows.write`` until told to stop."""
    load_operations()
    engine = create_writer_engine(settings)
    await _upgrade_when_reached(engine)
    writer = LocalRowWriter(engine)
    lag = LoopLag()
    times = WriteTimes()

    async def write(operation: str, arguments: dict[str, Any]) -> Any:
        try:
            with times.timing():
                return await writer.write(operation, **arguments)
        except RowError as error:
            raise ControlError(f"{_REFUSED}{error.code}", str(error)) from None

    async def status() -> dict[str, Any]:
        return {"event_loop_lag_ms": lag.worst_ms(), **times.figures()}

    secret = cluster_secret(settings)
    checkpoints = CheckpointWriter(
        engine,
        settings.data_directory,
        secret,
        interval_s=settings.audit.checkpoint_interval_s,
    )
    await asyncio.to_thread(checkpoints.open)
    places = configured_outside(settings.audit, signing_key(secret).public_key())
    copies = OutsideCopies(checkpoints, places)
    await _note(writer, started(settings))

    async def audit_state() -> dict[str, Any]:
        signed = checkpoints.signed
        return {
            "signed": {"sequence": signed.sequence, "at_us": signed.at_us} if signed else None,
            "outside": copies.state(),
        }

    signing = asyncio.gather(checkpoints.run(), copies.run(), _keep_partitions(writer, engine))
    server = control_server(
        settings,
        name,
        secret,
        {"rows.write": write, "process.status": status, "audit.state": audit_state},
    )
    await server.start()
    try:
        await run_until_stopped(lag, control_port=server.port)
    finally:
        await server.close()
        await _note(writer, AuditRecord("system.stop"))
        # Finishes what was accepted: a caller that was cut off may still find it written.
        await asyncio.to_thread(writer.close)
        signing.cancel()
        await asyncio.gather(signing, return_exceptions=True)
        try:
            await asyncio.to_thread(checkpoints.write_line)
        except sa.exc.OperationalError as error:
            # It is signed when both are back.
            _log.error("the register cannot be signed", why=str(error.orig))
        await asyncio.to_thread(copies.copy_newest)
        engine.dispose()


async def _upgrade_when_reached(engine: sa.Engine) -> None:
    """Wait for a server that is just being started, as after a power cut."""
    deadline_s = time.monotonic() + _SERVER_START_S
    while True:
        try:
            return await asyncio.to_thread(upgrade, engine)
        except sa.exc.OperationalError as error:
            if not is_passing(error) or time.monotonic() >= deadline_s:
                raise
            _log.warning("the database does not answer; trying again", why=str(error.orig))
        await asyncio.sleep(1.0)


async def _keep_partitions(writer: LocalRowWriter, engine: sa.Engine) -> None:
    """Have tomorrow's partitions made; see :mod:`gateway.database.partitions`."""
    while engine.dialect.name == "postgresql":
        wait_s = _PARTITIONS_EVERY_S
        try:
            changed = await writer.write("database.keep_partitions", now_us=now_us())
        except (ConnectionError, sa.exc.DBAPIError) as error:
            # Rows of a day without a partition are kept all the same: see there.
            _log.warning("partitions could not be made; trying again", why=str(error))
            wait_s = _PARTITIONS_AGAIN_S
        else:
            if changed["made"] or changed["dropped"]:
                _log.info("partitions", **changed)
        await asyncio.sleep(wait_s)


async def _note(writer: LocalRowWriter, record: AuditRecord) -> None:
    """Put it into the register if that can be written: start and stop do not wait for it."""
    try:
        await writer.write("audit.append", records=[record.to_message()])
    except (ConnectionError, sa.exc.DBAPIError) as error:
        why = str(getattr(error, "orig", error))
        _log.error("the register cannot be written", action=record.action, why=why)


def started(settings: Settings) -> AuditRecord:
    """The record of a start: which version, and what is asked of those who look."""
    return AuditRecord(
        "system.start",
        detail={
            "version": VERSION,
            "live_purpose": settings.asks_live_purpose,
            **settings.accountability.model_dump(mode="json", exclude={"live_purpose"}),
        },
    )


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    run(serve_rows(settings, name))
