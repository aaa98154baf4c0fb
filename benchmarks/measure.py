"""What every benchmark shares: CPU time of whole processes, percentiles, and the report line."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def quick_requested(description: str | None) -> bool:
    """Parse the command line that all benchmarks share; True for ``--quick``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="at most 45 s, at a smaller n")
    return bool(parser.parse_args().quick)


def report(
    metric: str,
    value: float | None,
    unit: str,
    *,
    n: int,
    target: float | None = None,
    better: Literal["lower", "higher"] = "lower",
    peer: str | None = None,
    peer_value: float | None = None,
    note: str | None = None,
) -> None:
    """Print one figure as a JSON line. ``value`` None means that it could not be measured."""
    line = {
        "metric": metric,
        "value": _rounded(value),
        "unit": unit,
        "n": n,
        "peer": peer,
        "peer_value": _rounded(peer_value),
        "target": target,
        "better": better,
    }
    if note:
        line["note"] = note
    print(json.dumps(line, ensure_ascii=False), flush=True)


def cpu_seconds(pid: int) -> float:
    """User and system time of one process with all its threads, in steps of 10 ms.

    Raises FileNotFoundError when the process is gone.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    """Resident memory of one process. Raises FileNotFoundError when it is gone."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def percentile(values: Iterable[float], percent: float) -> float:
    """The nearest-rank percentile; NaN for no values."""
    ordered: Sequence[float] = sorted(values)
    if not ordered:
        return math.nan
    rank = max(1, math.ceil(percent / 100 * len(ordered)))
    return ordered[rank - 1]


def _rounded(value: float | None) -> float | None:
    if value is None or math.isnan(value):
        return None
    return float(f"{value:.4g}")
