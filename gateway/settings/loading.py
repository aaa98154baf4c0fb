"""Reading the settings: defaults, a TOML file, the environment, and flags, in rising order.

Environment variables are ``GRIDSIGHT_`` + the name in capitals, with ``__`` between levels:
``GRIDSIGHT_LISTEN__PORT=80``. A name that nobody knows is an error, wherever it stands, so that a
misspelt setting cannot be silently ignored.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_settings import EnvSettingsSource
from sqlalchemy.engine import make_url

from gateway.settings.whole import ENVIRONMENT_PREFIX, Settings

CONFIG_FILE_VARIABLE = "GRIDSIGHT_CONFIG"
# Variables with our prefix that are not settings.
_OTHER_VARIABLES = {CONFIG_FILE_VARIABLE, "GRIDSIGHT_SHARED"}
_DEFAULT_FILES = (Path("gridsight.toml"), Path("/etc/gridsight/gridsight.toml"))


class SettingsError(Exception):
    """The settings cannot be used. The message has one line per fault: name, origin, reason."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One value in force: its dotted name, the value as text (secrets masked), its origin."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings in force, and where each value came from."""

    settings: Settings
    origins: tuple[Origin, ...]


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Read all sources and merge them: flags over environment over file over defaults.

    ``flags`` is nested like the settings; None in it means "not given". ``file`` falls back to
    ``GRIDSIGHT_CONFIG``, then ``gridsight.toml`` here, then ``/etc/gridsight/gridsight.toml``.
    Raises :class:`SettingsError`.
    """
    variables = os.environ if environment is None else environment
    origins: dict[str, str] = {}
    merged: dict[str, Any] = {}
    path = _find_file(file, variables)
    if path is not None:
        _merge(merged, _read_file(path), origins, lambda name: f"file {path}")
    _merge(merged, _read_environment(variables), origins, _environment_origin)
    given = _without_none(dict(flags or {}))
    _merge(merged, given, origins, lambda name: "command line")
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(_explain(error, origins)) from None
    return LoadedSettings(settings, tuple(_origins_in_force(settings, origins)))


def _find_file(file: Path | None, variables: Mapping[str, str]) -> Path | None:
    configured = file or (
        Path(variables[CONFIG_FILE_VARIABLE]) if variables.get(CONFIG_FILE_VARIABLE) else None
    )
    if configured is not None:
        if not configured.is_file():
            raise SettingsError(f"settings file {configured} does not exist")
        return configured
    return next((path for path in _DEFAULT_FILES if path.is_file()), None)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as opened:
            return tomllib.load(opened)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings file {path} is not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings file {path} cannot be read: {error}") from None


class _Environment(EnvSettingsSource):
    """pydantic's reader of nested variables, on a mapping that the caller chooses."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _read_environment(variables: Mapping[str, str]) -> dict[str, Any]:
    known = set(Settings.model_fields)
    for name in variables:
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _OTHER_VARIABLES:
            continue
        top = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__", 1)[0]
        if top not in known:
            raise SettingsError(f"{name}: there is no such setting; see `gridsight config`")
    try:
        return dict(_Environment(variables)())
    except ValueError as error:
        raise SettingsError(f"environment: {error}") from None


def _environment_origin(name: str) -> str:
    return f"environment {ENVIRONMENT_PREFIX}{name.replace('.', '__').upper()}"


def _merge(
    target: dict[str, Any],
    source: Mapping[str, Any],
    origins: dict[str, str],
    say: Any,
    prefix: str = "",
) -> None:
    for key, value in source.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            branch = target.setdefault(key, {})
            if not isinstance(branch, dict):
                branch = target[key] = {}
            _merge(branch, value, origins, say, f"{name}.")
        else:
            target[key] = value
            origins[name] = say(name)


def _without_none(source: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in source.items():
        if isinstance(value, Mapping):
            branch = _without_none(value)
            if branch:
                kept[key] = branch
        elif value is not None:
            kept[key] = value
    return kept


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        name = ".".join(str(part) for part in fault["loc"])
        origin = origins.get(name, "")
        reason = "there is no such setting" if fault["type"] == "extra_forbidden" else fault["msg"]
        lines.append(f"{name}{f' ({origin})' if origin else ''}: {reason}")
    return "\n".join(lines)


def _origins_in_force(settings: Settings, origins: Mapping[str, str]) -> Iterator[Origin]:
    for name, value in _flatten(settings):
        yield Origin(name, _shown(value), origins.get(name, "default"))


def _flatten(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, SecretStr):
        return _masked_url(value.get_secret_value())
    if isinstance(value, list):
        return json.dumps(
            [
                item.model_dump(mode="json") if isinstance(item, BaseModel) else item
                for item in value
            ],
            ensure_ascii=False,
        )
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _masked_url(secret: str) -> str:
    """A database URL with its password hidden; any other secret as stars alone."""
    if "://" not in secret:
        return "********"
    try:
        return make_url(secret).render_as_string(hide_password=True)
    except Exception:
        return "********"
