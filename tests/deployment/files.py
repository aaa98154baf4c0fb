"""The deployment's files, as the tests of them read them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DEPLOYMENT = REPOSITORY / "docker"
LINTERS = REPOSITORY / "tests" / "environment" / "linters" / "node_modules" / ".bin"
UNITS = sorted((DEPLOYMENT / "systemd").glob("*.service"))
COMPOSE_FILES = sorted(DEPLOYMENT.glob("*/compose*.yaml"))
PROMETHEUS_FILES = sorted(
    file for file in (DEPLOYMENT / "monitoring").glob("*.yml") if "rules" not in file.name
)
RULES = DEPLOYMENT / "monitoring" / "rules.yml"
DASHBOARDS = sorted((DEPLOYMENT / "monitoring" / "grafana" / "dashboards").glob("*.json"))
# What Grafana puts in place of its variables; any word does.
_VARIABLE = re.compile(r"\$\w+")


def tool(name: str, *folders: Path) -> str:
    """Where a program is: in these folders, or anywhere. Skips the test where there is none."""
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def filled(file: Path) -> str:
    """A compose file's text, with the values of its example in place of ``${NAME}``."""
    text = file.read_text()
    for name, value in values(file.with_name(".env.example")).items():
        text = text.replace(f"${{{name}}}", value)
    return text


def compose(file: Path) -> dict[str, Any]:
    """A compose file's content."""
    content = yaml.safe_load(filled(file))
    assert isinstance(content, dict)
    return content


def values(file: Path) -> dict[str, str]:
    """``NAME=VALUE`` of a file; none where it is not there."""
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def unit(file: Path) -> dict[str, list[str]]:
    """A unit's directives, whatever their section; a name may come again."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def unit_environment(file: Path) -> dict[str, str]:
    """What a unit's ``Environment=`` lines say."""
    pairs = [one for line in unit(file).get("Environment", []) for one in shlex.split(line)]
    return dict(pair.split("=", 1) for pair in pairs)


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the rules and the dashboards, with where it stands."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield f"{RULES.name}: {rule['alert']}", rule["expr"]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{file.name}: {panel['title']}", _VARIABLE.sub("word", target["expr"])
