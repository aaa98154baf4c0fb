"""The footage server process: everything wired together."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.watching import FootageWatched, WatchedLog
from gateway.cluster.child import ConfigurationError
from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.control.serving import control_server
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.evidence.keys import KeyFault, PackageSigner
from gateway.evidence.making import Workshop
from gateway.evidence.worker import ExportWorker
from gateway.footage.cascade import CascadePlayback
from gateway.footage.change import ChangeSearches
from gateway.footage.export_rights import Exports
from gateway.footage.fragments import FragmentMaker
from gateway.footage.frames import FrameMaker
from gateway.footage.packages import PackageServer
from gateway.footage.privacy import Privacy
from gateway.footage.reader import FootageReader
from gateway.footage.renders import RenderServer
from gateway.footage.routes import footage_server
from gateway.footage.sessions import PlaybackSessions
from gateway.footage.shard_channels import ShardChannels
from gateway.footage.transcoding import PlaybackTranscoding
from gateway.identifiers import US_PER_S
from gateway.masks import MaskReader
from gateway.meetings.recording.render import RenderWorker, Studio
from gateway.refused_tickets import RefusedTickets
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.shard.web import media_app, serve_http
from gateway.sources.gb28181 import media_place
from gateway.store import open_configured_store
from gateway.transcoder.client import TranscoderClient, open_transcoders
from gateway.transport.machines import serve_machines
from recorder.rows import RowWriter


async def serve(settings: Settings, name: str) -> None:
    """Run until told to stop. Raises ConfigurationError when the store is not configured."""
    async with contextlib.AsyncExitStack() as stack:
        secret = cluster_secret(settings)
        engine = create_reader_engine(settings)
        stack.push_async_callback(engine.dispose)
        rows = RemoteRowWriter.from_settings(settings)
        stack.push_async_callback(rows.close)
        log = WatchedLog(rows)
        stack.push_async_callback(log.close)
        watched = FootageWatched(log)
        stack.callback(watched.report_all)
        for loop in (log.run(), watched.run()):
            stack.callback(asyncio.create_task(loop).cancel)
        store = open_configured_store(settings)
        stack.push_async_callback(store.close)
        shards = ShardChannels(settings, secret, engine)
        stack.push_async_callback(shards.close)
        transcoder = await stack.enter_async_context(open_transcoders(settings, secret))

        reader = FootageReader(engine, store, shards)
        maker = FragmentMaker(reader)
        transcoding = PlaybackTranscoding(reader, maker, transcoder)
        stack.push_async_callback(transcoding.close)
        privacy = Privacy(engine)
        cascade = CascadePlayback(
            reader,
            transcoding,
            MaskReader(engine),
            settings.cascade.address,
            media_place(settings, name).pool,
        )
        changes = ChangeSearches(reader)
        stack.push_async_callback(changes.close)
        sessions = PlaybackSessions(secret, engine, RefusedTickets(rows, name).note)
        server = footage_server(
            name,
            reader,
            sessions,
            maker,
            FrameMaker(reader, transcoder),
            transcoding,
            Exports(engine, rows),
            privacy,
            watched,
            shards,
        )
        packages = PackageServer(name, engine, sessions, settings.exports_directory)
        renders = RenderServer(engine, sessions, store)
        routes = [*server.routes(), *packages.routes(), *renders.routes()]
        port = await stack.enter_async_context(serve_http(name, routes))
        peer_http_port = await stack.enter_async_context(
            serve_machines(settings, name, secret, media_app(name, routes))
        )
        rendering = RenderWorker(
            Studio(name, engine, rows, reader, store, settings.renders_directory)
        )
        exporting = ExportWorker(
            await _open_workshop(settings, name, secret, engine, rows, reader, transcoder)
        )
        lag = LoopLag()

        async def status() -> dict[str, Any]:
            return {"event_loop_lag_ms": lag.worst_ms(), "sessions": len(server.asked.sessions)}

        async def masks_changed(camera_id: str) -> None:
            privacy.changed(camera_id)
            cascade.masks_changed(camera_id)

        async def exports_wake() -> None:
            exporting.wake()

        async def renders_wake() -> None:
            rendering.wake()

        answering = control_server(
            settings,
            name,
            secret,
            {
                **cascade.calls(),
                **changes.calls(),
                "playback.revoke": server.revoke,
                "masks.changed": masks_changed,
                "footage.status": status,
                "exports.wake": exports_wake,
                "exports.leftovers": exporting.leftovers,
                "renders.wake": renders_wake,
                "process.status": status,
            },
        )
        await answering.start()
        stack.push_async_callback(answering.close)
        for work in (exporting.run(), rendering.run()):
            stack.push_async_callback(_ended, asyncio.create_task(work))
        await run_until_stopped(
            lag, http_port=port, control_port=answering.port, peer_http_port=peer_http_port
        )


async def _open_workshop(
    settings: Settings,
    name: str,
    secret: bytes,
    engine: AsyncEngine,
    rows: RowWriter,
    reader: FootageReader,
    transcoder: TranscoderClient,
) -> Workshop:
    evidence = settings.evidence
    try:
        signer = await asyncio.to_thread(PackageSigner.open, secret, evidence.sm2_key_file)
    except (KeyFault, OSError) as error:
        raise ConfigurationError(f"packages cannot be signed: {error}") from None
    return Workshop(
        process=name,
        engine=engine,
        rows=rows,
        reader=reader,
        transcoder=transcoder,
        signer=signer,
        folder=settings.exports_directory,
        gateway=settings.public_url or socket.gethostname(),
        reserve_bytes=evidence.reserve_bytes,
        keep_us=round(evidence.keep_days * 86_400 * US_PER_S),
    )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    run(serve(settings, name))
