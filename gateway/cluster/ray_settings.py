"""Everything that is set about Ray, in one place. ``docs/operations.md`` says how it is started.

Ray starts and watches each machine's processes; no media, no rows and no secret but its own token
pass through it. Which shard holds which camera is decided by the database (placement), and so is
who may still write: Ray may run two actors of one name for a while, when a machine that it took for
dead was only slow.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from gateway.secrets import derive_key

NAMESPACE = "gridsight"
# How much of its machine's resource an actor takes: it has to be there, that is all.
_PRESENCE = 0.001
# How long a head that lives may take to accept a connection.
_ANSWER_S = 2.0

# A machine is dead after three health checks of one second that fail; Ray's own default is five
# of ten seconds.
_HEALTH = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    # While the head is being started again the machines and their actors run on, and wait for it.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
}


def ray_environment(secret: bytes, state_address: str | None = None) -> dict[str, str]:
    """The environment of ``ray start`` and of every process that speaks with Ray.

    The token is derived from the cluster's secret: all machines agree on it. ``state_address``
    (``redis:6379``) keeps the head's state outside it, so that the head can be started again; it
    matters on the head only.
    """
    environment = {
        **_HEALTH,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": derive_key(secret, "ray token").hex(),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    if state_address is not None:
        environment["RAY_REDIS_ADDRESS"] = state_address
        environment["RAY_external_storage_namespace"] = NAMESPACE
    return environment


def start_arguments(
    machine: str | None, address: str, *, head_port: int | None = None, head: str | None = None
) -> list[str]:
    """The arguments of ``ray start`` on ``machine`` (its ``cluster.node``), reached at ``address``:
    as the head on ``head_port``, or joining the head at ``head``. Without ``machine`` none of the
    gateway's processes run there.
    """
    resources = {} if machine is None else {_resource(machine): 1}
    if head is None:
        # Only a head may be asked not to show its dashboard: one that joins refuses to start.
        first = ["--head", "--port", str(head_port), "--include-dashboard", "false"]
    else:
        first = ["--address", head]
    return [
        "start",
        *first,
        "--node-ip-address",
        address,
        "--resources",
        json.dumps(resources),
        "--disable-usage-stats",
        # For each processor Ray would keep an idle worker ready; actors here take no processor.
        "--num-cpus",
        "0",
        # Nothing is kept in Ray's store of objects; this is the least that it takes.
        "--object-store-memory",
        "80000000",
    ]


def actor_options(name: str, machine: str) -> dict[str, Any]:
    """How a process's actor is made: found by its name, outliving who made it, started again for
    ever, on its own machine: when that is away, its actors wait for it.
    """
    return {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        # A call that was under way when its machine died is made again where the actor is then.
        "max_task_retries": 3,
        # An actor only starts and watches: processors are for its child.
        "num_cpus": 0,
        "resources": {_resource(machine): _PRESENCE},
    }


def _resource(machine: str) -> str:
    return f"machine:{machine}"


def forget_lost_head(address: str, port: int) -> None:
    """Before a head is started where one was killed: Ray keeps its address in a file, and refuses
    while any process of this machine has joined it, though nobody answers there.
    """
    with socket.socket() as probe:
        probe.settimeout(_ANSWER_S)
        if probe.connect_ex((address, port)) == 0:
            return
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    Path(folder, "ray", "ray_current_cluster").unlink(missing_ok=True)
