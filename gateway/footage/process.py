"""The footage server process: everything wired together."""

from __future__ import annotations

import contextlib
from typing import Any

from gateway.cluster.lifetime import LoopLag, run, run_until_stopped
from gateway.control.channel import ControlClient, ControlServer, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.footage.export_rights import Exports
from gateway.footage.fragments import FragmentMaker
from gateway.footage.frames import FrameMaker
from gateway.footage.privacy import Privacy
from gateway.footage.reader import FootageReader
from gateway.footage.routes import footage_server
from gateway.footage.sessions import PlaybackSessions
from gateway.footage.transcoding import PlaybackTranscoding
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.shard.web import serve_http
from gateway.store import open_configured_store
from gateway.transcoder.client import TranscoderClient


class ShardChannels:
    """The control channels to the shards, made as they are needed."""

    def __init__(self, settings: Settings, secret: bytes) -> None:
        self._settings = settings
        self._secret = secret
        self._clients: dict[str, ControlClient] = {}

    async def call(self, shard: str, name: str, /, **arguments: Any) -> Any:
        """See :class:`gateway.footage.reader.Shards`."""
        if shard not in self._clients:
            self._clients[shard] = ControlClient(
                control_path(self._settings, shard),
                self._secret,
                call_timeout_s=10.0,
                connect_timeout_s=1.0,
            )
        return await self._clients[shard].call(name, **arguments)

    async def close(self) -> None:
        """Close them all."""
        for client in self._clients.values():
            await client.close()


async def serve(settings: Settings, name: str) -> None:
    """Run until told to stop. Raises ConfigurationError when the store is not configured."""
    async with contextlib.AsyncExitStack() as stack:
        secret = cluster_secret(settings)
        engine = create_reader_engine(settings)
        stack.push_async_callback(engine.dispose)
        rows = RemoteRowWriter.from_settings(settings)
        stack.push_async_callback(rows.close)
        store = open_configured_store(settings)
        stack.push_async_callback(store.close)
        shards = ShardChannels(settings, secret)
        stack.push_async_callback(shards.close)
        control = ControlClient(control_path(settings, "transcoder"), secret)
        stack.push_async_callback(control.close)
        transcoder = TranscoderClient(control)

        reader = FootageReader(engine, store, shards)
        maker = FragmentMaker(reader)
        transcoding = PlaybackTranscoding(reader, maker, transcoder)
        stack.push_async_callback(transcoding.close)
        privacy = Privacy(engine)
        server = footage_server(
            name,
            reader,
            PlaybackSessions(secret, engine),
            maker,
            FrameMaker(reader, transcoder),
            transcoding,
            Exports(engine, rows),
            privacy,
        )
        port = await stack.enter_async_context(serve_http(name, server.routes()))
        lag = LoopLag()

        async def status() -> dict[str, Any]:
            return {"event_loop_lag_ms": lag.worst_ms(), "sessions": len(server.sessions)}

        async def masks_changed(camera_id: str) -> None:
            privacy.changed(camera_id)

        control_server = ControlServer(
            control_path(settings, name),
            secret,
            {
                "playback.revoke": server.revoke,
                "masks.changed": masks_changed,
                "footage.status": status,
                "process.status": status,
            },
        )
        await control_server.start()
        stack.push_async_callback(control_server.close)
        await run_until_stopped(lag, http_port=port)


def main(settings: Settings, name: str) -> None:
    """Entry point for the supervisor."""
    run(serve(settings, name))
