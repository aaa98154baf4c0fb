"""What the tests of accounts have in common."""

from __future__ import annotations

import json
from typing import Any

import httpx
import sqlalchemy as sa

from gateway.database.engine import create_writer_engine
from gateway.database.tables import audit_log
from tests.gateway.api.conftest import County


def stranger(county: County, **cookies: str) -> httpx.AsyncClient:
    """A browser in which nobody has signed in yet."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(county.app, raise_app_exceptions=False),
        base_url="http://gridsight.test",
        headers={"X-Gridsight": "1"},
        cookies=cookies,
    )


def configure(county: County, **sections: Any) -> None:
    """Run on with other settings."""
    county.services.settings = county.services.settings.model_copy(update=sections)


async def audited(county: County, action: str | None = None) -> list[dict[str, Any]]:
    """The register, oldest first."""
    async with county.services.reader.connect() as connection:
        rows = await connection.execute(sa.select(audit_log).order_by(audit_log.c.sequence))
        return [
            {**row, "detail": json.loads(row["detail"])}
            for row in rows.mappings()
            if action is None or row["action"] == action
        ]


def alter(county: County, statement: sa.Executable) -> None:
    """Change rows as no operation does: as if time had passed."""
    engine = create_writer_engine(county.services.settings)
    with engine.begin() as connection:
        connection.execute(statement)
    engine.dispose()
