"""Run every benchmark in a process of its own and print one table of what they reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.measure import quick_requested

_FRAME = {"__init__", "__main__", "measure"}


def benchmark_names() -> list[str]:
    """The benchmarks there are: the modules of this package that can be run by themselves."""
    return sorted(
        path.stem
        for path in Path(__file__).parent.glob("*.py")
        if path.stem not in _FRAME and not path.stem.startswith("_")
    )


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    lines: list[dict[str, Any]] = []
    failed: list[str] = []
    for name in benchmark_names():
        print(f"== {name}", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if process.returncode:
            failed.append(name)
        for text in process.stdout.splitlines():
            print(text, flush=True)
            if text.startswith("{"):
                lines.append(json.loads(text))
    print()
    for line in lines:
        print(_row(line))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _row(line: dict[str, Any]) -> str:
    value, target = line["value"], line["target"]
    verdict = ""
    if value is not None and target is not None:
        met = value <= target if line["better"] == "lower" else value >= target
        verdict = "met" if met else "MISSED"
    peer = f"{line['peer']}: {line['peer_value']}" if line["peer"] else ""
    figure = f"{line['metric']:52} {value!s:>10} {line['unit']:16}"
    return f"{figure} target {target!s:>7} {verdict:7} {peer} {line.get('note', '')}".rstrip()


if __name__ == "__main__":
    main()
