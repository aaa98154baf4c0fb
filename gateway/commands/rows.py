"""Writing rows from the command line, whether the gateway runs or not."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import AsyncIterator

from gateway.audit.checkpoints import CheckpointWriter
from gateway.database.engine import create_writer_engine
from gateway.database.migrate import upgrade
from gateway.database.writer_process import RemoteRowWriter, load_operations
from gateway.secrets import cluster_secret
from gateway.settings import Settings
from recorder.rows import LocalRowWriter, RowWriter


@contextlib.asynccontextmanager
async def open_rows(settings: Settings) -> AsyncIterator[RowWriter]:
    """The running gateway's writer; or, while none runs, one of our own, kept to ourselves.

    Raises OSError when the data directory cannot be used.
    """
    run_directory = settings.effective_run_directory
    run_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (run_directory / "supervisor.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            remote = RemoteRowWriter.from_settings(settings)
            try:
                yield remote
            finally:
                await remote.close()
            return
        engine = create_writer_engine(settings)
        load_operations()
        upgrade(engine)
        checkpoints = CheckpointWriter(engine, settings.data_directory, cluster_secret(settings))
        checkpoints.open()
        local = LocalRowWriter(engine)
        try:
            yield local
        finally:
            local.close()
            checkpoints.write_line()
            engine.dispose()
