from __future__ import annotations

from pathlib import Path

import pytest

from hw.config import AcceleratorConfig, PEConfig
from hw.config_file import load_config
from hw.errors import ConfigError


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "point.yaml"
    path.write_text(text)
    return path


def test_keys_are_the_fields(tmp_path: Path) -> None:
    path = written(tmp_path, "pe: {pe_type: lightpe1, filter_spad: 64}\nrows: 8\n")
    wanted = AcceleratorConfig(pe=PEConfig(pe_type="lightpe1", filter_spad=64), rows=8)
    assert load_config(path, AcceleratorConfig) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pe_typ: int8", "unknown key 'pe_typ'; the keys are .*did you mean 'pe_type'"),
        ("ifmap_spad: 8", "missing key 'pe_type'"),
        ("pe_type: int8\nifmap_spad: 0", "ifmap_spad must be an integer from 2 to 1024, not 0"),
        ("pe_type: int8\nifmap_spad: many", "ifmap_spad: .*not 'many'"),
        ("pe_type: int8\nifmap_spad: [1", "not YAML"),
        ("- int8", "must be a mapping"),
        ("!!python/object/apply:os.system ['id']", "not YAML"),
        ("", "must be a mapping"),
    ],
)
def test_errors_name_file_key_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path, PEConfig)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nothing\.yaml"):
        load_config(tmp_path / "nothing.yaml", PEConfig)
