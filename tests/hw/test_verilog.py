from __future__ import annotations

import pytest

from hw.config import PEConfig
from hw.pe.datapath import Datapath
from hw.pe.part import Part, to_verilog
from hw.pe.spad import WordSpad
from hw.verilog import start_processes


@pytest.mark.parametrize(
    "part",
    [Datapath(PEConfig(pe_type="int8")), WordSpad("flipflop", 3, 4)],
    ids=["datapath", "spad"],
)
def test_every_starting_value_becomes_an_event(part: Part) -> None:
    """What it is good for is simulated in `test_pe_simulation.test_the_first_words_are_zero`."""
    text = to_verilog(part, part.module_name)
    started = start_processes(text)
    assert "dump_module" in text
    assert started.count("  initial \\$auto$verilog_backend") == text.count("dump_module$1  = 0;")
    assert "dump_module$1  = 0;" not in started
