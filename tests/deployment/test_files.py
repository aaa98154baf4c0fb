"""Each file of the deployment, checked by a program that knows it, and against the others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from gateway.settings import load_settings
from tests.deployment.files import (
    COMPOSE_FILES,
    DASHBOARDS,
    DEPLOYMENT,
    LINTERS,
    PROMETHEUS_FILES,
    REPOSITORY,
    RULES,
    UNITS,
    compose,
    filled,
    queries,
    tool,
    unit,
    unit_environment,
    values,
)


def run(*command: str | Path, cwd: Path = REPOSITORY) -> str:
    done = subprocess.run(
        [str(one) for one in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# The image


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions with their arguments."""
    text = (DEPLOYMENT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def test_the_dockerfile_is_clean() -> None:
    run(tool("hadolint", Path(sys.executable).parent), DEPLOYMENT / "Dockerfile")


def test_the_image_is_made_of_all_packages_and_takes_nothing_else_along() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    included = project["tool"]["setuptools"]["packages"]["find"]["include"]
    copied = {
        source
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert {one.rstrip("*") for one in included} <= copied
    let_in = {
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for source in copied:
        assert (REPOSITORY / source).exists(), source
        assert source.split("/")[0] in let_in, f"{source} is kept out by .dockerignore"
    assert {"data", "docker", "tests", ".git"} & let_in == set()


def test_the_image_runs_as_nobody_in_particular_and_holds_no_secret() -> None:
    last_from = max(at for at, (name, _) in enumerate(instructions()) if name == "FROM")
    last_stage = instructions()[last_from:]
    names = [name for name, _ in last_stage]
    assert dict(last_stage)["USER"] == "10001:10001"
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert {"HEALTHCHECK", "VOLUME", "STOPSIGNAL"} <= set(names)
    for name, rest in instructions():
        if name in ("ENV", "ARG"):
            assert not re.search(r"password|secret|token|_key", rest, re.IGNORECASE), rest


def test_the_images_settings_exist(tmp_path: Path) -> None:
    rest = next(rest for name, rest in instructions() if name == "ENV")
    pairs = dict(pair.split("=", 1) for pair in rest.split())
    pairs |= {"GRIDSIGHT_DATA_DIRECTORY": str(tmp_path)}
    assert load_settings(environment=pairs).settings.data_directory == tmp_path


# Compose


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=lambda file: file.parent.name)
def test_a_compose_file_is_of_the_specification(file: Path, tmp_path: Path) -> None:
    linter = tool("dclint", LINTERS)
    rules = ("--config", str(DEPLOYMENT / ".dclintrc.yaml"), "--max-warnings", "0")
    looked_at = tmp_path / "compose.yaml"
    looked_at.write_text(filled(file))
    run(linter, *rules, looked_at)
    # And the linter would have said so otherwise.
    looked_at.write_text(filled(file).replace("read_only: true", "read_onli: true"))
    assert subprocess.run([linter, *rules, looked_at], capture_output=True, check=False).returncode


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=lambda file: file.parent.name)
def test_what_a_compose_file_mounts_is_there_and_nothing_runs_with_more_than_it_needs(
    file: Path,
) -> None:
    for name, service in compose(file)["services"].items():
        assert "${" not in str(service), f"{name}: a value that .env.example has not"
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                assert (file.parent / volume["source"]).exists(), volume["source"]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert ":latest" not in service["image"], name
        assert ":" in service["image"], name


@pytest.mark.parametrize("file", COMPOSE_FILES, ids=lambda file: file.parent.name)
def test_a_compose_files_settings_exist(file: Path) -> None:
    for service in compose(file)["services"].values():
        environment = service.get("environment", {})
        if "GRIDSIGHT_CONFIG" not in environment:
            continue
        mounted = {one["target"]: one["source"] for one in service["volumes"]}
        settings_file = file.parent / mounted[environment["GRIDSIGHT_CONFIG"]]
        # Raises SettingsError for a name that nobody knows.
        loaded = load_settings(file=settings_file, environment=environment)
        store = loaded.settings.store
        if store.kind == "directory":
            assert str(store.path) in mounted
        else:
            host, _, port = (store.endpoint or "").partition(":")
            assert (host in compose(file)["services"], port) == (True, "9000")


def test_the_laboratorys_three_machines_are_of_one_cluster_and_differ_where_they_must() -> None:
    file = DEPLOYMENT / "three-machines" / "compose.yaml"
    gateways = {
        name: service
        for name, service in compose(file)["services"].items()
        if "GRIDSIGHT_CONFIG" in service.get("environment", {})
    }
    machines = [
        load_settings(file=file.parent / "gridsight.toml", environment=one["environment"]).settings
        for one in gateways.values()
    ]
    assert len(machines) == 3
    assert len({one.database_url for one in machines}) == 1
    assert len({one.secrets_directory for one in machines}) == 1
    for differs in (
        {one.cluster.node_name for one in machines},
        {one.cluster.listen_address for one in machines},
        {one.listen.port for one in machines},
        {one.webrtc.udp_port for one in machines},
    ):
        assert len(differs) == 3
    for service, machine in zip(gateways.values(), machines, strict=True):
        published = {str(one) for one in service["ports"]}
        udp_port = machine.webrtc.udp_port
        assert published == {
            f"10.1.2.3:{machine.listen.port}:{machine.listen.port}",
            f"10.1.2.3:{udp_port}:{udp_port}/udp",
        }
        (address,) = [one["ipv4_address"] for one in service["networks"].values()]
        assert address == machine.cluster.listen_address
    watched = yaml.safe_load((DEPLOYMENT / "monitoring" / "three-machines.yml").read_text())
    (job,) = watched["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [
        f"{name}:{machine.listen.port}" for name, machine in zip(gateways, machines, strict=True)
    ]


def test_the_laboratory_is_prepared_once_with_passwords_of_its_own(tmp_path: Path) -> None:
    folder = DEPLOYMENT / "three-machines"
    script = tmp_path / "prepare.sh"
    shutil.copy2(folder / "prepare.sh", script)
    run(script, "10.1.2.3")
    written = values(tmp_path / ".env")
    example = values(folder / ".env.example")
    assert written.keys() == example.keys()
    assert written["LAB_ADDRESS"] == "10.1.2.3"
    secrets = [value for name, value in written.items() if name != "LAB_ADDRESS"]
    secrets.append((tmp_path / "grafana_password").read_text().strip())
    assert len(set(secrets)) == len(secrets)
    assert all(len(one) == 48 for one in secrets)
    assert (tmp_path / "metrics_token").read_text().strip() == written["METRICS_TOKEN"]
    for file in (".env", "metrics_token", "grafana_password"):
        assert (tmp_path / file).stat().st_mode & 0o077 == 0
    # What was chosen stays.
    again = subprocess.run([script, "10.1.2.3"], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "delete it" in again.stderr
    assert values(tmp_path / ".env") == written


# Prometheus and Grafana


def test_the_yaml_files_are_clean() -> None:
    run(tool("yamllint"), "--strict", "-c", DEPLOYMENT / ".yamllint.yaml", DEPLOYMENT)


@pytest.mark.parametrize("file", PROMETHEUS_FILES, ids=lambda file: file.stem)
def test_prometheus_takes_its_settings_and_rules(file: Path) -> None:
    # The token that the file names is not there before the laboratory is prepared.
    run(tool("promtool"), "check", "config", "--syntax-only", file)
    run(tool("promtool"), "check", "rules", RULES)


def test_each_rule_speaks_when_it_should_and_not_before() -> None:
    tests = DEPLOYMENT / "monitoring" / "rules_test.yml"
    run(tool("promtool"), "test", "rules", tests)
    # None is without a test.
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
    }
    tested = set(re.findall(r"Gridsight\w+", tests.read_text()))
    assert alerts == tested


def test_the_dashboards_queries_are_understood(tmp_path: Path) -> None:
    groups = [
        {"name": f"{number}", "rules": [{"record": "asked", "expr": query}]}
        for number, (_, query) in enumerate(queries())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    run(tool("promtool"), "check", "rules", file)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_whole(file: Path) -> None:
    board = json.loads(file.read_text())
    assert board["uid"] == file.stem
    # Of Grafana 12; an older number is migrated at each opening.
    assert board["schemaVersion"] == 41
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    source = yaml.safe_load(
        (DEPLOYMENT / "monitoring/grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"][0]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["type"] in ("stat", "timeseries"), panel["title"]
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (at["x"] + column, at["y"] + row) for column in range(at["w"]) for row in range(at["h"])
        }
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == source["uid"]
    known = {one["name"] for one in board["templating"]["list"]}
    asked = re.findall(r"\$(\w+)", json.dumps([panel["targets"] for panel in panels]))
    assert set(asked) == known


# systemd


def test_the_units_are_understood(tmp_path: Path) -> None:
    verify = tool("systemd-analyze")
    for file in (DEPLOYMENT / "systemd").iterdir():
        if file.suffix == ".sh":
            continue
        # Programs are looked for where they will be installed; here the nearest that is there.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", file.read_text(), flags=re.M)
        (tmp_path / file.name).write_text(text)
    said = run(verify, "verify", *sorted(tmp_path.iterdir()))
    ours = [line for line in said.splitlines() if "gridsight" in line]
    assert ours == [], ours


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.stem)
def test_a_units_settings_exist_and_what_it_writes_is_let_through(file: Path) -> None:
    environment = unit_environment(file)
    (settings_file,) = [environment.pop("GRIDSIGHT_CONFIG")]
    settings = load_settings(environment=environment).settings
    directives = unit(file)
    assert Path(settings_file).parent == Path("/etc/gridsight")
    assert settings.data_directory == Path("/var/lib") / directives["StateDirectory"][0]
    assert directives["ProtectSystem"] == ["strict"]
    assert directives["NoNewPrivileges"] == ["yes"]
    program = Path(directives["ExecStart"][0].split()[0])
    if program.is_relative_to("/opt/gridsight/docker"):
        assert (REPOSITORY / program.relative_to("/opt/gridsight")).stat().st_mode & 0o111


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.stem)
def test_a_unit_is_not_exposed(file: Path) -> None:
    said = run(*(tool("systemd-analyze"), "security", "--offline=true", "--threshold=25", file))
    assert "OK" in said or "Overall exposure level" in said
