"""``gridsight serve``: start everything, say where it is, stop everything."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from typing import Any

import structlog

from gateway.cluster.interface import SIGNALLING, SUPERVISOR, Cluster, StartError
from gateway.cluster.leading import Leadership
from gateway.cluster.peers import peer_client
from gateway.cluster.ray_cluster import RayCluster
from gateway.cluster.reconciler import (
    PLACEMENT,
    PLACEMENT_EVERY_S,
    PLACEMENT_LASTS_S,
    PLACEMENT_MARGIN_S,
    Reconciler,
)
from gateway.cluster.spool_names import former_names
from gateway.cluster.supervisor import LocalSupervisor, local_processes
from gateway.control.channel import ControlClient, ControlServer, control_path
from gateway.database.engine import create_reader_engine
from gateway.database.writer_process import RemoteRowWriter
from gateway.people.passwords import hash_password, one_time_password
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.transport.local_authority import fingerprint
from gateway.transport.tls import read_authority

_log = structlog.get_logger(__name__)

FIRST_ADMIN = "admin"


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises StartError when it cannot go on."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    rows = RemoteRowWriter.from_settings(settings)
    cluster = _cluster(settings, rows)
    try:
        starting = asyncio.create_task(cluster.start())
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        await starting
        async with _reconciling(settings, rows, cluster):
            await _welcome(settings, rows, cluster)
            failing = asyncio.create_task(cluster.failed())
            await asyncio.wait((failing, waiting), return_when=asyncio.FIRST_COMPLETED)
            if failing.done():
                raise StartError(f"{failing.result()}; the log above says why")
            failing.cancel()
    finally:
        waiting.cancel()
        await cluster.stop()
        await rows.close()


def _cluster(settings: Settings, rows: RemoteRowWriter) -> Cluster:
    address = settings.cluster.ray_address
    if address is None:
        return LocalSupervisor(settings, rows)
    return RayCluster(settings, address, cluster_secret(settings), local_processes(settings))


@contextlib.asynccontextmanager
async def _reconciling(settings: Settings, rows: RemoteRowWriter, cluster: Cluster) -> Any:
    """Keep assignments true, and answer on the supervisor's own control socket."""
    secret = cluster_secret(settings)
    names = [spec.name for spec in local_processes(settings)]
    # Each machine answers for its own; one that stands alone, for all.
    alone = settings.cluster.listen_address is None
    node = None if alone else settings.cluster.node_name
    shards = [spec.name for spec in local_processes(settings) if spec.kind == "shard"]
    renamed = {
        former: name
        for name in shards
        for former in await asyncio.to_thread(former_names, settings, name)
    }
    await rows.write("shards.rename", names=renamed)
    # Whoever speaks writes that row, and may have outlived the last `gridsight serve` here.
    kept = [*names, SIGNALLING] if settings.cluster.signalling else names
    await rows.write("processes.keep_only", names=kept, node=node)
    reader = create_reader_engine(settings)

    def connect(shard: str) -> ControlClient:
        # Short: a shard that does not answer reads its rows when it is back.
        return peer_client(settings, secret, reader, shard, call_timeout_s=2, connect_timeout_s=1)

    def awaited() -> set[str]:
        # Alone, a shard that is silent and runs has too much to do: its cameras would be too much
        # for its neighbours as well.
        return {
            one.name for one in cluster.status() if alone or one.state in ("starting", "waiting")
        }

    reconciler = Reconciler(reader, rows if alone else None, connect, awaited=awaited)

    async def reconcile() -> None:
        reconciler.wake()

    async def status() -> list[dict[str, Any]]:
        return [
            {
                "name": one.name,
                "kind": one.kind,
                "state": one.state,
                "process_id": one.process_id,
                "restarts": one.restarts,
            }
            for one in cluster.status()
        ]

    server = ControlServer(
        control_path(settings, SUPERVISOR),
        secret,
        {"cluster.reconcile": reconcile, "cluster.status": status},
    )
    await server.start()
    running = [asyncio.create_task(reconciler.run())]
    if not alone:
        holder = f"{settings.cluster.node_name} {uuid.uuid4().hex}"
        leadership = Leadership(
            reader,
            rows,
            PLACEMENT,
            holder,
            lasts_s=PLACEMENT_LASTS_S,
            every_s=PLACEMENT_EVERY_S,
            margin_s=PLACEMENT_MARGIN_S,
        )
        running.append(asyncio.create_task(leadership.run(reconciler.lead)))
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await reconciler.close()
        await server.close()
        await reconciler.close()
        await reader.dispose()


async def _welcome(settings: Settings, rows: RemoteRowWriter, cluster: Cluster) -> None:
    port: int | None = settings.listen.port
    if settings.api.count == 1:
        port = next(one.http_port for one in cluster.status() if one.kind == "api")
    address = settings.listen.address
    if address in ("0.0.0.0", "::"):
        address = "127.0.0.1"
    shown = f"[{address}]" if ":" in address else address
    scheme = "http" if settings.tls_kind == "off" else "https"
    url = settings.public_url or f"{scheme}://{shown}:{port}/"
    lines = ["", f"  gridsight is running at {url}"]
    if settings.api.count > 1:
        lines.append(
            "  behind nginx: run 'gridsight nginx-config --watch', and nginx with what it writes"
        )
    authority = read_authority(settings) if settings.tls_kind == "local" else None
    if authority is not None:
        lines += [
            f"  on a computer's first visit, open http://{shown}:{settings.tls.http_port}/ there;",
            "  it shows how to trust this gateway, whose authority has the SHA-256 fingerprint",
            f"  {fingerprint(authority)}",
        ]
    password = one_time_password()
    password_hash = await asyncio.to_thread(hash_password, password)
    created = await rows.write(
        "accounts.create_first", name=FIRST_ADMIN, password_hash=password_hash
    )
    if created is not None:
        lines += [
            f"  sign in as {FIRST_ADMIN} with the one-time password {password}",
            "  (it is shown this once, and must be changed at the first sign-in)",
        ]
    print("\n".join([*lines, ""]), flush=True)
