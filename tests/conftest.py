"""Fixtures that every test may use: the shared data folder, free ports, clips."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import hypothesis
import pytest

from tests.distribution import pytest_xdist_make_scheduler  # noqa: F401  # a hook
from tests.last_resort import (  # noqa: F401  # hooks
    pytest_configure,
    pytest_runtest_protocol,
    pytest_runtest_setup,
    pytest_unconfigure,
)
from tests.peers.ceph_rgw import ceph_rgw  # noqa: F401  # a fixture
from tests.peers.postgresql import (  # noqa: F401  # fixtures, and a hook
    database_url,
    postgresql,
    postgresql_url,
    pytest_generate_tests,
)
from tests.peers.rows_on_postgresql import (  # noqa: F401  # fixtures, and a hook
    databases_of_this_test,
    pytest_collection_modifyitems,
    rows_on_postgresql,
)

# A busy machine is no failure: tests never assert on elapsed time.
hypothesis.settings.register_profile("gridsight", deadline=None)
hypothesis.settings.load_profile("gridsight")

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_folder() -> Path | None:
    """The folder with footage and models: ``GRIDSIGHT_SHARED``, else ``../shared``, else None."""
    configured = os.environ.get("GRIDSIGHT_SHARED")
    folder = Path(configured) if configured else REPOSITORY.parent / "shared"
    return folder if (folder / "footage").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared data folder; skips the test when it is absent."""
    folder = shared_folder()
    if folder is None:
        pytest.skip("no shared data folder: set GRIDSIGHT_SHARED")
    return folder


@pytest.fixture(scope="session")
def pedestrians_h264(shared: Path) -> Path:
    """768×576, 10 fps, 79.5 s of people crossing a campus, H.264, no sound."""
    return shared / "footage" / "pedestrians_h264.mp4"


@pytest.fixture(scope="session")
def pedestrians_h265(shared: Path) -> Path:
    """The first 30 s of the same, H.265."""
    return shared / "footage" / "pedestrians_h265.mp4"


@pytest.fixture
def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
