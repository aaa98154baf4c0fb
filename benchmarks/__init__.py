"""Benchmarks: ours and the peers in one run, CPU as the operating system counted it.

``python -m benchmarks.NAME [--quick]`` prints one JSON object per line; ``python -m benchmarks``
runs all and prints a table. ``--quick`` ends within 45 s at a smaller ``n``, which it prints.
"""
