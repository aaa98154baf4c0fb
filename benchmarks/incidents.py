"""Pages of a county's incidents, of which there are a million.

    python -m benchmarks.incidents [--quick]

A whole gateway; its rows are filled in beside it. 8,000 incidents are under way, the others are
over, in the villages of the reference county, in ten years. Three people ask for pages of 50 as the
console does, with filters drawn anew each time: the county's desk, an operator of a township, and a
village's. The time is that of the whole answer by HTTP. Then statistics of a quarter.
"""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import httpx

from benchmarks._gateway import RunningGateway, running_gateway
from benchmarks._reference_county import TOWNSHIPS, VILLAGES
from benchmarks.measure import percentile, quick_requested, report
from gateway.identifiers import new_id, now_us

PAGE_TARGET_MS = 100.0
UNDER_WAY = 8_000
YEARS = 10
DAY_US = 86_400_000_000
_PASSWORD = "a sentence for measuring 4"
_AT_ONCE = 20_000
_TITLES = (
    "井盖丢失",
    "路灯不亮",
    "垃圾堆积",
    "邻里纠纷",
    "水管爆裂",
    "道路塌陷",
    "占道经营",
    "噪声扰民",
)


def main() -> None:
    """See the module's description."""
    quick = quick_requested(__doc__)
    rows, asked = (50_000, 60) if quick else (1_000_000, 400)
    with running_gateway(SEARCH__ENABLED="false") as gateway:
        county = County(gateway)
        began = time.monotonic()
        county.fill(rows)
        took = time.monotonic() - began
        chance = random.Random(7)
        times: list[float] = []
        for who, client in county.people.items():
            own = [county.ask(client, chance) for _ in range(asked)]
            times += own
            report(f"incidents.page_p95.{who}", percentile(own, 95), "ms", n=asked)
        report(
            "incidents.page_p95", percentile(times, 95), "ms", n=len(times),
            target=None if quick else PAGE_TARGET_MS,
            note=f"{rows:,} rows, filled in {took:.0f} s; p50 {percentile(times, 50):.1f}, "
            f"worst {max(times):.0f} ms",
        )  # fmt: skip
        statistics = [county.statistics(by) for by in ("area", "unit", "category")]
        report("incidents.statistics_of_a_quarter", max(statistics), "ms", n=3)


