from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hw.config import PEConfig
from hw.pe.datapath import Datapath
from hw.pe.part import to_verilog
from hw.verilog import start_processes

BENCH = """
module bench;
  reg clk = 0, rst = 0;
  reg [7:0] a = 0;
  reg [3:0] w = 0;
  wire [28:0] psum;
  datapath_lightpe1_w29_d1 dut(.clk(clk), .rst(rst), .activation(a), .weight(w),
    .stored_psum(29'd0), .psum_in(29'd0), .begin_en(1'b1), .begin_zero(1'b1),
    .product_en(1'b1), .first(1'b1), .sum_en(1'b1), .psum(psum));
  initial begin repeat (6) #5 clk = ~clk; $display("%b", psum); $finish; end
endmodule
"""


def test_logic_whose_inputs_never_change_is_evaluated(tmp_path: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    part = Datapath(PEConfig(pe_type="lightpe1", pipeline_depth=1))
    text = start_processes(to_verilog(part, part.module_name))
    source, program = tmp_path / "bench.v", tmp_path / "bench.vvp"
    source.write_text(text + BENCH)
    subprocess.run(["iverilog", "-g2012", "-o", program, source], check=True, timeout=60)
    run = subprocess.run(["vvp", "-n", program], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip().splitlines()[-1] == "0" * 29


def test_every_starting_value_becomes_an_event() -> None:
    part = Datapath(PEConfig(pe_type="int8"))
    text = to_verilog(part, part.module_name)
    started = start_processes(text)
    assert "dump_module" in text
    assert started.count("  initial \\$auto$verilog_backend") == text.count("dump_module$1  = 0;")
    assert "dump_module$1  = 0;" not in started
