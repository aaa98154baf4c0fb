"""Which process of the suite runs which file, and in what order.

One process runs the browser tests: they share a gateway and a console, which every further process
would have to start, and keep busy, once more. It also runs what makes virtual links, since a
browser whose machine gets another link gives up the files that it is fetching
(ERR_NETWORK_CHANGED). The others begin with what is slow: files of a single test mostly run a whole
gateway, and one of them alone at the end would keep the others waiting.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

_BROWSERS_AND_LINKS = (
    "tests/browser/",
    "tests/camera_adapters/onvif/test_search.py",
    "tests/camera_adapters/rtsp/test_vanished_peer.py",
    "tests/gateway/test_cut_between_machines.py",
)


class Files(LoadFileScheduling):  # type: ignore[misc]
    """As ``--dist loadfile``, in another order; it goes on when a process has ended.

    The original hands out the ended one's finished files again, as if there were something to do in
    them: whoever is given one waits for ever.
    """

    _for_browsers: WorkerController | None = None

    def remove_node(self, node: WorkerController) -> str | None:
        """See the original; a finished file stays finished."""
        files = self.assigned_work[node]
        for name in [name for name, tests in files.items() if all(tests.values())]:
            del files[name]
        if node is self._for_browsers:
            self._for_browsers = None
        crashed: str | None = super().remove_node(node)
        return crashed

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(self._next(node), last=False)
        super()._assign_work_unit(node)

    def _next(self, node: WorkerController) -> str:
        if self._for_browsers is None:
            self._for_browsers = node

        def later(name: str) -> tuple[bool, int]:
            fits = name.startswith(_BROWSERS_AND_LINKS) == (node is self._for_browsers)
            return not fits, len(self.workqueue[name])

        return min(self.workqueue, key=later)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Files | None:
    return Files(config, log) if config.getoption("dist") == "loadfile" else None
