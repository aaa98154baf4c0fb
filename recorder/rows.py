"""Rows: one schema, named write operations, and the one writer that group-commits them.

SQLite allows one writer, and three writing processes starve one another; so every process sends its
writes, by name, to the one process that holds the :class:`LocalRowWriter`. Modules declare their
tables on :data:`metadata` and their writes with :func:`row_operation`; callers hold a
:class:`RowWriter` and cannot tell which kind. Arguments and results must survive msgpack.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
import structlog

from recorder.row_faults import is_passing, is_undone

_log = structlog.get_logger(__name__)

# How long a transaction is tried again while the database is away: a server that is restarted is
# back by then, and those who wait give up after 30 s.
PATIENCE_S = 10.0
_RETRY_S = 0.2

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Operation = Callable[..., Any]
_OperationT = TypeVar("_OperationT", bound=Operation)

_operations: dict[str, Operation] = {}
_followers: dict[str, list[Operation]] = {}


class RowError(Exception):
    """A write was refused. ``code`` is stable and short; the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def row_operation(name: str) -> Callable[[_OperationT], _OperationT]:
    """Register ``function(connection, **arguments)`` as the write called ``name``.

    It runs inside a savepoint of a shared transaction: it must not commit, and raises
    :class:`RowError` to refuse. Raises ValueError when the name is taken.
    """

    def register(function: _OperationT) -> _OperationT:
        if name in _operations:
            raise ValueError(f"row operation {name!r} is declared twice")
        _operations[name] = function
        return function

    return register


def row_follower(name: str) -> Callable[[_OperationT], _OperationT]:
    """Have ``function(connection, arguments, result)`` run after each write called ``name``, within
    its savepoint: both are written, or neither. The writes of a lower layer need not know of it.
    """

    def register(function: _OperationT) -> _OperationT:
        _followers.setdefault(name, []).append(function)
        return function

    return register


def perform(connection: sa.Connection, operation: str, arguments: dict[str, Any]) -> Any:
    """Run a declared write as a part of another. Raises RowError ``unknown_operation``."""
    declared = _operations.get(operation)
    if declared is None:
        raise RowError("unknown_operation", f"no such write: {operation}")
    result = declared(connection, **arguments)
    for follow in _followers.get(operation, ()):
        follow(connection, arguments, result)
    return result


class RowWriter(Protocol):
    """Where writes go. A returned result means that the write is durable."""

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        """Run an operation. Raises RowError when refused, ConnectionError when out of reach."""


@dataclass(slots=True)
class _Job:
    operation: str
    arguments: dict[str, Any]
    done: concurrent.futures.Future[Any]


class LocalRowWriter:
    """Runs operations on one thread, as many as are waiting in one transaction (group commit).

    An operation that fails is rolled back to its savepoint and fails alone. :meth:`close` finishes
    what was accepted. While a server of the database is away, what has not been committed is tried
    again for ``patience_s``; then, and where nobody knows whether the commit arrived, writes fail
    with ConnectionError.
    """

    def __init__(
        self, engine: sa.Engine, *, batch_limit: int = 512, patience_s: float = PATIENCE_S
    ) -> None:
        self._engine = engine
        self._batch_limit = batch_limit
        self._patience_s = patience_s
        # Who waited in vain has told everybody: the next ones are told at once.
        self._away = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="row-writer", daemon=True)
        self._thread.start()

    async def write(self, operation: str, /, **arguments: Any) -> Any:
        """See :class:`RowWriter`."""
        return await asyncio.wrap_future(self.submit(operation, **arguments))

    def submit(self, operation: str, /, **arguments: Any) -> concurrent.futures.Future[Any]:
        """As :meth:`write`, for callers without an event loop."""
        if self._closed:
            raise ConnectionError("the row writer is closed")
        job = _Job(operation, arguments, concurrent.futures.Future())
        self._jobs.put(job)
        return job.done

    def close(self) -> None:
        """Finish the accepted writes and stop. May be called twice."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            batch = [job]
            stop = False
            while len(batch) < self._batch_limit and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    stop = True
                    break
                batch.append(following)
            self._commit(batch)
            if stop:
                return

    def _commit(self, batch: list[_Job]) -> None:
        try:
            outcomes = self._transaction_in_time(batch)
        except Exception as error:
            outcomes = [(job, None, error) for job in batch]
        for job, result, failure in outcomes:
            # A caller that was cancelled meanwhile has cancelled its future: nobody to tell.
            if not job.done.set_running_or_notify_cancel():
                continue
            if failure is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(failure)

    def _transaction_in_time(self, batch: list[_Job]) -> list[_Outcome]:
        deadline_s = time.monotonic() + self._patience_s
        while True:
            try:
                outcomes = self._transaction(batch)
            except _Undone as undone:
                if self._away or time.monotonic() >= deadline_s:
                    self._away = True
                    raise ConnectionError(f"the database is away: {undone.cause.orig}") from None
                _log.warning("a transaction is tried again", why=str(undone.cause.orig))
                time.sleep(_RETRY_S)
            else:
                self._away = False
                return outcomes

    def _transaction(self, batch: list[_Job]) -> list[_Outcome]:
        """Run and commit them. Raises _Undone when another try may help, ConnectionError when
        nobody knows whether the commit arrived.
        """
        committing = False
        try:
            with self._engine.connect() as connection, connection.begin() as transaction:
                outcomes = [self._attempt(connection, job) for job in batch]
                committing = True
                transaction.commit()
        except sa.exc.DBAPIError as error:
            if not is_passing(error):
                raise
            if committing and not is_undone(error):
                raise ConnectionError(
                    f"the database was lost while it was told to keep this: {error.orig}"
                ) from None
            raise _Undone(error) from error
        return outcomes

    @staticmethod
    def _attempt(connection: sa.Connection, job: _Job) -> _Outcome:
        savepoint = connection.begin_nested()
        try:
            result = perform(connection, job.operation, job.arguments)
        except Exception as error:
            if is_passing(error):
                raise  # not this one's fault, and the others' work is lost with it
            savepoint.rollback()
            return job, None, _as_refusal(error)
        savepoint.commit()
        return job, result, None


_Outcome = tuple[_Job, Any, BaseException | None]


class _Undone(Exception):
    """Nothing of the transaction was written."""

    def __init__(self, cause: sa.exc.DBAPIError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _as_refusal(error: Exception) -> Exception:
    """A value that the database cannot hold is a fault of who sent it."""
    if isinstance(error, sa.exc.DataError):
        return RowError("invalid", f"a value cannot be stored: {error.orig}")
    return error
