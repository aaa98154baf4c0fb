"""A plan as people read it, and as JSON."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gateway.capacity.coefficients import Coefficient, Locale
from gateway.capacity.plan import Plan, PlanError, RolePlan
from gateway.capacity.words import say


def document(plan: Plan, known: Mapping[str, Coefficient], locale: Locale) -> dict[str, Any]:
    """As JSON: bytes, bits a second, counts; and every coefficient with its origin."""
    found = asdict(plan)
    found["machines"] = plan.machines
    found["roles"] = {role: _role_document(one) for role, one in plan.roles.items()}
    found["warnings"] = [
        {"code": code, "message": say(f"warning.{code}", locale, **values)}
        for code, values in plan.warnings
    ]
    found["coefficients"] = [one.document(locale) for one in known.values()]
    return found


def _role_document(one: RolePlan) -> dict[str, Any]:
    return {
        **asdict(one.need),
        "machines": one.machines,
        "spare": one.spare,
        "scarcest": one.scarcest,
        "machine_in_bps": one.in_bps,
        "machine_out_bps": one.out_bps,
    }


def error_text(error: PlanError, locale: Locale) -> str:
    """Why there is no plan, and what to give instead."""
    values = dict(error.values)
    if "name" in values:
        values["option"] = "--" + str(values.pop("name")).replace("_", "-")
    return say(f"error.{error.code}", locale, **{k: _plain(v) for k, v in values.items()})


def lines(plan: Plan, known: Mapping[str, Coefficient], locale: Locale) -> Iterator[str]:
    """The plan for a terminal."""
    demand = {name: _plain(value) for name, value in asdict(plan.demand).items()}
    yield say("title", locale, **demand)
    yield "  " + say("more", locale, **demand)
    shape = {name: _plain(value) for name, value in asdict(plan.shape).items()}
    yield "  " + say("shape", locale, **shape)
    if plan.one_machine:
        yield "  " + say("one_machine", locale)
    yield ""
    yield say("machines", locale)
    yield from _table(_machine_rows(plan, locale))
    yield f"  {say('shards', locale)}: {plan.shards}"
    yield ""
    media = plan.roles["media"]
    yield say("disks_title", locale)
    each = _bytes(plan.spool_bytes / media.working)
    yield from _table(
        [
            [say("spool", locale, each=each), _bytes(plan.spool_bytes)],
            [say("footage", locale), _bytes(plan.footage_bytes)],
            [say("crops", locale), _bytes(plan.crop_bytes)],
            [say("vectors", locale), _bytes(plan.vector_bytes)],
            [say("store_raw", locale), _bytes(plan.store_bytes)],
            [say("store_disks", locale, **shape), str(plan.store_disks)],
        ]
    )
    yield ""
    yield say("requests_title", locale)
    yield from _table(
        [
            [say("put", locale), _number(plan.put_per_s)],
            [say("objects", locale), _number(plan.objects)],
            [say("rows", locale), _number(plan.rows_per_s)],
        ]
    )
    yield ""
    yield say("database_title", locale)
    yield from _table(_database_rows(plan, locale))
    if plan.warnings:
        yield ""
        yield say("warnings", locale)
        for code, values in plan.warnings:
            yield "  ! " + say(
                f"warning.{code}", locale, **{k: _plain(v) for k, v in values.items()}
            )
    yield ""
    yield from _origins(known, locale)


def _machine_rows(plan: Plan, locale: Locale) -> list[list[str]]:
    heading = ("role", "count", "spare", "cores", "memory", "network", "network_all", "scarcest")
    rows = [[say(name, locale) for name in heading]]
    for role, one in plan.roles.items():
        rows.append(
            [
                say(f"role.{role}", locale),
                str(one.machines),
                str(one.spare),
                _number(one.need.cores),
                _bytes(one.need.memory_bytes),
                f"{_bits(one.in_bps)} / {_bits(one.out_bps)}",
                f"{_bits(one.need.in_bps)} / {_bits(one.need.out_bps)}",
                say(f"by.{one.scarcest}", locale),
            ]
        )
    needs = [one.need for one in plan.roles.values()]
    rows.append(
        [
            say("all", locale),
            str(plan.machines),
            str(sum(one.spare for one in plan.roles.values())),
            _number(sum(one.cores for one in needs)),
            _bytes(sum(one.memory_bytes for one in needs)),
            "",
            f"{_bits(sum(one.in_bps for one in needs))} / "
            f"{_bits(sum(one.out_bps for one in needs))}",
            "",
        ]
    )
    return rows


def _database_rows(plan: Plan, locale: Locale) -> list[list[str]]:
    rows = [["", "PostgreSQL", "SQLite"]]
    engines = ("postgresql", "sqlite")
    for words, sizes in (
        (say("segments", locale, count=_number(plan.segment_rows)), plan.segment_bytes),
        ("  " + say("gops", locale), plan.gop_index_bytes),
        (say("passages", locale, count=_number(plan.passage_rows)), plan.passage_bytes),
        (say("audit", locale, count=_number(plan.audit_records)), plan.audit_bytes),
        (say("database", locale), plan.database_bytes),
    ):
        rows.append([words, *(_bytes(sizes[engine]) for engine in engines)])
    return rows


def _origins(known: Mapping[str, Coefficient], locale: Locale) -> Iterator[str]:
    yield say("origins", locale)
    counts = Counter(one.origin for one in known.values())
    yield "  " + say(
        "origins_note",
        locale,
        **{name: counts[name] for name in ("measured", "estimated", "chosen")},
    )
    numbers: dict[str | None, int] = {}
    for one in known.values():
        if one.origin == "measured":
            numbers.setdefault(one.machine, len(numbers) + 1)
    for machine, number in numbers.items():
        yield "  " + say("machine", locale, number=number, machine=machine)
    for one in known.values():
        yield f"  {one.text[locale]}: {one.value:g} {one.unit}"
        if one.origin == "measured":
            number = numbers[one.machine]
            why = say(
                "measured", locale, benchmark=one.benchmark, n=one.n, date=one.date, machine=number
            )
        else:
            why = say(one.origin, locale, reason=one.reason[locale])
        yield f"      {why}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell; a Chinese character is two wide. The first is words,
    the others stand to the right.
    """
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first = row[0] + " " * (widths[0] - _width(row[0]))
        others = (
            " " * (width - _width(cell)) + cell
            for cell, width in zip(row[1:], widths[1:], strict=True)
        )
        yield f"  {first}  {'  '.join(others)}".rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def _plain(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _number(value: float) -> str:
    if value >= 1e9:
        return f"{value / 1e9:.2f} G"
    if value >= 1e6:
        return f"{value / 1e6:.1f} M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _scaled(value: float, units: Sequence[str]) -> str:
    place = 0
    while value >= 999.5 and place < len(units) - 1:
        value, place = value / 1000, place + 1
    return f"{value:.3g} {units[place]}" if value < 1000 else f"{value:,.0f} {units[place]}"


def _bytes(value: float) -> str:
    """In powers of ten, as disks are sold."""
    return (
        _scaled(value / 1e6, ("MB", "GB", "TB", "PB")) if value >= 1e6 else f"{value / 1e6:.2g} MB"
    )


def _bits(value: float) -> str:
    return _scaled(value / 1e6, ("Mbit/s", "Gbit/s", "Tbit/s"))
