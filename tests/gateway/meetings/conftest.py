"""What tests of meetings begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.meetings.a_county import Rows, a_county


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with a_county(tmp_path) as made:
        yield made
