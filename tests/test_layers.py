"""The layout is the architecture: imports point downwards only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
RANK = {"camera_adapters": 0, "recorder": 1, "search": 2, "gateway": 3}


def _imported_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""


@pytest.mark.parametrize("package", RANK)
def test_package_imports_only_what_stands_below_it(package: str) -> None:
    upwards = [
        f"{path.relative_to(REPOSITORY)}:{line} imports {name}"
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        for line, name in _imported_names(ast.parse(path.read_text(encoding="utf-8")))
        if RANK.get(name.split(".")[0], -1) > RANK[package]
    ]
    assert upwards == []


def test_product_does_not_import_its_tests_or_benchmarks() -> None:
    offenders = [
        f"{path.relative_to(REPOSITORY)}:{line} imports {name}"
        for package in RANK
        for path in sorted((REPOSITORY / package).rglob("*.py"))
        for line, name in _imported_names(ast.parse(path.read_text(encoding="utf-8")))
        if name.split(".")[0] in {"tests", "benchmarks"}
    ]
    assert offenders == []