class County:
    """Its areas, units and categories, and three people who ask."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self._database = gateway.data_directory / "gridsight.db"
        self.villages: list[tuple[str, str]] = []
        self._make_areas()
        categories = gateway.call("GET", "/api/incident-categories")["items"]
        self.categories = [one["id"] for one in categories]
        self.units = [
            gateway.call("POST", "/api/units", {"name": f"第{number}单位", "area_id": area_id})[
                "id"
            ]
            for number, (area_id, _) in enumerate(self.villages[:40])
        ]
        village_id, path = self.villages[0]
        self.people = {
            "county": gateway.api,
            "township": self._operator("township", path.split("/")[1]),
            "village": self._operator("village", village_id),
        }

    def _make_areas(self) -> None:
        with sqlite3.connect(self._database, timeout=30) as connection:
            root = new_id("area")
            rows: list[tuple[str, str | None, str, str]] = [(root, None, "钟祥市", f"{root}/")]
            townships = [new_id("area") for _ in range(TOWNSHIPS)]
            rows += [(one, root, f"{n}号镇", f"{root}/{one}/") for n, one in enumerate(townships)]
            for number in range(VILLAGES):
                township, village = townships[number % TOWNSHIPS], new_id("area")
                path = f"{root}/{township}/{village}/"
                rows.append((village, township, f"{number}号村", path))
                self.villages.append((village, path))
            connection.executemany(
                "INSERT INTO areas (id, parent_id, axis, name, search_key, path, position, "
                "created_us) VALUES (?, ?, 'area', ?, '', ?, 0, 0)",
                rows,
            )

    def _operator(self, name: str, area_id: str) -> httpx.Client:
        grant = {"role": "operator", "area_id": area_id}
        form = {"name": name, "grants": [grant]}
        first = self._gateway.call("POST", "/api/users", form)["one_time_password"]
        client = httpx.Client(base_url=self._gateway.url, headers={"X-Gridsight": "1"}, timeout=60)
        sign_in = {"name": name, "password": first}
        client.post("/api/session", json=sign_in).raise_for_status()
        change = {"old_password": first, "new_password": _PASSWORD}
        client.post("/api/session/password", json=change).raise_for_status()
        return client

    def fill(self, count: int) -> None:
        """Make the incidents, the newest under way."""
        connection = sqlite3.connect(self._database, timeout=60)
        connection.execute("PRAGMA synchronous = OFF")
        chance = random.Random(20261123)
        limit = json.dumps({"us": DAY_US, "working": False, "yellow_us": DAY_US // 4})
        at_us = now_us()
        step_us = YEARS * 365 * DAY_US // count
        made = self._rows(count, chance, at_us, step_us, limit)
        while batch := list(itertools.islice(made, _AT_ONCE)):
            with connection:
                connection.executemany(_INSERT, [row for row, _ in batch])
                connection.executemany(
                    "INSERT INTO incident_areas VALUES (?, ?, ?)",
                    [lies for _, areas in batch for lies in areas],
                )
        with connection:
            connection.execute("ANALYZE")
        connection.close()

    def _rows(
        self, count: int, chance: random.Random, at_us: int, step_us: int, limit: str
    ) -> Iterator[tuple[dict[str, Any], list[tuple[str, int, str]]]]:
        for number in range(count):
            area_id, path = chance.choice(self.villages)
            opened_us = at_us - (count - number) * step_us
            over = number < count - UNDER_WAY
            late = chance.random() < 0.1
            due_us = at_us + chance.randrange(-DAY_US, 3 * DAY_US)
            incident_id = f"inc_{number:012d}"
            yield (
                {
                    "id": incident_id,
                    "number": f"2016-{number:07d}",
                    "state": "closed" if over else "accepted",
                    "title": f"{chance.choice(_TITLES)} {number}",
                    # One in ten thousand says it.
                    "words": "发现黑色摩托车" if number % 10_000 == 77 else "群众来电反映",
                    "category_id": chance.choice(self.categories),
                    "area_id": area_id,
                    "area_path": path,
                    "opened_us": opened_us,
                    "unit_id": chance.choice(self.units),
                    "closed_us": opened_us + DAY_US if over else None,
                    "late": late if over else None,
                    "limit": limit,
                    "red_us": None if over else due_us,
                    "yellow_us": None if over else due_us - DAY_US // 4,
                },
                [(one, opened_us, incident_id) for one in path.strip("/").split("/")],
            )

    def ask(self, client: httpx.Client, chance: random.Random) -> float:
        """One page with filters of some kind; gives the milliseconds."""
        village_id, path = chance.choice(self.villages[:TOWNSHIPS])
        end_us = now_us() - chance.randrange(YEARS * 300) * DAY_US
        query: dict[str, Any] = chance.choice(
            [
                {"under_way": True, "order": "due"},
                {"light": "red", "order": "due"},
                {"under_way": False},
                {"under_way": False, "category_id": chance.choice(self.categories)},
                {"under_way": False, "unit_id": chance.choice(self.units), "late": True},
                {"under_way": False, "area_id": path.split("/")[1]},
                {"area_id": village_id, "start_us": end_us - 90 * DAY_US, "end_us": end_us},
                {"start_us": end_us - 30 * DAY_US, "end_us": end_us, "late": True},
                {"query": "黑色摩托车"},
                {
                    "under_way": False,
                    "query": "爆裂",
                    "category_id": chance.choice(self.categories),
                },
            ]
        )
        began = time.perf_counter()
        answer = client.get("/api/incidents", params={**query, "limit": 50})
        answer.raise_for_status()
        return (time.perf_counter() - began) * 1000

    def statistics(self, by: str) -> float:
        """Of the last quarter; gives the milliseconds."""
        end_us = now_us()
        query: dict[str, Any] = {"by": by, "start_us": end_us - 91 * DAY_US, "end_us": end_us}
        began = time.perf_counter()
        self._gateway.api.get("/api/incident-statistics", params=query).raise_for_status()
        return (time.perf_counter() - began) * 1000


_INSERT = """
INSERT INTO incidents (
    id, number, version, changed_us, origin, origin_id, state, title, words, category_id, priority,
    area_id, area_path, place, reporter_name, reporter_phone, opened_us, opened_name, unit_id,
    closed_us, arrived_us, answered_us, arrived_late, resolved_late, arrive, resolve, suspensions,
    extended_us, urges, red_us, yellow_us, told_light, search_text
) VALUES (
    :id, :number, 1, :opened_us, 'call', :id, :state, :title, :words, :category_id, 'normal',
    :area_id, :area_path, '', '', '', :opened_us, '', :unit_id, :closed_us, :closed_us, :closed_us,
    :late, :late, :limit, :limit, '[]', 0, 0, :red_us, :yellow_us, 'red',
    :number || char(10) || :title || char(10) || :words
)
"""


if __name__ == "__main__":
    main()
