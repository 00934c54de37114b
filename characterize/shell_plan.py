"""Which shells are measured.

A shell grows with the columns of the array and the psums that wait at them, with the width of a row
and the banks of the global buffer; what its PE type decides are widths of words and psums and what
makes activations of psums.  A fit needs each of them apart from the others, not all combinations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig, PEConfig

__all__ = ["plan_shells"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """One shell of the plan."""

    pe: str
    rows: int
    cols: int
    port: int
    """Bytes of a row of the global buffer."""
    queue: int = 2
    kib: int = 24
    off_chip: int = 8
    latency: int = 1
    psum_bits: int | None = None
    form: str = "parts"

    def config(self) -> HardwareConfig:
        """Return the configuration, with nothing left open."""
        design = AcceleratorConfig(
            pe=PEConfig(pe_type=self.pe, psum_bits=self.psum_bits),
            rows=self.rows,
            cols=self.cols,
            glb_kib=self.kib,
            glb_bytes_per_cycle=self.port,
        )
        config = HardwareConfig(
            design=design,
            off_chip_bytes=self.off_chip,
            memory_latency=self.latency,
            psum_queue=self.queue,
        )
        lanes = {name: getattr(config.array, name) for name in ("filter_lanes", "ifmap_lanes")}
        return dataclasses.replace(config, **lanes)


_QUICK = (
    _Size(pe="int8", rows=2, cols=2, port=8),
    _Size(pe="int16", rows=2, cols=2, port=8, queue=12),
    _Size(pe="bf16", rows=2, cols=2, port=8, queue=4),
    _Size(pe="posit8", rows=2, cols=2, port=8),
    _Size(pe="int8", rows=2, cols=2, port=8, kib=128),
    _Size(pe="lightpe1", rows=2, cols=4, port=16, off_chip=16),
    _Size(pe="int8", rows=4, cols=4, port=16, queue=4, kib=56, off_chip=16),
    # The clock is that of whole shells: nothing sizes a gate for what another module loads it with.
    _Size(pe="int8", rows=2, cols=2, port=8, form="flat"),
    _Size(pe="int16", rows=2, cols=2, port=8, queue=12, form="flat"),
    _Size(pe="int8", rows=4, cols=4, port=16, queue=4, kib=56, off_chip=16, form="flat"),
)
_MORE = (
    _Size(pe="int8", rows=4, cols=4, port=16, queue=4, kib=56),
    _Size(pe="int16", rows=3, cols=6, port=16),
    _Size(pe="lightpe1", rows=2, cols=4, port=32, off_chip=16),
    _Size(pe="bf16", rows=2, cols=3, port=16),
    _Size(pe="int8", rows=4, cols=4, port=16, queue=4, kib=56, form="flat"),
    _Size(pe="int16", rows=3, cols=6, port=16, form="flat"),
    _Size(pe="bf16", rows=2, cols=3, port=16, form="flat"),
    _Size(pe="lightpe1", rows=8, cols=3, port=16, queue=8, latency=2),
    _Size(pe="lightpe1", rows=8, cols=3, port=16, queue=8, latency=2, form="flat"),
    _Size(pe="int8", rows=1, cols=10, port=16, off_chip=4),
    _Size(pe="int8", rows=6, cols=8, port=32, queue=16, kib=108),
    _Size(pe="int8", rows=6, cols=8, port=32, queue=16, kib=108, form="flat"),
    _Size(pe="int16", rows=4, cols=4, port=32, queue=6, kib=56, off_chip=16, latency=3),
    _Size(pe="bf16", rows=3, cols=4, port=32, queue=4),
    _Size(pe="lightpe1", rows=2, cols=2, port=64),
)


def plan_shells(*, quick: bool = False) -> Iterator[tuple[HardwareConfig, str]]:
    """Yield the shells to measure, each with its form (`ShellTask.form`)."""
    for size in _QUICK if quick else _QUICK + _MORE:
        yield size.config(), size.form
