"""Every row operation that the code declares is one that the writer knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]

# In a process of its own: here, other tests have imported modules that the writer may not.
KNOWN = """
from importlib import import_module
from gateway.database import writer_process
for module in writer_process._OPERATION_MODULES:
    import_module(module)
from recorder.rows import _operations
print(*_operations)
"""


def test_the_writer_knows_every_declared_operation() -> None:
    declared = {
        name
        for package in ("gateway", "recorder")
        for path in (REPOSITORY / package).rglob("*.py")
        for name in re.findall(r'@row_operation\(\s*"([^"]+)"', path.read_text())
    }
    assert declared
    said = subprocess.run(
        [sys.executable, "-c", KNOWN], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert declared - set(said.stdout.split()) == set()
