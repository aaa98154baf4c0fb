"""The control plane of a whole county: a gateway, two media shards, and 8,757 cameras.

    python -m benchmarks.control_plane [--quick]

The cameras are real RTSP senders in one process, of 64 x 64 pixels and one picture every three
seconds: what is measured is what it costs to have them, not what their pictures weigh; nor what it
costs to look for people in them, which is switched off. They are those of the reference county, in
its tree, and recorded. All are switched on at once; then, with all of them delivering, pages of
cameras are asked for as the console asks, one camera is switched on and off to see how long a round
of placing takes, and both shards are killed. At last numbers of cameras that send five pictures a
second are switched on in turn, to see what one more costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import sqlalchemy as sa

from benchmarks._control_county import Inside, register, township_operator
from benchmarks._gateway import RunningGateway, running_gateway
from benchmarks._reference_county import CAMERAS
from benchmarks._tiny_cameras import tiny_cameras
from benchmarks.measure import cpu_seconds, percentile, quick_requested, report, resident_bytes
from gateway.database.tables import cameras

START_TARGET_S = 60.0
ROUND_TARGET_MS = 1000.0
LIST_TARGET_MS = 200.0
API_TARGET_MB = 500.0
SLOPE_TARGET = 1.15
PICTURE_S = 3.0
# What one more camera costs is told apart from nothing only where each costs something.
SLOPE_PICTURE_S = 0.2
_PAGE = 100
_SOURCES_OF_A_CAMERA = 2  # main and sub


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it is done."""

    cameras: int
    pages: int
    rounds: int
    rest_s: float
    start_limit_s: float
    restart: bool
    # Each row is a round; where rounds meet the number is the same, so that it is switched once.
    slope: tuple[tuple[int, ...], ...]


WHOLE = Plan(
    CAMERAS, 60, 20, 20.0, 300.0, True, ((50, 500, 1000), (1000, 500, 50)),
)  # fmt: skip
QUICK = Plan(500, 10, 4, 3.0, 20.0, False, ())


def main() -> None:
    """See the module's description."""
    plan = QUICK if quick_requested(__doc__) else WHOLE
    with (
        tempfile.TemporaryDirectory() as folder,
        tiny_cameras(Path(folder), PICTURE_S) as port,
        tiny_cameras(Path(folder), SLOPE_PICTURE_S) as lively_port,
        running_gateway(SHARDS__COUNT="2", SEARCH__ENABLED="false") as gateway,
    ):
        gateway.api.timeout = httpx.Timeout(120)
        began = time.monotonic()
        register(gateway, plan.cameras, port)
        operator = township_operator(gateway)
        _say(f"registered in {time.monotonic() - began:.1f} s")
        asyncio.run(_measure(gateway, operator, lively_port, plan))


async def _measure(
    gateway: RunningGateway, operator: httpx.Client, lively_port: int, plan: Plan
) -> None:
    async with Inside(gateway) as inside:
        async with inside.reader.connect() as connection:
            order = sa.select(cameras.c.id).order_by(cameras.c.id)
            everybody = list(await connection.scalars(order))
        await _at_rest(inside, "registered", 0, plan)
        await _start(inside, everybody, plan)
        await _at_rest(inside, "running", plan.cameras, plan)
        api_id = (await inside.process_ids())["api"]
        for client, who in ((gateway.api, "county"), (operator, "township")):
            before_s = cpu_seconds(api_id)
            count = await asyncio.to_thread(_lists, client, who, plan)
            spent_ms = 1000 * (cpu_seconds(api_id) - before_s) / count
            note = f"of the API, for each of {count} of all kinds"
            report(f"control_plane_{who}_request_cpu_ms", spent_ms, "ms", n=plan.cameras, note=note)
        await _rounds(inside, everybody, plan)
        if plan.restart:
            await _restart(inside, plan)
        for name, process_id in (await inside.process_ids()).items():
            target = API_TARGET_MB if name == "api" else None
            megabytes = resident_bytes(process_id) / 1e6
            metric = f"control_plane_memory_{name}"
            report(metric, megabytes, "MB", n=plan.cameras, target=target)
        if plan.slope:
            spool = gateway.data_directory / "spool"
            await _slope(inside, everybody, lively_port, spool, plan)


