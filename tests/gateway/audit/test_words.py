"""Whatever goes into the register has words in both languages of the console."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
LOCALES = REPOSITORY / "web" / "src" / "locales"
_ACTION = re.compile(r"[a-z]+\.[a-z_]+")
# What makes a record, or hands its action on to what does.
_RECORDING = {"AuditRecord", "_record", "record", "audit_records"}


def worded(language: str, part: str) -> set[str]:
    """The keys of ``audit.PART`` in that language."""
    text = (LOCALES / language / "audit.ts").read_text()
    body = text[text.index(f"  {part}: {{") :]
    return set(re.findall(r"^    (\w+):", body[: body.index("\n  },")], re.MULTILINE))


def documented() -> Iterator[str]:
    """The actions that the table of docs/audit.md names by name; ``.refused`` goes on from the one
    before it.
    """
    text = (REPOSITORY / "docs" / "audit.md").read_text()
    table = re.search(r"\n\| `.*?\n\n", text, re.DOTALL)
    assert table is not None
    for line in table.group().strip().splitlines():
        group = ""
        for name in re.findall(r"`([^`]+)`", line.split("|")[1]):
            whole = group + name if name.startswith(".") else name
            group = whole.partition(".")[0]
            if "*" not in whole:
                yield whole


def written() -> Iterator[str]:
    """The actions that stand as they are where the gateway makes a record."""
    for path in (REPOSITORY / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else None
            name = function.id if isinstance(function, ast.Name) else name
            if name in _RECORDING:
                yield from (
                    argument.value
                    for argument in node.args
                    if isinstance(argument, ast.Constant)
                    and isinstance(argument.value, str)
                    and _ACTION.fullmatch(argument.value)
                )


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_action_and_group_has_words(language: str) -> None:
    actions = {*documented(), *written()}
    assert len(actions) > 150
    words = worded(language, "actions")
    assert sorted(one for one in actions if one.replace(".", "_") not in words) == []
    groups = {one.partition(".")[0] for one in actions}
    assert sorted(groups - worded(language, "groups")) == []
