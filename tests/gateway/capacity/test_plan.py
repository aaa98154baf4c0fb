"""The plan: what it promises holds whatever is asked of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.capacity.coefficients import LOCALES, coefficients
from gateway.capacity.plan import Demand, MachineShape, Need, Plan, PlanError, make_plan
from gateway.capacity.report import error_text, lines
from gateway.cli import app

KNOWN = coefficients()
FILL = KNOWN["fill"].value
demands = st.builds(
    Demand,
    cameras=st.integers(50, 50_000),
    mbps=st.floats(1.0, 20.0),
    days=st.floats(1, 400),
    sub_mbps=st.none() | st.floats(0.1, 1.0),
    gb28181=st.integers(0, 50),
    viewers=st.integers(0, 5000),
    meeting_sites=st.integers(0, 1000),
    analysed=st.integers(0, 50),
    passages=st.floats(0, 5000),
    nodes_lost=st.integers(0, 3),
    gop_s=st.floats(0.5, 12),
    segment_s=st.floats(12, 600),
)


def amounts(plan: Plan) -> dict[str, float]:
    """Everything that a county must have, of all machines together."""
    found: dict[str, float] = {
        "machines": plan.machines,
        "shards": plan.shards,
        "spool": plan.spool_bytes,
        "store": plan.store_bytes,
        "disks": plan.store_disks,
        "put": plan.put_per_s,
        "objects": plan.objects,
        "rows": plan.rows_per_s,
    }
    for role, one in plan.roles.items():
        found |= {f"{role}.machines": one.machines}
        found |= {
            f"{role}.{name}": getattr(one.need, name)
            for name in ("cores", "memory_bytes", "in_bps", "out_bps", "disk_bytes")
        }
    for name in (
        "gop_index_bytes",
        "segment_bytes",
        "passage_bytes",
        "audit_bytes",
        "database_bytes",
    ):
        found |= {f"{name}.{engine}": size for engine, size in getattr(plan, name).items()}
    return found


def assert_no_less(smaller: Plan, larger: Plan) -> None:
    for name, amount in amounts(smaller).items():
        assert amounts(larger)[name] >= amount * (1 - 1e-12), name


@given(demands, st.integers(1, 5000))
def test_more_cameras_never_need_less_of_anything(demand: Demand, more: int) -> None:
    larger = replace(demand, cameras=demand.cameras + more)
    assert_no_less(make_plan(demand, KNOWN), make_plan(larger, KNOWN))


@given(demands, st.sampled_from(["mbps", "days", "viewers", "meeting_sites", "passages"]))
def test_nor_does_more_of_anything_else(demand: Demand, name: str) -> None:
    larger = replace(demand, **{name: getattr(demand, name) * 2})
    assert_no_less(make_plan(demand, KNOWN), make_plan(larger, KNOWN))


@given(demands)
def test_what_is_left_after_a_loss_still_carries_the_load(demand: Demand) -> None:
    shape = MachineShape()
    plan = make_plan(demand, KNOWN, shape)
    for role, one in plan.roles.items():
        if one.need == Need():
            assert one.machines == 0
            continue
        assert one.spare == demand.nodes_lost and one.working >= 1
        # A database cannot be divided: where one machine is too small for it, the plan says so.
        if role == "database":
            small = ("database_outgrown" in dict(plan.warnings)) or one.working >= 1
            assert small
            continue
        assert one.need.cores <= one.working * shape.cores * FILL * (1 + 1e-6)
        assert one.need.memory_bytes <= one.working * shape.memory_gib * 1024**3 * FILL * (1 + 1e-6)
        assert max(one.in_bps, one.out_bps) <= shape.network_gbps * 1e9 * FILL * (1 + 1e-6)
    held = plan.store_disks - demand.nodes_lost * shape.disks
    if plan.store_disks > (demand.nodes_lost + 1) * shape.disks:
        assert held * shape.disk_tb * 1e12 >= plan.store_bytes * (1 - 1e-9)


def test_a_database_that_fits_no_machine_is_said_so() -> None:
    plan = make_plan(Demand(1_000_000, 2, 365, segment_s=10), KNOWN)
    assert "database_outgrown" in dict(plan.warnings)
    assert "database_outgrown" not in dict(make_plan(Demand(8757, 2, 30), KNOWN).warnings)


def test_the_reference_county() -> None:
    plan = make_plan(Demand(8757, 2, 30, nodes_lost=1), KNOWN)
    # 17.5 Gbit/s for thirty days, and nothing but headers beside it.
    assert plan.footage_bytes == pytest.approx(8757 * 2e6 / 8 * 30 * 86_400, rel=0.01)
    assert plan.put_per_s == pytest.approx(8757 / 60)
    assert plan.objects == pytest.approx(8757 * 1440 * 30)
    assert plan.roles["media"].scarcest == "network"
    assert plan.roles["analysis"].machines == 0
    # Objects of a minute are too many: it says what to set, and with that it is content.
    assert "many_objects" in dict(plan.warnings)
    assert not make_plan(Demand(8757, 2, 30, segment_s=300), KNOWN).warnings


def test_a_village_needs_one_machine_and_is_told_that_nothing_is_spare() -> None:
    assert make_plan(Demand(7, 2, 30, nodes_lost=0), KNOWN).one_machine
    assert not make_plan(Demand(8757, 2, 30, nodes_lost=0), KNOWN).one_machine
    assert "nothing_spare" in dict(make_plan(Demand(8757, 2, 30, nodes_lost=0), KNOWN).warnings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cameras": 0}, "--cameras is 0: give a number from 1"),
        ({"mbps": float("nan")}, "--mbps is nan: give a number"),
        ({"days": float("inf")}, "--days is inf: give a number"),
        ({"nodes_lost": -1}, "--nodes-lost is -1"),
        ({"sub_mbps": 3.0}, "--sub-mbps (3) is more than --mbps (2)"),
        ({"analysed": 101}, "--analysed is 101, but there are only 100 cameras"),
        ({"gb28181": 101}, "--gb28181 is 101, but there are only 100 cameras"),
        ({"gop_s": 30.0, "segment_s": 10.0}, "--gop-s (30) is longer than --segment-s (10)"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_give_instead(
    change: dict[str, float], words: str
) -> None:
    with pytest.raises(PlanError) as refused:
        make_plan(replace(Demand(100, 2, 30), **change), KNOWN)
    assert words in error_text(refused.value, "en")
    # It can be said in both languages.
    assert error_text(refused.value, "zh-CN") != error_text(refused.value, "en")


@given(demands)
def test_every_plan_can_be_told_in_both_languages(demand: Demand) -> None:
    plan = make_plan(demand, KNOWN)
    for locale in LOCALES:
        told = "\n".join(lines(plan, KNOWN, locale))
        assert all(one.text[locale] in told for one in KNOWN.values())


def test_the_command_prints_words_and_json() -> None:
    runner = CliRunner()
    asked = ["plan", "--cameras", "8757", "--mbps", "2", "--days", "30", "--nodes-lost", "1"]
    told = runner.invoke(app, [*asked, "--locale", "zh-CN"])
    assert told.exit_code == 0 and "容量规划：8757 路摄像机" in told.output
    printed = runner.invoke(app, [*asked, "--json"])
    document = json.loads(printed.output)
    assert document["machines"] == sum(one["machines"] for one in document["roles"].values())
    origins = {one["origin"] for one in document["coefficients"]}
    assert origins == {"measured", "estimated", "chosen"}
    refused = runner.invoke(app, [*asked, "--analysed", "9000", "--locale", "zh-CN"])
    assert refused.exit_code == 2 and "只有 8757 路摄像机" in refused.output
    assert runner.invoke(app, [*asked, "--locale", "de"]).exit_code == 2
