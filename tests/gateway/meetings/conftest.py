"""What tests of meetings begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.gateway.meetings.a_county import Rows, a_county


@pytest.fixture
def rows(tmp_path: Path, database_url: SecretStr | None) -> Iterator[Rows]:
    with a_county(tmp_path, database_url) as made:
        yield made
