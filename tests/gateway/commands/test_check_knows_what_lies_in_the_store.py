"""``gridsight check`` takes for foreign nothing that a part of the gateway put into the store."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.commands.check import NO_FOOTAGE

GATEWAY = Path(__file__).resolve().parents[3] / "gateway"


def test_every_prefix_is_known() -> None:
    found = {
        prefix
        for path in GATEWAY.rglob("*.py")
        for prefix in re.findall(r'^STORE_PREFIX = "(.*)"$', path.read_text(), re.MULTILINE)
    }
    assert len(found) >= 5
    assert found <= set(NO_FOOTAGE)
