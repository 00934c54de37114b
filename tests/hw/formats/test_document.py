"""The table of formats in `docs/formats.md` says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw.formats import Microscaling, canonical_codes, parse

_DOCUMENT = Path(__file__).parents[3] / "docs" / "formats.md"
_ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in _DOCUMENT.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| `[a-z0-9_]+` \| \d+ \|", line)
]


def test_the_table_is_there() -> None:
    assert len(_ROWS) >= 20


@pytest.mark.parametrize("row", _ROWS, ids=[row[0] for row in _ROWS])
def test_a_row_is_true(row: list[str]) -> None:
    name, bits, _, count, smallest, largest, zero, _ = row
    fmt = parse(name.strip("`"))
    assert not isinstance(fmt, Microscaling)
    values = fmt.decode(canonical_codes(fmt))
    positive = values[values > 0]
    assert (int(bits), int(count)) == (fmt.bits, len(values))
    assert (smallest, largest) == (f"{positive.min():.4g}", f"{positive.max():.4g}")
    assert zero == ("yes" if (values == 0).any() else "no")
