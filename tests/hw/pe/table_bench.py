"""Puts a table of inputs through a pipelined component in Icarus Verilog, one row per cycle."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.pe.part import to_verilog
from hw.verilog import start_processes

__all__ = ["run_table"]

_BENCH = """
module bench;
  reg clk = 0;
  reg [{width}-1:0] rows [0:{rows}-1];
  wire [{bits}-1:0] result;
  reg [{width}-1:0] row;
  integer i, file;
  table_design dut (.row(row), .result(result), .clk(clk), .rst(1'b0));
  initial begin
    $readmemh("rows.hex", rows);
    file = $fopen("results.hex", "w");
    for (i = 0; i < {rows} + {latency}; i = i + 1) begin
      row = rows[i < {rows} ? i : 0];
      #1 if (i >= {latency}) $fwrite(file, "%h\\n", result);
      clk = 1;
      #1 clk = 0;
    end
    $finish;
  end
endmodule
"""


class _Design(wiring.Component):
    def __init__(
        self, logic: Callable[..., Value], widths: Sequence[int], bits: int, latency: int
    ) -> None:
        self._logic, self._widths, self._latency = logic, widths, latency
        super().__init__({"row": In(sum(widths)), "result": Out(bits)})

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002
        m = Module()
        inputs, start = [], 0
        for i, width in enumerate(self._widths):
            port = Signal(width, name=f"in{i}")
            m.d.comb += port.eq(self.row[start : start + width])
            start += width
            inputs.append(port)
        m.d.comb += self.result.eq(self._logic(m, *inputs))
        if self._latency == 0:
            m.d.sync += Signal(name="unused").eq(0)  # the bench connects a clock
        return m


def run_table(
    logic: Callable[..., Value],
    widths: Sequence[int],
    bits: int,
    latency: int,
    table: Sequence[tuple[int, ...]],
    folder: Path,
) -> list[int]:
    """Return the result of `logic(m, *inputs)` for each row, `latency` cycles behind it.

    The test is skipped where there is no Icarus Verilog.
    """
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    design = _Design(logic, widths, bits, latency)
    (folder / "design.v").write_text(start_processes(to_verilog(design, "table_design")))
    words = []
    for row in table:
        word = start = 0
        for code, width in zip(row, widths, strict=True):
            word |= code << start
            start += width
        words.append(f"{word:x}\n")
    (folder / "rows.hex").write_text("".join(words))
    bench = _BENCH.format(width=sum(widths), bits=bits, rows=len(table), latency=latency)
    (folder / "bench.v").write_text(bench)
    command = ["iverilog", "-g2012", "-o", "bench.vvp", "bench.v", "design.v"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    subprocess.run(["vvp", "-n", "bench.vvp"], cwd=folder, check=True, timeout=600)
    results = (folder / "results.hex").read_text().split()
    assert len(results) == len(table)
    return [int(code, 16) for code in results]
