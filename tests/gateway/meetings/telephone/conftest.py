"""What tests of telephones begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.gateway.meetings.a_county import Rows, a_county
from tests.gateway.meetings.a_shard import Shard, a_shard


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with a_county(tmp_path) as made:
        yield made


@pytest.fixture
async def shard(rows: Rows) -> AsyncIterator[Shard]:
    async with a_shard(rows) as made:
        yield made
