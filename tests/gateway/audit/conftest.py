from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.gateway.audit.register import Register


@pytest.fixture
def register(tmp_path: Path, database_url: SecretStr | None) -> Iterator[Register]:
    opened = Register(tmp_path, database_url)
    yield opened
    opened.close()
