from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hw.config import PEConfig
from hw.pe.datapath import Datapath
from hw.pe.part import to_verilog
from hw.pe.spad import WordSpad
from hw.verilog import start_processes

BENCH = """
module bench;
  reg clk = 0, rst = 0;
  wire [3:0] data;
  spad_flipflop_2x4 dut(.clk(clk), .rst(rst), .write_en(1'b1), .write_addr(1'b0),
    .write_data(4'd0), .read_en(1'b1), .read_addr(1'b0), .read_data(data));
  initial begin repeat (6) #5 clk = ~clk; $display("%b", data); $finish; end
endmodule
"""


def simulate(text: str, folder: Path) -> str:
    source, program = folder / "bench.v", folder / "bench.vvp"
    source.write_text(text + BENCH)
    subprocess.run(["iverilog", "-g2012", "-o", program, source], check=True, timeout=60)
    run = subprocess.run(["vvp", "-n", program], capture_output=True, text=True, timeout=60)
    return run.stdout.strip().splitlines()[-1]


def test_a_zero_that_was_written_is_read(tmp_path: Path) -> None:
    """No word ever changes here, so nothing but the start evaluates the read multiplexer."""
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    part = WordSpad("flipflop", 2, 4)
    text = to_verilog(part, part.module_name)
    assert simulate(start_processes(text), tmp_path) == "0000"


def test_every_starting_value_becomes_an_event() -> None:
    part = Datapath(PEConfig(pe_type="int8"))
    text = to_verilog(part, part.module_name)
    started = start_processes(text)
    assert "dump_module" in text
    assert started.count("  initial \\$auto$verilog_backend") == text.count("dump_module$1  = 0;")
    assert "dump_module$1  = 0;" not in started
