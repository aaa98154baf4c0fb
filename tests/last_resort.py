"""Ends a test that outlives even its time limit, with all that it started, and says where it stood.

The time limit is an exception raised by a signal, in whatever runs at that moment: a callback of an
event loop swallows it, what cleans up behind it may wait for ever, and one test stops the suite.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import os
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

# What cleaning up may take behind the limit.
PATIENCE_S = 90

_ENDED = "PYTEST_ENDED_TESTS"
_standard_error = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    # Workers inherit it.
    os.environ.setdefault(_ENDED, f"{tempfile.gettempdir()}/gridsight-tests-ended-{os.getpid()}")
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        config.stash[_standard_error] = os.dup(2)
        return
    with capture.global_and_fixture_disabled():
        config.stash[_standard_error] = os.dup(2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    limit = _limit_s(item)
    if not limit:
        return (yield)
    told = item.config.stash[_standard_error]
    watch = threading.Timer(limit + PATIENCE_S, _end, [item.nodeid, told])
    watch.daemon = True
    watch.start()
    # For whoever keeps the interpreter to itself, so that no thread of it runs.
    faulthandler.dump_traceback_later(limit + PATIENCE_S + 30, exit=True, file=told)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        watch.cancel()


def pytest_runtest_setup(item: pytest.Item) -> None:
    # The process that comes in place of the ended one is given the same test again.
    if item.nodeid in _ended_before():
        pytest.fail("it did not end; where it stood is told further up", pytrace=False)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _ended().unlink(missing_ok=True)


def _ended() -> Path:
    """Names the tests of this run that had to be ended, a line each."""
    return Path(os.environ[_ENDED])


def _ended_before() -> list[str]:
    return _ended().read_text().splitlines() if _ended().exists() else []


def _limit_s(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    if mark is not None and mark.args:
        return float(mark.args[0])
    return float(item.config.getvalue("timeout") or item.config.getini("timeout") or 0)


def _end(test: str, told: int) -> None:
    with _ended().open("a") as names:
        names.write(f"{test}\n")
    os.write(told, f"\n{test} did not end, so its process is ended. It stood at:\n".encode())
    faulthandler.dump_traceback(file=told, all_threads=True)
    with os.fdopen(os.dup(told), "w") as written:
        for task in [one for one in gc.get_objects() if isinstance(one, asyncio.Task)]:
            if not task.done():
                task.print_stack(file=written)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            os.write(told, f"ended with it: {process.pid} {process.cmdline()}\n".encode())
            process.kill()
    os._exit(1)
