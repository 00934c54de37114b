"""`python -m benchmarks.flattening [library [type ...]]`: what synthesizing by parts costs.

Prints area, critical path and synthesis time of the PE at 12/224/24 words for each PE type, once as
parts that are joined afterwards (what every datapoint is) and once as one module.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from flows.liberty import read_liberty
from flows.libraries import find_library
from flows.netlist import area_um2, read_netlist
from flows.sta import critical_path
from flows.synthesis import synthesize
from hw.config import PEConfig
from hw.pe.pe import PE, pe_modules
from hw.pe.registry import PE_TYPES


def flat_modules(top: str, modules: dict[str, str]) -> dict[str, str]:
    """Return one leaf that contains the whole PE, and a top that only passes its ports on."""
    text = re.sub(rf"\bmodule {top}\b", "module whole", "\n".join(modules.values()))
    header = re.search(r"module whole\((.*?)\);", text, re.DOTALL)
    assert header is not None
    names = [name.strip() for name in header[1].split(",")]
    body = text[header.end() :]
    ports = []
    for name in names:
        found = re.search(rf"^  (input|output) (\[\d+:0\] )?{re.escape(name)};", body, re.MULTILINE)
        assert found is not None, name
        ports.append(f"  {found[1]} {found[2] or ''}{name};")
    links = ", ".join(f".{name}({name})" for name in names)
    wrapper = f"module {top}({', '.join(names)});\n" + "\n".join(ports)
    return {"whole": text, top: f"{wrapper}\n  whole whole({links});\nendmodule\n"}


def main() -> None:
    library = find_library(sys.argv[1] if len(sys.argv) > 1 else "osu018")
    rows = []
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".flattening-") as folder:
        cache = Path(folder) / "cache"
        for pe_type in sys.argv[2:] or PE_TYPES:
            top, modules = pe_modules(PE(PEConfig(pe_type=pe_type)))
            row: list[object] = [pe_type]
            for number, texts in enumerate((modules, flat_modules(top, modules))):
                work = Path(folder) / f"{pe_type}{number}"
                made = synthesize(texts, top, library, work_dir=work, cache_dir=cache)
                liberty = read_liberty(library.local_copy(cache))
                area = sum(area_um2(read_netlist(made.netlist_json, top, liberty)).values())
                path = critical_path(
                    made.netlist_verilog, top, library, work_dir=work, cache_dir=cache
                )
                row += [area, path.critical_path_ns, made.synthesis_seconds]
            rows.append(row)
    kinds = [f"{what} {unit}" for what in ("parts", "flat") for unit in ("µm²", "ns", "s")]
    print(tabulate(rows, ["PE type", *kinds], floatfmt=("", *(".0f", ".2f", ".1f") * 2)))


if __name__ == "__main__":
    main()
