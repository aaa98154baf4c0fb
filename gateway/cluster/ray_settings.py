"""Everything that is set about Ray, in one place. ``docs/operations.md`` says how it is started.

Ray starts and watches each machine's processes; no media, no rows and no secret but its own token
pass through it. Which shard holds which camera is decided by the database (placement), and so is
who may still write: Ray may run two actors of one name for a while, when a machine that it took for
dead was only slow.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.secrets import derive_key

NAMESPACE = "gridsight"
# How much of its machine's resource an actor takes: it has to be there, that is all.
_PRESENCE = 0.001

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
    machine: str, address: str, *, head_port: int | None = None, head: str | None = None
) -> list[str]:
    """The arguments of ``ray start`` on ``machine`` (its ``cluster.node``), reached at ``address``:
    as the head on ``head_port``, or joining the head at ``head``.
    """
    resources = {_resource(machine): 1}
    first = ["--head", "--port", str(head_port)] if head is None else ["--address", head]
    return [
        "start",
        *first,
        "--node-ip-address",
        address,
        "--resources",
        json.dumps(resources),
        "--include-dashboard",
        "false",
        "--disable-usage-stats",
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
