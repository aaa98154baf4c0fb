"""What a failed transaction means: whether it was undone, and whether another try can help."""

from __future__ import annotations

import sqlalchemy as sa

# Classes of SQLSTATE: connection exception, insufficient resources, operator intervention (the
# server stops or starts), transaction rollback (a deadlock), a transaction that idled too long, a
# server that may only read (it has just ceased to be the first). SQLite's errors have no state.
_PASSING = ("08", "53", "57P", "40", "25P03", "25006")


def is_passing(error: BaseException) -> bool:
    """Whether the database was away, or gave up on what it was doing: the same transaction may do
    well a moment later. Unless it failed at its commit, nothing of it was written.
    """
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", "")
    if state is None:
        # The server did not say anything: it was not reached, or was lost.
        return isinstance(error, sa.exc.OperationalError)
    return str(state).startswith(_PASSING)


def is_undone(error: BaseException) -> bool:
    """Whether a commit that failed with this was surely undone."""
    state = getattr(getattr(error, "orig", None), "sqlstate", "")
    return str(state or "").startswith("40")
