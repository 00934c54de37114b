"""Configuration files: YAML (safe loading only) whose keys are the fields of a dataclass.

Unknown keys, missing keys, wrong types and values out of range are `ConfigError`s that name the
file, the key and what would be right.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from .errors import ConfigError, nearest

__all__ = ["load_config", "parse_config", "read_yaml"]

T = TypeVar("T")


def read_yaml(path: str | Path) -> Any:
    """Return the content of a YAML file; `ConfigError` where it cannot be read or is not YAML."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"cannot read {str(path)!r}: {reason}") from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def parse_config(value: Any, cls: type[T], where: str) -> T:
    """Build the dataclass `cls` from plain data, `where` naming its origin in messages."""
    _check_keys(value, cls, where)
    try:
        return pydantic.TypeAdapter(cls).validate_python(value, strict=False)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, ConfigError):
            raise ConfigError(f"{where}: {cause}") from None
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(
            f"{where}: {field}: {first['msg'].lower()}, not {first.get('input')!r}"
        ) from None


def load_config(path: str | Path, cls: type[T]) -> T:
    """Return the configuration in a YAML file as an instance of the dataclass `cls`."""
    return parse_config(read_yaml(path), cls, str(path))


def _check_keys(value: Any, cls: Any, where: str) -> None:
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(value, dict):
        raise ConfigError(
            f"{where}: must be a mapping with the keys {', '.join(fields)}, not {value!r}"
        )
    for key in value:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}; the keys are {nearest(key, fields)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in value
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: missing key {missing[0]!r}")
    for name, inner in value.items():
        if dataclasses.is_dataclass(inner_type := _resolve(cls, name)) and isinstance(inner, dict):
            _check_keys(inner, inner_type, f"{where}: {name}")


def _resolve(cls: Any, name: str) -> Any:
    import typing

    return typing.get_type_hints(cls).get(name)
