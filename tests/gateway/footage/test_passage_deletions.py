"""What the index of search lost with its footage stands in the register, once for each day."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.database.audit_tables import audit_log
from gateway.identifiers import now_us
from gateway.shard.housekeeping import Housekeeping
from recorder.retention import DAY_US
from search.index.messages import to_message
from search.index.tables import passage_deletions, passages
from tests.gateway.api.conftest import County, county  # noqa: F401
from tests.search.index.making import T, a_passage


async def test_housekeeping_lets_passages_go_and_says_so_a_day_later(
    county: County,  # noqa: F811
) -> None:
    services = county.services
    await county.write("passages.add", items=[to_message(a_passage(T), None)])
    store = services.storage.store
    engine = county.services.rows._engine  # type: ignore[attr-defined]
    keeping = Housekeeping(services.settings, services.reader, services.rows, store)
    assert now_us() > T + 31 * DAY_US
    await keeping.turn()
    with engine.begin() as connection:
        assert connection.execute(sa.select(passages)).all() == []
        yesterday = now_us() // DAY_US - 1
        connection.execute(
            sa.insert(passage_deletions).values(
                camera=1, day=yesterday, cause="space", passages=7, size_bytes=900,
                first_us=T, last_us=T + 5,
            )
        )  # fmt: skip
    for _ in range(2):
        await county.write("retention.record_passages", today=yesterday + 1)
    with engine.connect() as connection:
        found = connection.execute(
            sa.select(audit_log.c.detail).where(audit_log.c.action == "search.deleted")
        ).all()
    assert len(found) == 1
    assert '"passages":7' in str(found[0].detail).replace(" ", "").replace("'", '"')
