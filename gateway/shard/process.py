"""The media shard process: everything wired together, and the loops that keep it true."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from camera_adapters.rtmp.listener import RtmpListener
from camera_adapters.rtp.clocks import SteadyClock
from camera_adapters.stream import Stream, Variant
from camera_adapters.webrtc.advertised import NetworkAddresses
from camera_adapters.webrtc.input import WebRtcInput
from camera_adapters.webrtc.output import WebRtcOutput
from gateway.audit import AuditRecord, append
from gateway.audit.watching import WatchedLog
from gateway.cluster.child import ConfigurationError
from gateway.cluster.heartbeat import Heartbeat
from gateway.cluster.interface import number_of
from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.cluster.peers import peer_client
from gateway.cluster.spool_names import former_names
from gateway.control.channel import ControlError
from gateway.control.serving import control_server
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.fetching.for_shard import ShardFetching
from gateway.live.mse import MseEndpoint
from gateway.live.restream import Permission, Restreams
from gateway.live.snapshot import Snapshots
from gateway.live.talk import Loudspeaker, LoudspeakerRefused, TalkEndpoint
from gateway.live.waiting import run_begins
from gateway.live.whep import WhepEndpoint
from gateway.live.whip import WhipEndpoint
from gateway.masks import Polygons
from gateway.meetings.shard_part import MeetingsPart
from gateway.refused_tickets import RefusedTickets
from gateway.relay.figures import summed
from gateway.relay.owners import read_owners
from gateway.relay.receiving import Relays
from gateway.relay.sending import RelaySending
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.shard.analysis_feed import analysis_calls
from gateway.shard.brought_back import BroughtBack
from gateway.shard.calls import clock_calls, footage_calls, live_calls, media_calls
from gateway.shard.cascade import CascadeSending
from gateway.shard.clock_watch import ClockWatch
from gateway.shard.derived import DerivedVariants
from gateway.shard.desired import DesiredReader
from gateway.shard.housekeeping import keep_house
from gateway.shard.live import FIRST_RUN_WAIT_S, LiveDoor
from gateway.shard.loudspeakers import open_loudspeaker
from gateway.shard.recording_figures import recording_figures
from gateway.shard.report import Report
from gateway.shard.sampling import sampling_calls
from gateway.shard.scenes import scene_calls
from gateway.shard.sessions import LiveSessions
from gateway.shard.shard import MediaShard
from gateway.shard.web import WEBSOCKET_BYTES_LIMIT, media_app, serve_http
from gateway.sources.gb28181 import media_place
from gateway.sources.push_door import APPLICATION, PushDoor
from gateway.sources.registry import SourceContext
from gateway.store import open_configured_store
from gateway.tickets import TicketSigner
from gateway.transcoder.client import open_transcoders
from gateway.transport.machines import serve_machines
from recorder.hold_rows import held_since
from recorder.recorder import Recorder, RecorderConfig
from recorder.rows import RowError, RowWriter
from recorder.spool import SpoolConfig, SpoolError
from recorder.stores import Store
from recorder.timeline import accepted_clock_offset

_log = structlog.get_logger(__name__)

RECONCILE_INTERVAL_S = 3.0
TURN_INTERVAL_S = 5.0
# Short: a camera whose shard has died may be another's by now.
PEER_CONNECT_S = 1.0


class ShardProcess:
    """One media shard: from its settings to its loops."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._number = number_of(name)
        self._secret = cluster_secret(settings)
        self._lag = LoopLag()
        self._lag_ms = 0.0
        self._reader: AsyncEngine = create_reader_engine(settings)
        self._desired = DesiredReader(self._reader, self._secret, name)
        self._rows: RowWriter
        self._store: Store
        self._recorder: Recorder
        self._brought_back: BroughtBack
        self._shard: MediaShard
        self._report: Report
        self._fetching: ShardFetching
        self._clocks: ClockWatch
        self._watched: WatchedLog
        self._refused: RefusedTickets
        self._sessions = LiveSessions(
            TicketSigner(self._secret),
            lambda watched: self._watched.add(watched),
            lambda why: self._refused.note(why),
            name=name,
        )
        self._whep: WhepEndpoint
        self._cascade: CascadeSending
        self._relays: Relays
        self._relay_sending: RelaySending
        self._mse: MseEndpoint
        self._talks: TalkEndpoint
        self._meetings: MeetingsPart
        self._context = SourceContext()
        self._restreams: Restreams | None = None
        self._push = PushDoor(lambda why, address: self._refused.note(why, address))
        self._push_listener: RtmpListener | None = None
        self._reconciling = asyncio.Lock()
        self._control_port: int | None = None
        self._peer_http_port: int | None = None

    async def serve(self) -> None:
        """Run until told to stop. Raises ConfigurationError."""
        async with contextlib.AsyncExitStack() as stack:
            port = await self._start(stack)
            heartbeat = Heartbeat(self._settings, self._rows, self._name)
            await heartbeat.beat()
            loops = [self._reconcile_for_ever(), self._turn_for_ever()]
            loops += [self._watched.run(), heartbeat.run()]
            loops.append(self._relays.run(self._sessions.viewers))
            if self._number == 1:
                loops.append(
                    keep_house(self._settings, self._reader, self._rows, self._store, self._name)
                )
            for loop in loops:
                stack.callback(asyncio.create_task(loop).cancel)
            for ending in (self._fetching.run(), self._meetings.run()):
                stack.push_async_callback(_ended, asyncio.create_task(ending))
            await run_until_stopped(
                self._lag,
                http_port=port,
                control_port=self._control_port,
                peer_http_port=self._peer_http_port,
            )

    async def _start(self, stack: contextlib.AsyncExitStack) -> int:
        settings = self._settings
        rows = RemoteRowWriter.from_settings(settings)
        self._rows = rows
        stack.push_async_callback(rows.close)
        self._watched = WatchedLog(rows)
        self._refused = RefusedTickets(rows, self._name)
        stack.push_async_callback(self._watched.close)
        stack.push_async_callback(self._reader.dispose)
        transcoder = await stack.enter_async_context(open_transcoders(settings, self._secret))

        self._recorder = await self._start_recorder(stack)
        former = await asyncio.to_thread(former_names, settings, self._name)
        self._brought_back = BroughtBack(self._recorder, rows, [self._name, *former])
        derived = DerivedVariants(
            transcoder, lambda camera_id, variant, _: self._report.changed(camera_id, variant)
        )
        clock = SteadyClock()
        signalling = peer_client(settings, self._secret, self._reader, "signalling")
        stack.push_async_callback(signalling.close)
        stack.callback(self._push.close)
        media = media_place(settings, self._name)
        context = self._context = SourceContext(
            settings,
            signalling,
            transcoder,
            self._push,
            media=media,
            reader=self._reader,
        )
        self._shard = MediaShard(
            self._recorder,
            derived,
            clock=clock,
            on_state=lambda feed: self._report.changed(
                feed.desired.camera_id, feed.desired.variant
            ),
            context=context,
        )
        self._fetching = ShardFetching(
            settings,
            self._secret,
            self._name,
            self._reader,
            rows,
            self._recorder,
            signalling,
            context,
        )
        self._relay_sending = RelaySending(self._shard, self._reconcile)
        self._report = Report(self._shard, self._sessions, self._relay_sending.viewers)
        stack.push_async_callback(self._shard.close)
        self._relays = self._open_relays()
        stack.push_async_callback(self._relays.close)
        self._clocks = ClockWatch(self._shard, self._recorder, clock, self._accepted_offset)

        self._cascade = CascadeSending(self._shard, settings.cascade.address, media.pool)
        door = LiveDoor(self._shard, self._sessions, self._relays)
        output = self._open_webrtc()
        stack.callback(output.close)
        self._whep = WhepEndpoint(
            output,
            door.for_webrtc,
            ice_servers=settings.webrtc.ice_servers,
            run_wait_s=1.0,  # the door has waited already
        )
        self._mse = MseEndpoint(door.for_mse, transcoder=transcoder)
        incoming = WebRtcInput(output.mux, output.identity, clock.now_us)
        stack.callback(incoming.close)
        self._talks = TalkEndpoint(
            incoming,
            lambda ticket: self._sessions.open(ticket, "talk"),
            self._loudspeaker,
            ice_servers=settings.webrtc.ice_servers,
        )
        self._meetings = MeetingsPart(
            settings, self._name, self._reader, rows, self._recorder, self._shard, output,
            clock.now_us, self._refused.note, self._store, transcoder, self._relays.peer,
        )  # fmt: skip
        stack.push_async_callback(self._meetings.close)
        await self._start_restreams(stack)
        await self._start_push(stack)

        routes = [*self._whep.routes(), *self._mse.routes()]
        routes += [*self._talks.routes(), *self._meetings.routes()]
        whip = WhipEndpoint(
            incoming, self._push.admit, APPLICATION, ice_servers=settings.webrtc.ice_servers
        )
        if settings.push.enabled:
            routes += whip.routes()
        port = await stack.enter_async_context(serve_http(self._name, routes))
        self._peer_http_port = await stack.enter_async_context(
            serve_machines(
                settings,
                self._name,
                self._secret,
                media_app(self._name, routes),
                websocket_bytes_limit=WEBSOCKET_BYTES_LIMIT,
            )
        )
        stack.callback(self._whep.close)
        stack.callback(self._mse.close)
        stack.callback(self._talks.close)

        server = control_server(
            settings,
            self._name,
            self._secret,
            {
                **footage_calls(self._recorder),
                **media_calls(self._shard, Snapshots(transcoder)),
                **self._cascade.calls(),
                **self._relay_sending.calls(),
                **live_calls(self._reconcile, self._revoke, self._sessions.hand_over),
                **clock_calls(self._clocks),
                **sampling_calls(self._shard),
                **analysis_calls(self._shard),
                **self._fetching.calls(),
                **self._meetings.calls(),
                **scene_calls(self._push, whip),
                "shard.status": self._status,
                "live.load": self._load,
                "shard.watch": self._report.watch,
                "shard.figures": self._report.figures,
                "process.status": self._process_status,
            },
        )
        await server.start()
        self._control_port = server.port
        stack.push_async_callback(server.close)
        return port

    def _open_relays(self) -> Relays:
        settings, reader = self._settings, self._reader
        return Relays(
            self._name,
            self._shard,
            lambda camera_ids: read_owners(reader, camera_ids),
            # Not the channel of the calls: pictures must not keep those waiting.
            lambda peer: peer_client(
                settings, self._secret, reader, peer, connect_timeout_s=PEER_CONNECT_S
            ),
            self._reconcile,
        )

    async def _start_recorder(self, stack: contextlib.AsyncExitStack) -> Recorder:
        settings = self._settings
        recording = settings.recording
        store = self._store = open_configured_store(settings)
        stack.push_async_callback(store.close)
        config = RecorderConfig(
            SpoolConfig(
                settings.spool_directory / self._name,
                bytes_limit=recording.spool_bytes_limit,
                memory_bytes_limit=recording.memory_bytes_limit,
                fsync_interval_s=recording.fsync_interval_s,
            ),
            segment_s=recording.segment_s,
            upload_concurrency=settings.store.uploads_at_once,
        )
        config.spool.directory.mkdir(parents=True, exist_ok=True)
        recorder = Recorder(config, self._rows, store)
        try:
            await recorder.start()
        except SpoolError as error:
            raise ConfigurationError(str(error)) from None
        stack.push_async_callback(recorder.close)
        return recorder

    def _open_webrtc(self) -> WebRtcOutput:
        configured = self._settings.webrtc
        port = configured.udp_port + self._number - 1 if configured.udp_port else 0
        addresses = configured.advertise_addresses or _own_addresses(self._settings.listen.address)
        try:
            return WebRtcOutput.open(
                udp_port=port,
                advertise_addresses=addresses,
                networks=[
                    NetworkAddresses(ipaddress.ip_network(one.network), tuple(one.addresses))
                    for one in configured.networks
                ],
            )
        except (OSError, ValueError) as error:
            told = [*addresses, *(one for net in configured.networks for one in net.addresses)]
            raise ConfigurationError(
                f"WebRTC cannot use UDP port {port} on {', '.join(told)}: {error}; "
                "see webrtc.udp_port, webrtc.advertise_addresses and webrtc.networks"
            ) from None

    async def _start_restreams(self, stack: contextlib.AsyncExitStack) -> None:
        configured = self._settings.restream
        if not configured.enabled:
            return
        port = configured.port + self._number - 1 if configured.port else 0
        restreams = Restreams(self._open_restream, self._watched.add, self._refused.note)
        try:
            await restreams.start(configured.address, port)
        except OSError as error:
            raise ConfigurationError(
                f"restream cannot listen on {configured.address}:{port}: {error}"
            ) from None
        stack.push_async_callback(restreams.stop)
        self._restreams = restreams

    async def _loudspeaker(self, camera_id: str) -> Loudspeaker:
        """See :data:`gateway.live.talk.OpenLoudspeaker`."""
        try:
            source = self._shard.feed(camera_id, Variant.MAIN).desired
        except LookupError:
            raise LoudspeakerRefused("not_found", "this camera is not held here") from None
        return await open_loudspeaker(source, self._context)

    async def _start_push(self, stack: contextlib.AsyncExitStack) -> None:
        configured = self._settings.push
        if not configured.enabled:
            return
        port = configured.port + self._number - 1 if configured.port else 0
        listener = RtmpListener(self._push.admit)
        try:
            await listener.start(configured.address, port)
        except OSError as error:
            raise ConfigurationError(
                f"push cannot listen on {configured.address}:{port}: {error}"
            ) from None
        stack.push_async_callback(listener.stop)
        self._push_listener = listener

    async def _open_restream(self, permission: Permission, peer_address: str) -> Stream:
        """See :data:`gateway.live.restream.OpenRestream`."""
        record = AuditRecord(
            "restream.open",
            user_id=permission.user_id,
            user_name=permission.user_name,
            address=peer_address,
            camera_id=permission.camera_id,
            detail={"restream_id": permission.restream_id, "variant": str(permission.variant)},
        )
        try:
            await append(self._rows, [record])
        except RowError as error:
            raise ConnectionError(f"the audit log refuses: {error}") from error
        stream = self._restreamed(permission)
        if not stream.running and not await run_begins(stream, FIRST_RUN_WAIT_S):
            raise TimeoutError("the camera sends nothing")
        return stream

    def _restreamed(self, permission: Permission) -> Stream:
        if permission.may_lift_masks or not self._shard.derived.masks(permission.camera_id):
            return self._shard.stream(permission.camera_id, permission.variant)
        made_from = Variant.SUB if permission.variant is Variant.SUB else Variant.MAIN
        return self._shard.stream(permission.camera_id, Variant.MASKED, made_from)

    async def _reconcile(self) -> None:
        # One after the other: what was read first must not undo what was read after it.
        async with self._reconciling:
            desired = await self._desired.read()
            self._cover(desired.masks)
            if self._restreams is not None:
                self._restreams.permit(desired.restreams)
            self._push.permit(desired.sources.values())
        await self._shard.reconcile(desired.sources)

    def _cover(self, masks: dict[str, Polygons]) -> None:
        """Whoever sees more than the masks of now let them see begins anew, masked."""
        if not self._shard.derived.cover(masks):
            return
        self._cascade.cover()
        self._relay_sending.cover()
        self._meetings.cover()
        for session in self._sessions.seeing_all_of(masks.__contains__):
            self._whep.revoke(session.session_id, "masks_changed")
            self._mse.revoke(session.session_id, "masks_changed")
        if self._restreams is not None:
            self._restreams.cover(masks.__contains__)

    async def _reconcile_for_ever(self) -> None:
        while True:
            try:
                await self._reconcile()
            except sa.exc.DBAPIError as error:
                _log.warning("assignments cannot be read; holding what is held", why=str(error))
            except Exception:
                _log.exception("reconciling failed; trying again")
            await asyncio.sleep(RECONCILE_INTERVAL_S)

    async def _turn_for_ever(self) -> None:
        while True:
            turns = (self._clocks.turn, self._report.turn, self._keep_held, self._tell_brought_back)
            for turn in turns:
                try:
                    await turn()
                except Exception:
                    _log.exception("a turn failed; the others go on")
            self._lag_ms = self._lag.worst_ms()
            await asyncio.sleep(TURN_INTERVAL_S)

    async def _tell_brought_back(self) -> None:
        try:
            await self._brought_back.turn()
        except (ConnectionError, TimeoutError, ControlError, RowError) as error:
            _log.warning("what has come back cannot be told yet", why=str(error))

    async def _keep_held(self) -> None:
        """Tell the spool what it may not give up."""
        files = self._recorder.spool.files.values()
        oldest_us = min((file.header.start_us for file in files), default=None)
        if oldest_us is None:
            return
        try:
            async with self._reader.connect() as connection:
                held = await held_since(connection, oldest_us)
        except sa.exc.DBAPIError as error:
            _log.warning("holds cannot be read; keeping those that are known", why=str(error))
            return
        self._recorder.keep(held)

    async def _accepted_offset(self, source_id: str) -> int | None:
        try:
            async with self._reader.connect() as connection:
                return await accepted_clock_offset(connection, source_id)
        except sa.exc.DBAPIError:
            return None  # it is told once more than needed

    def _revoke(self, session_ids: list[str]) -> int:
        """End these sessions now, and for good. Returns how many viewers that were."""
        self._sessions.revoke(session_ids)
        ended = self._meetings.revoke(session_ids)
        for session_id in session_ids:
            ended += self._whep.revoke(session_id)
            ended += self._mse.revoke(session_id)
            ended += self._talks.revoke(session_id)
            if self._restreams is not None:
                ended += self._restreams.revoke(session_id)
        return ended

    async def _status(self) -> dict[str, Any]:
        return {
            "event_loop_lag_ms": self._lag_ms,
            "spool_bytes": self._recorder.status().spool_bytes,
            "cameras": await self._report.cameras(),
            "session_ids": self._sessions.session_ids(),
        }

    async def _load(self) -> dict[str, int]:
        return {"viewers": len(self._sessions) + self._meetings.figures()["meeting_members"]}

    async def _process_status(self) -> dict[str, Any]:
        return {
            "event_loop_lag_ms": self._lag_ms,
            "cameras": len({feed.desired.camera_id for feed in self._shard.feeds.values()}),
            **await recording_figures(self._recorder, self._shard.feeds.values()),
            "recorders_refastened": self._shard.recorders_refastened,
            "live_sessions": len(self._sessions),
            "webrtc": self._whep.figures(),
            "mse_viewers": self._mse.viewer_count,
            "mse_pictures_skipped": self._mse.pictures_skipped,
            "rtmp_publishers": len(self._push_listener.connections) if self._push_listener else 0,
            "talks": len(self._talks),
            "cascade_sessions": len(self._cascade),
            "relays_sent": summed(self._relay_sending.figures(), self._meetings.media_sent()),
            "relays_received": summed(self._relays.figures(), self._meetings.media_received()),
            "restream_readers": self._restreams.session_count if self._restreams else 0,
            **self._fetching.figures(),
            **self._meetings.figures(),
        }


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _own_addresses(listen_address: str) -> list[str]:
    """Where browsers that reach the console can reach this shard, when nothing is configured."""
    try:
        address = ipaddress.ip_address(listen_address)
    except ValueError:
        return ["127.0.0.1"]
    if not address.is_unspecified:
        return [listen_address]
    return [*_routed_addresses(), "127.0.0.1"]


def _routed_addresses() -> Iterable[str]:
    """The address from which this machine would speak to its network. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 9))
        except OSError:
            return []
        return [probe.getsockname()[0]]


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    # Access units live for a GOP and form no cycles: looking for some among them every few hundred
    # allocations is a tenth of the process's work. Nor does what the imports made ever become
    # garbage: going through it now and then would hold the loop for tens of milliseconds.
    gc.set_threshold(20_000, 50, 100)
    gc.freeze()
    run(ShardProcess(settings, name).serve())