async def _start(inside: Inside, everybody: list[str], plan: Plan) -> None:
    process_ids = await inside.process_ids()
    before = {name: cpu_seconds(one) for name, one in process_ids.items()}
    placing = asyncio.create_task(
        inside.until_placed(plan.cameras * _SOURCES_OF_A_CAMERA, plan.start_limit_s)
    )
    live = asyncio.create_task(inside.until_live(plan.cameras, plan.start_limit_s))
    began = time.monotonic()
    await inside.switch(everybody)
    written_s = time.monotonic() - began
    took = await live
    with contextlib.suppress(TimeoutError):
        report("control_plane_start_placed_s", await placing, "s", n=plan.cameras)
    report("control_plane_start_switched_on_s", written_s, "s", n=plan.cameras)
    spent = {name: cpu_seconds(one) - before[name] for name, one in process_ids.items()}
    for percent in (50, 95, 100):
        target = START_TARGET_S if percent == 100 else None
        note = f"{len(inside.live)} deliver" if percent == 100 else None
        metric = f"control_plane_start_{percent}_percent_s"
        report(metric, took.get(percent), "s", n=plan.cameras, target=target, note=note)
    report(
        "control_plane_start_cpu_s", sum(spent.values()), "s", n=plan.cameras, note=_shares(spent)
    )


async def _restart(inside: Inside, plan: Plan) -> None:
    """Both shards are killed, and all cameras start on what takes their place."""
    for name, process_id in (await inside.process_ids()).items():
        if name in inside.shards:
            os.kill(process_id, signal.SIGKILL)
    await inside.until_dark(0, 30)
    took = await inside.until_live(plan.cameras, plan.start_limit_s)
    report(
        "control_plane_restart_s", took.get(100), "s", n=plan.cameras, target=START_TARGET_S,
        note=f"both shards killed; a half after {took.get(50, 0):.1f} s",
    )  # fmt: skip


async def _at_rest(inside: Inside, what: str, running: int, plan: Plan) -> None:
    if running:
        await asyncio.sleep(plan.rest_s / 3)
    process_ids = await inside.process_ids()
    spent = await _spent_s(process_ids, plan.rest_s)
    percent = {name: 100 * seconds / plan.rest_s for name, seconds in spent.items()}
    report(
        f"control_plane_cpu_{what}", sum(percent.values()), "% of a core", n=plan.cameras,
        note=f"{running} deliver; {_shares(percent)}",
    )  # fmt: skip


async def _spent_s(process_ids: dict[str, int], seconds: float) -> dict[str, float]:
    before = {name: cpu_seconds(one) for name, one in process_ids.items()}
    await asyncio.sleep(seconds)
    return {name: cpu_seconds(one) - before[name] for name, one in process_ids.items()}


def _lists(client: httpx.Client, who: str, plan: Plan) -> int:
    """As the console asks: the table's pages, a search, the tree's two topmost levels. Gives how
    many requests that were.
    """
    cursors = [""]
    while following := _page(client, cursors[-1])["next_cursor"]:
        cursors.append(following)
    root = _items(client, "/api/areas?axis=area")[0]
    kinds: dict[str, Callable[[], object]] = {
        "first_page": lambda: _page(client),
        "deep_page": lambda: _page(client, cursors[-2] if len(cursors) > 1 else ""),
        "search": lambda: _page(client, query=f"query={quote('桥头')}&"),
        "tree": lambda: [
            _items(client, "/api/areas?axis=area"),
            _items(client, f"/api/areas?parent_id={root['id']}"),
        ],
    }
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(plan.pages):
        for kind, ask in kinds.items():
            began = time.perf_counter()
            ask()
            times[kind].append((time.perf_counter() - began) * 1000)
    for kind, values in times.items():
        report(
            f"control_plane_{who}_{kind}_p95_ms", percentile(values, 95), "ms", n=plan.cameras,
            target=LIST_TARGET_MS, note=f"p50 {percentile(values, 50):.1f}, {len(values)} times",
        )  # fmt: skip
    # A tree is two requests, and before all that every page was asked for once.
    return len(cursors) + 1 + plan.pages * 5


def _page(client: httpx.Client, cursor: str = "", query: str = "") -> dict[str, Any]:
    after = f"&cursor={quote(cursor)}" if cursor else ""
    answer = client.get(f"/api/cameras?{query}limit={_PAGE}{after}").raise_for_status()
    page: dict[str, Any] = answer.json()
    return page


