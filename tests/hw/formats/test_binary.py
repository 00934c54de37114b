from __future__ import annotations

import pytest

from hw.errors import ConfigError
from hw.formats import Binary, Ternary


def test_binary_codes() -> None:
    assert Binary().decode([0, 1]).tolist() == [-1, 1]
    assert Binary().encode([-3, -0.1, 0, 0.1, 9]).tolist() == [0, 0, 1, 1, 1]
    assert (Binary().bits, Binary().storage_bits) == (1, 1)


def test_ternary_codes_are_twos_complement() -> None:
    assert Ternary().decode([3, 0, 1]).tolist() == [-1, 0, 1]
    assert Ternary().encode([-3, -0.5, 0.5, 0.6, 9]).tolist() == [3, 0, 0, 1, 1]
    assert Ternary().bits == 2


def test_the_reserved_code_is_refused() -> None:
    text = "^a code of ternary must be 0, 1 or 3, not 2, which is reserved$"
    with pytest.raises(ConfigError, match=text):
        Ternary().decode_exact(2)
    with pytest.raises(ConfigError, match=text):
        Ternary().decode([0, 2])


@pytest.mark.parametrize("code", [2, True, 0.0, "1"])
def test_what_is_no_code_is_refused(code: object) -> None:
    with pytest.raises(ConfigError) as refused:
        Binary().decode_exact(code)  # type: ignore[arg-type]
    assert str(refused.value) == f"a code of binary must be an integer from 0 to 1, not {code!r}"
