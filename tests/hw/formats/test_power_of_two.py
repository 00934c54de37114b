from __future__ import annotations

import numpy as np

from hw.formats import PowerOfTwo


def test_magnitudes_of_pot4() -> None:
    fmt = PowerOfTwo()
    magnitudes = [0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]
    values = fmt.decode(np.arange(16))
    assert values[:8].tolist() == magnitudes
    assert (-values[8:]).tolist() == magnitudes
    assert fmt.fraction == 6
    assert all(float(v * 2**fmt.fraction).is_integer() for v in values)


def test_a_cleared_word_is_zero_and_minus_zero_is_not_canonical() -> None:
    fmt = PowerOfTwo()
    assert fmt.decode_exact(8) == fmt.decode_exact(0) == 0
    assert not np.signbit(fmt.decode([8])[0])
    assert fmt.encode([0.0, -0.0, -1e-9]).tolist() == [0, 0, 0]
    assert fmt.fields(13) == (1, 5)
