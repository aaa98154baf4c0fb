"""``python -m gateway.cluster.child KIND NAME``: one process of the gateway, under a supervisor.

A child dies with its supervisor, and holds a lock of its name: after a supervisor was killed and
another has started, the new child waits until the old one has let go of its spool.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os
import resource
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO

import structlog

from gateway.cluster.lifetime import READY_DESCRIPTOR_VARIABLE
from gateway.log import configure_logging
from gateway.settings import Settings

SETTINGS_FILE_VARIABLE = "GRIDSIGHT_CHILD_SETTINGS"
SUPERVISOR_VARIABLE = "GRIDSIGHT_SUPERVISOR"

# sysexits.h EX_CONFIG: starting again will not help before somebody changes something.
EXIT_CONFIGURATION = 78

_PR_SET_PDEATHSIG = 1
# Thousands of cameras are thousands of connections; systemd's default for a service is 1024.
_DESCRIPTORS = 65_536

PROCESS_MODULES = {
    "writer": "gateway.database.writer_process",
    "api": "gateway.api.process",
    "shard": "gateway.shard.process",
    "footage": "gateway.footage.process",
    "transcoder": "gateway.transcoder.process",
    "signalling": "gateway.platforms.process",
    "analysis": "gateway.analysis.process",
    "demo": "gateway.demo.process",
}

_log = structlog.get_logger(__name__)


class ConfigurationError(Exception):
    """This process cannot run as configured; restarting will not help. Says what to change."""


def die_with_supervisor(supervisor_id: int) -> None:
    """Have the kernel send SIGTERM when the supervisor dies (prctl(2) PR_SET_PDEATHSIG)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # It may have died between fork and prctl.
    if os.getppid() != supervisor_id:
        raise SystemExit("the supervisor is gone")


def hold_name(run_directory: Path, name: str) -> IO[bytes]:
    """Wait for, then hold, the lock of this name; keep the result for the process's life."""
    lock = (run_directory / f"{name}.lock").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def raise_descriptor_limit() -> None:
    """Allow this process as many open files and sockets as the system does, up to 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _import(name: str) -> ModuleType:
    """Import it for good: what is never let go of is not looked through for garbage, which takes a
    fifth of a start, and a pause at each full collection later.
    """
    gc.disable()
    module = import_module(name)
    gc.freeze()
    gc.enable()
    return module


def main(arguments: list[str]) -> None:
    """Run one process to its end."""
    kind, name = arguments
    raise_descriptor_limit()
    settings = Settings.from_json(Path(os.environ[SETTINGS_FILE_VARIABLE]).read_text())
    configure_logging(settings.log, name)
    # Not for the processes that this one may start.
    os.set_inheritable(int(os.environ[READY_DESCRIPTOR_VARIABLE]), False)
    die_with_supervisor(int(os.environ[SUPERVISOR_VARIABLE]))
    lock = hold_name(settings.effective_run_directory, name)
    try:
        _import(PROCESS_MODULES[kind]).main(settings, name)
    except ConfigurationError as error:
        _log.error("cannot run as configured", reason=str(error))
        raise SystemExit(EXIT_CONFIGURATION) from None
    finally:
        lock.close()


if __name__ == "__main__":
    # Under its importable name: ConfigurationError must be one class, not this module's double.
    import_module("gateway.cluster.child").main(sys.argv[1:])
