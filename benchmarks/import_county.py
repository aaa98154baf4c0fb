"""The reference county imported through the API, and its trees opened and searched.

    python -m benchmarks.import_county [--quick]

A gateway of its own. What is timed is what a person waits for: from sending the files to
"checked", and from "apply" to "applied" (which checks anew), areas first and then cameras, as XLSX.
Then the same files again, which change nothing. The trees: the topmost areas of all four axes and
the level below, as the console asks for them when it opens; a search by pinyin initials; and the
same in the console itself, in headless Chromium.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import sync_playwright

from benchmarks import _reference_county as county
from benchmarks._gateway import (
    CHROMIUM,
    CHROMIUM_ARGUMENTS,
    RunningGateway,
    running_gateway,
)
from benchmarks.measure import percentile, quick_requested, report
from gateway.sheets.files import Kind, write_file

IMPORT_TARGET_S = 30.0
TREE_TARGET_MS = 300.0
_AXES = ("area", "department", "police", "platform")
_POLL_S = 0.05
# Timed in the page itself, by the frames it paints.
_INSTRUMENT = """() => {
  const tree = () => document.querySelector('[role=tree]');
  const level = (n) => tree().querySelectorAll(`[role=treeitem][aria-level='${n}']`).length;
  const settled = () => tree().getAttribute('aria-busy') === 'false';
  const timed = (act, done) => new Promise((resolve) => {
    const from = performance.now();
    const look = (now) => done() ? resolve(now - from) : requestAnimationFrame(look);
    act();
    // What stood there before the click does not count.
    setTimeout(() => requestAnimationFrame(look), 0);
  });
  window.openTree = () => timed(
    () => document.querySelector('.tree .search button').click(),
    () => settled() && level(2) > 5,
  );
  window.openLevel = () => timed(
    () => tree().querySelector("[role=treeitem][aria-level='2']").click(),
    () => settled() && level(3) > 5,
  );
}
"""


def main() -> None:
    """See the module's description."""
    openings = 10 if quick_requested(__doc__) else 100
    area_file = write_file("areas", "xlsx", county.area_rows())
    camera_file = write_file("cameras", "xlsx", county.camera_rows())
    with running_gateway() as gateway:
        started = time.perf_counter()
        for kind, content in (("areas", area_file), ("cameras", camera_file)):
            import_sheet(gateway, kind, content)  # type: ignore[arg-type]
        took_s = time.perf_counter() - started
        report("import_county_s", took_s, "s", n=county.CAMERAS, target=IMPORT_TARGET_S)
        started = time.perf_counter()
        for kind, content in (("areas", area_file), ("cameras", camera_file)):
            again = import_sheet(gateway, kind, content)  # type: ignore[arg-type]
            assert (again["create"], again["change"]) == (0, 0)
        report("import_county_again_s", time.perf_counter() - started, "s", n=county.CAMERAS)
        root = _children(gateway, "?axis=area")[0]
        assert (root["child_count"], root["camera_count"]) == (county.TOWNSHIPS, county.CAMERAS)
        for name, opened in (
            ("tree_open_p95_ms", lambda: _open(gateway, root["id"])),
            ("tree_level_p95_ms", lambda: _children(gateway, f"?parent_id={root['id']}")),
            ("area_search_p95_ms", lambda: _search(gateway)),
            ("camera_search_p95_ms", lambda: gateway.call("GET", "/api/cameras?query=ck1")),
        ):
            times = [_timed_ms(opened) for _ in range(openings)]
            target = TREE_TARGET_MS if name.startswith("tree") else None
            report(name, percentile(times, 95), "ms", n=openings, target=target)
        _in_the_console(gateway, openings)


def _in_the_console(gateway: RunningGateway, openings: int) -> None:
    """From the click until Chromium paints the rows: the county with its townships, then one of
    them with its villages and cameras.
    """
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_context(storage_state=gateway.storage_state).new_page()  # type: ignore[arg-type]
        page.goto(f"{gateway.url}/wall")
        page.wait_for_selector("[role=treeitem][aria-level='2']", timeout=60_000)
        page.evaluate(_INSTRUMENT)
        opened, unfolded = [], []
        for _ in range(openings):
            opened.append(float(page.evaluate("() => openTree()")))
            unfolded.append(float(page.evaluate("() => openLevel()")))
        browser.close()
    report("tree_console_p95_ms", percentile(opened, 95), "ms", n=openings, target=TREE_TARGET_MS)
    report(
        "tree_console_level_p95_ms", percentile(unfolded, 95), "ms", n=openings,
        target=TREE_TARGET_MS,
    )  # fmt: skip


def import_sheet(gateway: RunningGateway, kind: Kind, content: bytes) -> dict[str, Any]:
    """Send, wait, apply, wait; gives what it came to."""
    answer = gateway.api.post(f"/api/sheets/{kind}/imports", content=content)
    answer.raise_for_status()
    checked = _settled(gateway, answer.json())
    assert not checked["fault_count"], checked["faults"]
    applied = _settled(gateway, gateway.call("POST", f"/api/imports/{checked['id']}/apply"))
    assert applied["state"] == "applied", applied["error"]
    return applied


def _settled(gateway: RunningGateway, document: dict[str, Any]) -> dict[str, Any]:
    while document["state"] in ("checking", "applying"):
        time.sleep(_POLL_S)
        document = gateway.call("GET", f"/api/imports/{document['id']}")
    return document


def _open(gateway: RunningGateway, root_id: str) -> None:
    for axis in _AXES:
        _children(gateway, f"?axis={axis}")
    _children(gateway, f"?parent_id={root_id}")


def _search(gateway: RunningGateway) -> None:
    gateway.call("GET", "/api/areas/search?query=pz&limit=20")


def _children(gateway: RunningGateway, query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = gateway.call("GET", f"/api/areas{query}")["items"]
    return items


def _timed_ms(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