def _items(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(path).raise_for_status().json()["items"]
    return items


async def _rounds(inside: Inside, everybody: list[str], plan: Plan) -> None:
    """One camera is switched off and on: until its row has another owner, and what that costs."""
    process_ids = await inside.process_ids()
    before = {name: cpu_seconds(one) for name, one in process_ids.items()}
    placing: list[float] = []
    idle: list[float] = []
    changed: list[float] = []
    for number in range(plan.rounds):
        camera_id = everybody[number]
        owner = await inside.owner(camera_id)
        for enabled, now in ((False, owner), (True, "")):
            await inside.change(camera_id, enabled=enabled)
            await inside.supervisor.call("cluster.reconcile")
            placing.append(1000 * await inside.until_moved(camera_id, now, 60))
    spent = {name: cpu_seconds(one) - before[name] for name, one in process_ids.items()}
    shares = _shares({name: 1000 * one / len(placing) for name, one in spent.items()})
    for number in range(plan.rounds):
        for times in (idle, changed):
            if times is changed:
                await inside.change(everybody[number], retention_days=30 + number)
            began = time.perf_counter()
            await asyncio.gather(*(one.call("shard.reconcile") for one in inside.shards.values()))
            times.append(1000 * (time.perf_counter() - began))
    for name, values, note in (
        ("reconcile_round", placing, f"switched on or off, to its owner; CPU, ms: {shares}"),
        ("shard_round", idle, "both shards at once, nothing new"),
        ("shard_round_changed", changed, "both shards at once, one camera changed"),
    ):
        report(
            f"control_plane_{name}_p95_ms", percentile(values, 95), "ms", n=plan.cameras,
            target=ROUND_TARGET_MS, note=f"p50 {percentile(values, 50):.1f}; {note}",
        )  # fmt: skip


async def _slope(inside: Inside, everybody: list[str], port: int, spool: Path, plan: Plan) -> None:
    """CPU of the shards for each camera, at different numbers of them, one after the other."""
    await inside.switch([])
    await inside.until_dark(0, plan.start_limit_s)
    lively = everybody[: max(one for turn in plan.slope for one in turn)]
    await inside.lead_to(lively, f"rtsp://127.0.0.1:{port}")
    # What was recorded last is still on its way into the store.
    async with asyncio.timeout(plan.start_limit_s):
        while await asyncio.to_thread(lambda: any(spool.glob("*/*.mp4"))):  # noqa: ASYNC110
            await asyncio.sleep(1)
    await asyncio.sleep(plan.rest_s)
    nothing = await _shard_percent(inside, plan.rest_s)
    costs: dict[int, list[float]] = defaultdict(list)
    standing = 0
    for count in (one for turn in plan.slope for one in turn):
        if count != standing:
            await inside.switch(everybody[:count])
            await inside.until_dark(count, plan.start_limit_s)
            await inside.until_live(count, plan.start_limit_s)
            # What came with the start is not what a camera costs.
            await asyncio.sleep(plan.rest_s / 3)
            standing = count
        before, began = await inside.pictures(), time.monotonic()
        percent = await _shard_percent(inside, plan.rest_s)
        came = (await inside.pictures() - before) / (time.monotonic() - began)
        # By what really came: a machine too busy to send it all must not flatter anyone.
        costs[count].append((percent - nothing) / (came * SLOPE_PICTURE_S))
    few = percentile(costs[min(costs)], 50)
    for count in sorted(costs):
        cost = percentile(costs[count], 50)
        report(
            "control_plane_cost_per_camera", cost, "% of a core", n=count,
            note=f"five pictures a second; of the shards, {nothing:.1f} % without any; "
            f"{len(costs[count])} times, {min(costs[count]):.4f} to {max(costs[count]):.4f}",
        )  # fmt: skip
        if count != min(costs):
            report(
                "control_plane_cost_against_few", cost / few, "ratio", n=count,
                target=SLOPE_TARGET, note=f"few is {min(costs)}; {plan.cameras} registered",
            )  # fmt: skip


async def _shard_percent(inside: Inside, seconds: float) -> float:
    process_ids = await inside.process_ids()
    shards = {name: one for name, one in process_ids.items() if name in inside.shards}
    return 100 * sum((await _spent_s(shards, seconds)).values()) / seconds


def _shares(by_process: dict[str, float]) -> str:
    def lines() -> Iterator[str]:
        for name, value in sorted(by_process.items(), key=lambda one: -one[1]):
            if value >= 0.05:
                yield f"{name} {value:.1f}"

    return ", ".join(lines())


def _say(what: str) -> None:
    print(f"   {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
