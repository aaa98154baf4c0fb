"""What the rest of the code knows of the machines that it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

# The name of the supervisor's control channel.
SUPERVISOR = "supervisor"
# Of several machines' processes of this kind one speaks: its lease, and the name by which it is
# found wherever it is.
SIGNALLING = "signalling"

ProcessState = Literal["starting", "running", "waiting", "stopped"]


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process that shall run. Lower stages start first and stop last."""

    kind: str
    name: str
    stage: int


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """What is known of one process. ``restarts`` counts since the cluster's start."""

    name: str
    kind: str
    state: ProcessState
    process_id: int | None
    http_port: int | None
    restarts: int


def number_of(process: str) -> int:
    """2 of ``shard-2`` and of ``shard-2.node-b``; 1 of a process that has no number."""
    number = process.partition(".")[0].rpartition("-")[2]
    return int(number) if number.isdigit() else 1


class Cluster(Protocol):
    """Runs the processes and keeps them running; where, is its own business."""

    async def start(self) -> None:
        """Start everything and return when all of it answers. Raises :class:`StartError`."""

    async def stop(self) -> None:
        """Stop everything, in the order in which nothing is lost."""

    async def failed(self) -> str:
        """Wait until going on is pointless, and say why."""

    def status(self) -> list[ProcessStatus]:
        """Every process, in the order of starting."""


class StartError(Exception):
    """The cluster cannot start; the message says what to do."""
