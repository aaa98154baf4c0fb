"""The command line as it is typed, on a data directory of its own."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app

runner = CliRunner()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def call(data: Path, *arguments: str, standard_input: str | None = None) -> Result:
    data.mkdir(exist_ok=True)
    return runner.invoke(app, [*arguments, "--data", str(data)], input=standard_input)


def test_a_camera_is_added_and_listed_without_its_password(data: Path) -> None:
    added = call(data, "camera", "add", "村口", "rtsp://u:s3cret@127.0.0.1/1", "--area", "县/镇")
    assert added.exit_code == 0, added.output
    listed = call(data, "camera", "list")
    assert added.output.strip() in listed.output
    assert "县/镇  村口  rtsp://127.0.0.1/1" in listed.output
    assert "s3cret" not in listed.output


def test_a_wrong_address_says_what_is_wrong(data: Path) -> None:
    result = call(data, "camera", "add", "x", "ftp://127.0.0.1", "--area", "县")
    assert result.exit_code == 2
    assert "main_url: the address begins with rtsp://" in result.output


def test_nothing_of_a_faulty_list_is_imported(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "cameras.csv"
    file.write_text("name,area,main_url\na,县,rtsp://127.0.0.1/1\nb,县,nonsense\n")
    result = call(data, "camera", "import", str(file))
    assert result.exit_code == 1
    assert "line 3, column main_url" in result.output
    assert call(data, "camera", "list").output == ""
    file.write_text("name,area,main_url\na,县,rtsp://127.0.0.1/1\nb,县/镇,rtsp://127.0.0.1/2\n")
    checked = call(data, "camera", "import", str(file), "--check")
    assert "2 would be created, 0 would be changed, 0 unchanged" in checked.output
    assert call(data, "camera", "list").output == ""
    imported = call(data, "camera", "import", str(file))
    assert "县/镇 is not there yet and will be made (a warning)" in imported.output
    assert "2 created, 0 changed, 0 unchanged" in imported.output
    again = call(data, "camera", "import", str(file))
    assert "0 created, 0 changed, 2 unchanged" in again.output


def test_sheets_go_out_and_in(data: Path, tmp_path: Path) -> None:
    areas, users = tmp_path / "areas.csv", tmp_path / "users.csv"
    areas.write_text("编码,名称,上级编码\n420881000000,钟祥市,\n420881100000,石牌镇,420881000000\n")
    assert "2 created" in call(data, "area", "import", str(areas)).output
    assert call(data, "area", "export", str(tmp_path / "out.xlsx")).output == "2 rows\n"
    again = call(data, "area", "import", str(tmp_path / "out.xlsx"))
    assert "0 created, 0 changed, 2 unchanged" in again.output
    users.write_text("账号,权限\nboss,系统管理员\nwangwei,值班员@420881100000\n")
    made = call(data, "user", "import", str(users)).output
    assert re.search(r"^wangwei  one-time password: \S+$", made, re.MULTILINE)
    assert "wangwei  wangwei  operator@石牌镇" in call(data, "user", "list").output
    (tmp_path / "locked.xlsx").write_bytes(b"\xd0\xcf\x11\xe0")
    refused = call(data, "user", "import", str(tmp_path / "locked.xlsx"))
    assert refused.exit_code == 1 and "save it as plain .xlsx" in refused.output
    assert call(data, "audit", "verify").exit_code == 0


def test_camera_test_says_in_one_line_what_is_wrong(free_port: int) -> None:
    result = runner.invoke(app, ["camera", "test", f"rtsp://u:s3cret@127.0.0.1:{free_port}/x"])
    assert result.exit_code == 1
    assert len(result.output.strip().splitlines()) == 1
    assert "s3cret" not in result.output


def test_accounts_are_managed(data: Path) -> None:
    result = call(data, "user", "add", "boss", "--grant", "system_admin")
    assert re.search(r"one-time password: \S+", result.output)
    assert call(data, "user", "add", "boss").exit_code == 1
    assert "no role" in call(data, "user", "add", "x", "--grant", "king").output
    weak = call(data, "user", "password", "boss", "--ask-password", standard_input="short\n")
    assert weak.exit_code == 1
    assert "at least" in weak.output
    assert "boss  boss  system_admin" in call(data, "user", "list").output
    assert "last system administrator" in call(data, "user", "disable", "boss").output
    assert "no user" in call(data, "user", "disable", "nobody").output


def test_what_was_done_stands_in_the_register(data: Path) -> None:
    call(data, "camera", "add", "x", "rtsp://127.0.0.1/1", "--area", "县")
    call(data, "user", "add", "boss", "--grant", "system_admin")
    result = call(data, "audit", "verify")
    assert result.exit_code == 0, result.output
    assert result.output == (
        "2 records, 2 signed checkpoints (0 kept elsewhere), signed up to record 2\n"
    )


def test_an_empty_installation_checks_clean(data: Path) -> None:
    call(data, "camera", "list")
    (data / "footage").mkdir()
    result = call(data, "check")
    assert result.exit_code == 0, result.output
    assert "0 differences" in result.output


def test_config_says_where_each_value_comes_from(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDSIGHT_LISTEN__PORT", "99")
    monkeypatch.setenv("GRIDSIGHT_METRICS__TOKEN", "s3cret")
    output = call(data, "config").output
    assert re.search(r"listen\.port +99 +environment GRIDSIGHT_LISTEN__PORT", output)
    assert re.search(r"data_directory +\S+ +command line", output)
    assert "s3cret" not in output


def test_a_misspelt_setting_stops_every_command(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDSIGHT_LISTNE__PORT", "99")
    result = call(data, "config")
    assert result.exit_code == 2
    assert "GRIDSIGHT_LISTNE__PORT" in result.output


def test_an_incomplete_store_is_said_in_one_line(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDSIGHT_STORE__KIND", "s3")
    result = call(data, "check")
    assert result.exit_code == 1
    assert "store.endpoint, store.bucket" in result.output
    assert "Traceback" not in result.output


def test_version() -> None:
    assert re.fullmatch(r"gridsight \d+\.\d+\.\d+\n", runner.invoke(app, ["version"]).output)


def test_a_package_is_checked_with_keys_that_lie_elsewhere(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package.zip"
    package.write_bytes(b"no package")
    without = call(data, "evidence", "verify", str(package))
    assert "there is no gateway here whose key could be used" in without.output
    monkeypatch.setenv("GRIDSIGHT_SECRETS_DIRECTORY", str(tmp_path / "medium"))
    assert call(data, "evidence", "key").exit_code == 0
    checked = call(data, "evidence", "verify", str(package))
    assert "there is no gateway here" not in checked.output
    assert checked.exit_code != 0


without_ray = pytest.mark.skipif(find_spec("ray") is not None, reason="gridsight[ray] is there")


@without_ray
def test_without_ray_it_says_how_to_install_it(data: Path) -> None:
    for arguments in (("ray", "--head-port", "6379"), ("serve", "--cluster", "127.0.0.1:6379")):
        result = call(data, *arguments)
        assert result.exit_code == 1
        assert "pip install 'gridsight[ray]'" in result.output


def test_an_address_of_ray_has_a_host_and_a_port(data: Path) -> None:
    result = call(data, "serve", "--cluster", "auto")
    assert result.exit_code == 2
    assert "cluster.ray_address" in result.output


def test_a_machine_that_nobody_knows_is_not_drained(data: Path) -> None:
    result = call(data, "drain", "node-x")
    assert result.exit_code == 1
    assert "no media shard has run on node-x" in result.output
