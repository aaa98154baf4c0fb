"""Two API processes' services on one database: one leads, and each hears of the other's news."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gateway.api.hearing import hear
from gateway.api.leader import standing_for_leader
from gateway.api.neighbours import HEAR
from gateway.api.services import Services
from gateway.control.channel import ControlServer, control_path
from gateway.database.capacity_tables import forecast_days
from gateway.identifiers import now_us
from gateway.sheets.jobs import ImportJobs
from tests.gateway.api.conftest import County


@pytest.fixture
async def pair(county: County) -> AsyncIterator[tuple[Services, Services]]:
    """As api-1 and api-2, which answer one another on real control channels."""
    first, second = (replace(county.services, name=f"api-{number}") for number in (1, 2))
    async with contextlib.AsyncExitStack() as stack:
        for one in (first, second):
            await stack.enter_async_context(_answering(one))
            await one.rows.write(
                "processes.report", name=one.name, kind="api", node="here", process_id=1,
                http_address=None, http_port=None, started_us=now_us(),
            )  # fmt: skip
            stack.push_async_callback(one.neighbours.close)
        yield first, second


@contextlib.asynccontextmanager
async def _answering(services: Services) -> AsyncIterator[None]:
    async def heard(kind: str, what: dict[str, object]) -> None:
        hear(services, kind, what)

    path = control_path(services.settings, services.name)
    server = ControlServer(path, services.secret, {HEAR: heard})
    await server.start()
    yield
    await server.close()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what another task does
            await asyncio.sleep(0.02)


async def test_one_does_what_is_done_once_and_the_other_takes_over(
    pair: tuple[Services, Services],
) -> None:
    first, second = pair
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(standing_for_leader(first))
        await _until(lambda: first.leading)
        async with standing_for_leader(second):
            await stack.aclose()
            assert not first.leading
            await _until(lambda: second.leading)
        assert not second.leading


async def test_the_leader_makes_the_days_forecast(pair: tuple[Services, Services]) -> None:
    first, _ = pair

    async def days() -> list[int]:
        async with first.reader.connect() as connection:
            return list(await connection.scalars(sa.select(forecast_days.c.day)))

    assert await days() == []
    # A shard makes it, at its first deletion at the latest.
    first.settings.store_directory.mkdir()
    async with standing_for_leader(first):
        async with asyncio.timeout(60):
            while not (made := await days()):  # noqa: ASYNC110 - what another task does
                await asyncio.sleep(0.02)
    assert len(made) == 1


async def test_news_of_one_are_heard_at_the_other(pair: tuple[Services, Services]) -> None:
    first, second = pair
    alarms: list[str] = []
    revoked: list[tuple[str, list[str]]] = []
    asked: list[frozenset[str]] = []
    second.revocation_listeners.clear()
    second.revocation_listeners.add(lambda user, ids: revoked.append((user, ids)))
    with (
        second.alarm_watch.listening(alarms.extend),
        second.site_checks.listening(asked.append),
    ):
        first.alarm_watch.tell(["alm_1", "alm_2"])
        first.neighbours.tell("revoked", user_id="usr_1", session_ids=["ses_1"])
        first.neighbours.tell("site_check", paths=["a/b/"])
        first.neighbours.tell("of a newer version")
        first.rights_changed.set()
        await _until(lambda: bool(alarms and revoked and asked and second.rights_changed.is_set()))
    assert (alarms, revoked) == (["alm_1", "alm_2"], [("usr_1", ["ses_1"])])
    assert asked == [frozenset({"a/b/"})]


async def test_rates_are_counted_for_all_together(pair: tuple[Services, Services]) -> None:
    first, second = pair
    first.said.limit = second.said.limit = 2
    assert await first.said.take("li", "mtg_1") == 0
    assert await second.said.take("li", "mtg_1") == 0
    assert await first.said.take("li", "mtg_2") == 0
    assert 0 < await first.said.take("li", "mtg_1") <= 60
    assert 0 < await second.said.take("li", "mtg_1") <= 60
    await second.said.give_back("li", "mtg_1")
    assert await first.said.take("li", "mtg_1") == 0


async def test_an_import_says_who_holds_it(pair: tuple[Services, Services]) -> None:
    assert ImportJobs.process_of("imp_1.api-2") == "api-2"
    assert ImportJobs.process_of("imp_1") == ""
    assert pair[0].imports is not pair[1].imports
