"""A process for one file: it reads what strangers sent, so it has little memory and little time,
and the gateway goes on answering while it works.

The request comes on standard input as a pickle (from the gateway itself, never from outside); the
answer goes out as msgpack messages, each behind its length.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import resource
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from gateway.cluster.child import die_with_supervisor
from gateway.database.engine import create_sync_reader_engine
from gateway.identifiers import now_us
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from gateway.sheets.files import Form, Kind, check_file, export_rows, template_rows, write_file
from gateway.sheets.plan import FieldChange, Item, Plan
from gateway.sheets.scope import Scope
from gateway.sheets.sheet import Fault, SheetError

_MEMORY_BYTES_LIMIT = 1536 * 1024 * 1024
_CPU_S_LIMIT = 60
_WAIT_S_LIMIT = 300
_ANSWER_BYTES_LIMIT = 64 * 1024 * 1024
_LENGTH = struct.Struct(">I")
_NICENESS = 5
# Imports wait for one another in gateway.sheets.jobs.
_exports = asyncio.Semaphore(2)


@dataclass(frozen=True, slots=True)
class Check:
    """Compare the file at ``path`` with what is there."""

    kind: Kind
    path: Path
    scope: Scope


@dataclass(frozen=True, slots=True)
class Export:
    """Make a file of what is there, or a template."""

    kind: Kind
    form: Form
    scope: Scope
    encoding: str = "utf-8-sig"
    axis: str | None = None
    within: str = ""
    template: bool = False


async def check(
    settings: Settings, request: Check, progress: Callable[[int], None] = lambda _: None
) -> Plan:
    """See :func:`gateway.sheets.files.check_file`. Raises SheetError."""
    found = await _ask(settings, request, progress)
    # Thousands of lines take a while: not on the loop.
    return await asyncio.to_thread(_plan, found)


def _plan(found: dict[str, Any]) -> Plan:
    return Plan(
        found["steps"],
        [
            Item(**{**item, "changes": tuple(FieldChange(**one) for one in item["changes"])})
            for item in found["items"]
        ],
        found["unchanged"],
        [Fault(**fault) for fault in found["faults"]],
        [Fault(**fault) for fault in found["warnings"]],
    )


async def export(settings: Settings, request: Export) -> bytes:
    """The file. Raises SheetError."""
    async with _exports:
        content: bytes = await _ask(settings, request, lambda _: None)
    return content


async def _ask(settings: Settings, request: Check | Export, progress: Callable[[int], None]) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(_WAIT_S_LIMIT):
            process.stdin.write(pickle.dumps((os.getpid(), settings.to_json(), request)))
            process.stdin.close()
            return await _answered(process.stdout, progress)
    except TimeoutError:
        raise _too_heavy() from None
    except (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError) as error:
        if await process.wait() > 0:
            # Not the kernel for its limits: the fault is ours, and it has said which.
            raise RuntimeError("the process that reads sheets has failed") from error
        raise _too_heavy() from None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answered(answers: asyncio.StreamReader, progress: Callable[[int], None]) -> Any:
    while True:
        (length,) = _LENGTH.unpack(await answers.readexactly(_LENGTH.size))
        if length > _ANSWER_BYTES_LIMIT:
            raise _too_heavy()
        body = await answers.readexactly(length)
        message = await asyncio.to_thread(msgpack.unpackb, body)
        if "result" in message:
            return message["result"]
        if "error" in message:
            raise SheetError(*message["error"])
        progress(message["progress"])


def _too_heavy() -> SheetError:
    return SheetError("too_heavy", "reading this file takes too much memory or time: split it")


def main() -> None:
    """Answer the one request on standard input."""
    parent_id, settings_json, request = pickle.load(sys.stdin.buffer)
    die_with_supervisor(parent_id)
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES_LIMIT, _MEMORY_BYTES_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S_LIMIT, _CPU_S_LIMIT))
    settings = Settings.from_json(settings_json)
    answers = sys.stdout.buffer
    try:
        _send(answers, {"result": _answer(settings, request, answers)})
    except (SheetError, MemoryError) as error:
        known = error if isinstance(error, SheetError) else _too_heavy()
        _send(answers, {"error": [known.code, str(known)]})


def _answer(settings: Settings, request: Check | Export, answers: BinaryIO) -> Any:
    engine = create_sync_reader_engine(settings)
    with engine.connect() as connection:
        if isinstance(request, Check):
            plan = check_file(
                connection,
                request.kind,
                request.path.read_bytes(),
                request.scope,
                secret=cluster_secret(settings),
                now_us=now_us(),
                progress=lambda lines: _send(answers, {"progress": lines}),
            )
            return asdict(plan)
        if request.template:
            rows = template_rows(request.kind)
        else:
            rows = export_rows(
                connection, request.kind, request.scope, axis=request.axis, within=request.within
            )
        return write_file(request.kind, request.form, rows, request.encoding)


def _send(answers: BinaryIO, message: dict[str, Any]) -> None:
    body = msgpack.packb(message)
    answers.write(_LENGTH.pack(len(body)) + body)
    answers.flush()


if __name__ == "__main__":
    # Under its importable name: what is unpickled must be these classes, not this module's doubles.
    from gateway.sheets.worker import main as run

    run()
