"""Settings: four sources, one object, and where each value came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import Settings, SettingsError, load_settings
from gateway.settings.analysis import OWN_DETECTOR
from search.detectors.loading import DEFAULT_MODEL


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "gridsight.toml"
    file.write_text("[listen]\nport = 1\naddress = '10.0.0.1'\n[retention]\ndays = 45\n")
    loaded = load_settings(
        {"listen": {"port": 3, "address": None}},
        file=file,
        environment={"GRIDSIGHT_LISTEN__PORT": "2", "GRIDSIGHT_LISTEN__ADDRESS": "10.0.0.2"},
    )
    assert loaded.settings.listen.port == 3
    assert loaded.settings.listen.address == "10.0.0.2"
    assert loaded.settings.retention.days == 45
    origins = {one.name: one.origin for one in loaded.origins}
    assert origins["listen.port"] == "command line"
    assert origins["listen.address"] == "environment GRIDSIGHT_LISTEN__ADDRESS"
    assert origins["retention.days"] == f"file {file}"
    assert origins["log.level"] == "default"


@pytest.mark.parametrize(
    ("toml", "environment", "named"),
    [
        ("[listen]\nprot = 1\n", {}, "listen.prot"),
        ("[lisen]\nport = 1\n", {}, "lisen"),
        ("[listen]\nport = 'x'\n", {}, "listen.port"),
        ("[listen\n", {}, "TOML"),
        ("", {"GRIDSIGHT_LISTNE__PORT": "1"}, "GRIDSIGHT_LISTNE__PORT"),
        ("", {"GRIDSIGHT_LISTEN__PROT": "1"}, "listen.prot"),
        ("", {"GRIDSIGHT_LISTEN__PORT": "99999"}, "GRIDSIGHT_LISTEN__PORT"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, toml: str, environment: dict[str, str], named: str
) -> None:
    file = tmp_path / "gridsight.toml"
    file.write_text(toml)
    with pytest.raises(SettingsError, match=named):
        load_settings(file=file, environment=environment)


def test_a_missing_file_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load_settings(file=tmp_path / "none.toml", environment={})


def test_secrets_are_masked_but_reach_the_children(tmp_path: Path) -> None:
    loaded = load_settings(
        environment={
            "GRIDSIGHT_STORE__SECRET_KEY": "s3cr3t",
            "GRIDSIGHT_DATABASE_URL": "postgresql://user:pa55@db/x",
        }
    )
    shown = "\n".join(f"{one.value}" for one in loaded.origins)
    assert "s3cr3t" not in shown
    assert "pa55" not in shown
    assert "user" in shown
    assert "s3cr3t" not in repr(loaded.settings)
    child = Settings.from_json(loaded.settings.to_json())
    assert child == loaded.settings
    assert child.store.secret_key is not None
    assert child.store.secret_key.get_secret_value() == "s3cr3t"


def test_every_setting_is_in_the_documentation_with_no_other() -> None:
    page = Path(__file__).resolve().parent.parent.parent / "docs" / "settings.md"
    told = {line.split("`")[1] for line in page.read_text().splitlines() if line.startswith("| `")}
    assert told == {one.name for one in load_settings(environment={}).origins}


def test_models_have_names_and_files_that_can_be_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "gridsight.toml"
    file.write_text('[search.models]\nnight = "/models/night.onnx"\n')
    loaded = load_settings(file=file, environment={})
    assert loaded.settings.search.models == {"night": Path("/models/night.onnx")}
    assert Settings.from_json(loaded.settings.to_json()).search == loaded.settings.search
    shown = {one.name: one.value for one in loaded.origins}
    assert shown["search.models"] == '{"night": "/models/night.onnx"}'
    file.write_text('[search]\ndetector = "/a/m.onnx"\nmodels = {m2 = "/b/m.onnx"}\n')
    with pytest.raises(SettingsError, match="two model files are called m"):
        load_settings(file=file, environment={})
    assert Path(DEFAULT_MODEL).stem == OWN_DETECTOR
    file.write_text(f'[search]\nmodels = {{other = "/a/{OWN_DETECTOR}.onnx"}}\n')
    with pytest.raises(SettingsError, match=f"two model files are called {OWN_DETECTOR}"):
        load_settings(file=file, environment={})
    file.write_text('[search.models]\n"a b" = "/models/night.onnx"\n')
    with pytest.raises(SettingsError, match=r"search\.models"):
        load_settings(file=file, environment={})
