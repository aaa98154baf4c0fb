"""The figures that a plan reckons with, each with where it comes from. They are kept in
``coefficients.toml``; most are lines that a benchmark has printed.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

Locale = Literal["en", "zh-CN"]
Origin = Literal["measured", "estimated", "chosen"]
LOCALES: tuple[Locale, ...] = ("en", "zh-CN")


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One figure. ``measured`` has ``benchmark``, ``n``, ``machine``, ``date``; ``estimated``, and
    ``chosen`` (a margin that somebody decided on), have ``reason``. Texts are by locale.
    """

    name: str
    value: float
    unit: str
    origin: Origin
    text: Mapping[Locale, str]
    reason: Mapping[Locale, str]
    benchmark: str | None = None
    n: int | None = None
    machine: str | None = None
    date: str | None = None

    def document(self, locale: Locale) -> dict[str, Any]:
        """As JSON, with its texts in one language."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "origin": self.origin,
            "text": self.text[locale],
            "benchmark": self.benchmark,
            "n": self.n,
            "machine": self.machine,
            "date": self.date,
            "reason": self.reason.get(locale),
        }


@cache
def coefficients() -> Mapping[str, Coefficient]:
    """All of them by name, as the file has them. Raises ValueError for one without an origin."""
    content = resources.files("gateway.capacity").joinpath("coefficients.toml").read_text("utf-8")
    return MappingProxyType(read_coefficients(content))


def read_coefficients(content: str) -> dict[str, Coefficient]:
    """The figures of a TOML text. Raises ValueError that names what is wrong with which figure."""
    document = tomllib.loads(content)
    machines: dict[str, str] = document.get("machines", {})
    return {name: _read(name, table, machines) for name, table in document["coefficients"].items()}


def _read(name: str, table: dict[str, Any], machines: Mapping[str, str]) -> Coefficient:
    origins: tuple[Origin, ...] = ("measured", "estimated", "chosen")
    [*given] = [one for one in origins if one in table]
    if len(given) != 1:
        raise ValueError(f"{name}: say whether it is measured, estimated or chosen")
    value = table["value"]
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name}: {value!r} is no figure to reckon with")
    text = _texts(name, table["text"])
    found = table[given[0]]
    if given[0] != "measured":
        return Coefficient(name, float(value), table["unit"], given[0], text, _texts(name, found))
    missing = {"benchmark", "n", "machine", "date"} - found.keys()
    if missing:
        raise ValueError(f"{name}: measured, but without {', '.join(sorted(missing))}")
    if found["machine"] not in machines:
        raise ValueError(f"{name}: no machine is called {found['machine']}")
    return Coefficient(
        name,
        float(value),
        table["unit"],
        "measured",
        text,
        {},
        found["benchmark"],
        int(found["n"]),
        machines[found["machine"]],
        str(found["date"]),
    )


def _texts(name: str, table: Mapping[str, str]) -> Mapping[Locale, str]:
    if set(table) != set(LOCALES):
        raise ValueError(f"{name}: its words are wanted in {' and '.join(LOCALES)}")
    return {locale: table[locale] for locale in LOCALES}
