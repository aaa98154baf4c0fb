"""GB/T 28181: devices that register and are kept alive, steering, media in program streams,
catalogues.

    python -m benchmarks.gb28181 [--quick]

Each part is a module of its own beside this one.
"""

from __future__ import annotations

from benchmarks import _gb28181_catalog, _gb28181_registering, _gb28181_streams
from benchmarks.measure import quick_requested


def main() -> None:
    """See the module."""
    quick = quick_requested(__doc__)
    _gb28181_registering.run(quick)
    _gb28181_streams.run(quick)
    _gb28181_catalog.run(quick)


if __name__ == "__main__":
    main()
