"""What each process of the gateway does first."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096))
from gateway.cluster.child import raise_descriptor_limit
raise_descriptor_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_a_process_may_hold_as_many_connections_as_the_system_allows() -> None:
    made = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
    )
    assert made.stdout.strip() == "4096"
