"""The table of `docs/pe-types.md` against the registry."""

from __future__ import annotations

from pathlib import Path

from hw.config import PEConfig
from hw.pe.registry import PE_TYPES

DOCUMENT = Path(__file__).parents[3] / "docs" / "pe-types.md"


def test_the_table_lists_the_registry() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = lines.index(next(line for line in lines if line.startswith("| PE type | weight")))
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name.strip("`")] = cells
    assert set(rows) == set(PE_TYPES)
    for name, kind in PE_TYPES.items():
        error = "binary32" if kind.accumulator else "exact"
        if kind.relative_error:
            error = f"{kind.relative_error * 100:.3f} %"
        psum_bits = PEConfig(pe_type=name).psum_width
        numbers = (kind.product_bits, psum_bits, kind.fraction_bits, kind.lanes)
        wanted = [str(kind.weight), str(kind.activation), *map(str, numbers), error]
        assert rows[name] == wanted
