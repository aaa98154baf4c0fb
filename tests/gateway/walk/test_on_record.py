"""Every route that changes something, while the register cannot be written: nothing is changed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gateway.database.migrate import load_tables
from tests.gateway.api.conftest import county, quick_passwords  # noqa: F401
from tests.gateway.walk.doors import ALLOWED, DOORS
from tests.gateway.walk.test_api_walk import Walk, walk  # noqa: F401

pytestmark = pytest.mark.sqlite

# What people arrange for themselves is no business of the register's; what is counted to stop
# guessing is no deed; a secret, or a file, that is only begun opens nothing.
NOT_ON_RECORD = frozenset(
    {"layouts", "tours", "walls", "sign_in_failures", "sign_in_sessions", "desk_people"}
    | {"totp_secrets", "sign_in_states", "rate_takes", "field_uploads"}
)
# These only say what would be done.
DRY = ("/api/cameras/bulk", "/api/sheets/{kind}/imports")
PRIVATE = ("/api/layouts", "/api/tours", "/api/wall")


def dump(engine: sa.Engine) -> dict[str, list[str]]:
    """Everything there is, but what need not be on record."""
    with engine.connect() as connection:
        return {
            table.name: sorted(str(tuple(row)) for row in connection.execute(sa.select(table)))
            for table in load_tables().sorted_tables
            if table.name not in NOT_ON_RECORD
        }


@pytest.mark.timeout(300)
async def test_what_cannot_be_put_into_the_register_does_not_happen(
    walk: Walk,  # noqa: F811
) -> None:
    engine: sa.Engine = walk.county.services.rows._engine  # type: ignore[attr-defined]
    client = walk.clients["system_admin"]

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _no_paper(_: object, __: object, statement: str, *rest: object) -> None:
        if statement.startswith("INSERT INTO audit_log"):
            raise sa.exc.OperationalError(statement, None, OSError("there is no paper left"))

    before = dump(engine)
    walked, version = 0, await _version(walk)
    for (method, path), access in DOORS.items():
        if method in ("GET", "HEAD", "OPTIONS", "WEBSOCKET") or path.startswith("/s/"):
            continue
        answer = await walk.ask(client, method, path, access)
        if version != (version := await _version(walk)):
            after = dump(engine)
            changed = [name for name in before if before[name] != after[name]]
            assert not changed, f"{method} {path} changed {changed}, and that is not on record"
        open_to_all = access.place == "public" or path.startswith(PRIVATE) or path in DRY
        if access.allowed == ALLOWED and not open_to_all:
            assert answer.status_code >= 400, f"{method} {path} says that it was done"
        walked += 1
    assert walked > 25


async def _version(walk: Walk) -> int:  # noqa: F811
    """Another number whenever anything was written, by SQLite's own account."""
    async with walk.county.services.reader.connect() as connection:
        return int((await connection.exec_driver_sql("PRAGMA data_version")).scalar_one())
