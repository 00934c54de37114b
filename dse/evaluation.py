"""Area, latency and energy of a whole accelerator on a network, for many design points at once.

area    = PEs + overhead of the array + shell + global buffer
latency = sum over layers of cycles (`dse.performance`), at the best clock of PE, array and shell
energy  = sum over actions of their number times their energy, plus leakage times latency

Every cycle of every PE is either a slot with products of words (idle lanes cost like busy ones) or
with a word of scale, which costs as much, or an idle cycle; loads, psums, words on the networks and
memory accesses come on top.  `dse.array_costs` is what the array costs beside its PEs,
`dse.shell_costs` what stands around it; the clock is that of the slowest of the three.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hw.pe.registry import PE_TYPES
from models.array_overhead import ArrayOverhead
from models.dram import DramKind
from models.pe_ppa import PEPPA
from models.ppa import PPAModel
from models.shell_overhead import ShellModel
from models.sram import SramModel

from .array_costs import array_costs
from .designs import MAPPING_KEYS, DesignArrays
from .errors import WorkloadError
from .global_buffer import GlobalBuffer
from .layer_runs import layer_runs
from .mapper import MappingArrays
from .mapping_cache import map_layer_cached
from .performance import LayerPerformance, layer_performance
from .shell_costs import shell_costs, shell_path_ns
from .space import Space
from .variants import Variant
from .workloads import Network

__all__ = ["ON_CHIP", "Energy", "Evaluation", "LayerCost", "evaluate"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Energy by where it is spent [pJ], arrays of shape (points,)."""

    arithmetic_pj: Array
    """Datapaths: slots, and psums taken in."""
    scratchpads_pj: Array
    """Scratchpads: reads and writes of slots, and loads."""
    control_pj: Array
    """Control parts in slots, and whole PEs in clocked cycles without one."""
    networks_pj: Array
    """Words on the array's networks, psums in its links, and their clock."""
    shell_pj: Array
    """What the shell moves, and its clock."""
    glb_pj: Array
    leakage_pj: Array
    """PEs, array, shell and global buffer over the latency."""
    dram_pj: Array

    @property
    def on_chip_pj(self) -> Array:
        """All but DRAM."""
        return sum((getattr(self, name) for name in ON_CHIP), np.zeros(1))

    @property
    def total_pj(self) -> Array:
        """On-chip energy and DRAM."""
        return self.on_chip_pj + self.dram_pj

    def __add__(self, other: Energy) -> Energy:
        return Energy(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Energy)}
        )

    def times(self, factor: float) -> Energy:
        """Return the energy of `factor` repetitions."""
        return Energy(**{f.name: factor * getattr(self, f.name) for f in fields(Energy)})


ON_CHIP = (
    "arithmetic_pj", "scratchpads_pj", "control_pj", "networks_pj", "shell_pj", "glb_pj",
    "leakage_pj",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCost:
    """One run of a distinct layer: how it is mapped, what it takes; not its multiple."""

    name: str
    count: int
    """How often the network has this layer."""
    mapping: MappingArrays
    performance: LayerPerformance
    cycles: Array
    energy: Energy


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One variant on one network; arrays of shape (points,), NaN where a point is infeasible."""

    variant: Variant
    feasible: NDArray[np.bool_]
    reason: NDArray[np.int64]
    """Index into `dse.rules.REASONS` of the first layer that cannot be mapped, 0 if all can."""
    in_range: NDArray[np.bool_]
    """Whether the PE lies within the sizes its model was fitted on."""
    kept_mappings: int
    """Runs of layers whose mappings an earlier exploration had left on disk."""
    period_ns: Array
    cycles: Array
    area_mm2: Array
    energy: Energy

    @property
    def latency_ms(self) -> Array:
        """Latency of one run of the network."""
        return self.cycles * self.period_ns * 1e-6

    @property
    def perf_per_area(self) -> Array:
        """Runs of the network per second and mm2."""
        return 1e3 / (self.latency_ms * self.area_mm2)

    @property
    def on_chip_mj(self) -> Array:
        """On-chip energy of one run [mJ]."""
        return self.energy.on_chip_pj * 1e-9

    @property
    def total_mj(self) -> Array:
        """Energy of one run with DRAM [mJ]."""
        return self.energy.total_pj * 1e-9


def evaluate(
    variant: Variant,
    space: Space,
    network: Network,
    *,
    model: PPAModel,
    sram: SramModel,
    dram: DramKind,
    overhead: ArrayOverhead | None = None,
    shells: ShellModel | None = None,
    keep_layers: bool = False,
    cache: Path | None = None,
) -> tuple[Evaluation, list[LayerCost]]:
    """Evaluate every point of a space for one variant.

    Parameters
    ----------
    variant, space, network
        What is evaluated on which points and layers.
    model, sram, dram, overhead, shells
        What stands in for the hardware; arrays cost nothing beside their PEs without overhead,
        and nothing stands around them without shells.
    keep_layers
        Return the costs of layers too.
    cache
        Folder in which mappings are kept and looked for, if any.

    Returns
    -------
    The evaluation, and with `keep_layers` the cost of each run of each distinct layer.

    Raises
    ------
    WorkloadError
        Where no filter of the network has a term.
    """
    pe = variant.pe_figures(space, model, sram)
    columns = space.columns
    glb = GlobalBuffer.of(
        sram,
        columns["glb_kib"].astype(np.int64),
        columns["glb_bytes_per_cycle"].astype(np.int64),
    )
    kind, point = PE_TYPES[variant.pe_type], variant.pe_config()
    one_term = _designs(variant, space, pe.period_ns, glb)
    arrays = array_costs(
        overhead,
        point,
        rows=columns["rows"],
        cols=columns["cols"],
        filter_lanes=one_term.filter_lanes,
        ifmap_lanes=one_term.ifmap_lanes,
    )
    period_ns = np.maximum(arrays.period_ns(pe.period_ns), shell_path_ns(shells, point, one_term))
    one_term = _designs(variant, space, period_ns, glb)
    shell = shell_costs(shells, point, one_term)
    by_terms = {
        terms: dataclasses.replace(one_term, terms=terms) for terms in range(1, kind.terms + 1)
    }
    runs = [
        (run, count)
        for layer, count in network.unique_layers()
        for run in layer_runs(layer, kind, network.term_mixes.get(layer.name))
    ]
    if not runs:
        raise WorkloadError(f"network {network.name!r} must have a filter with a term, not none")
    pes = columns["rows"] * columns["cols"]
    leakage_uw = pes * pe.leakage_uw + arrays.leakage_uw + shell.leakage_uw + glb.leakage_uw
    area_um2 = pes * pe.area_um2 + arrays.area_um2 + shell.area_um2 + glb.area_um2
    size = len(space)
    cycles, energy = np.zeros(size), Energy(**{f.name: np.zeros(size) for f in fields(Energy)})
    reason = np.zeros(size, dtype=np.int64)
    kept = 0
    layers = []
    for run, count in runs:
        designs = by_terms[run.terms]
        mapping, was_kept = map_layer_cached(run.layer, designs, cache)
        kept += was_kept
        done = layer_performance(run.layer, designs, mapping)
        spent = _energy(
            done,
            pe,
            glb,
            dram,
            pes,
            networks_pj=arrays.energy_pj(run.layer, columns["cols"], mapping, done),
            shell_pj=shell.energy_pj(done),
            leakage_pj=leakage_uw * done.cycles * period_ns * 1e-3,  # 1 uW for 1 ns is 1 fJ
        )
        cycles = cycles + count * done.cycles
        energy = energy + spent.times(count)
        reason = np.where(reason == 0, done.reason, reason)
        if keep_layers:
            layers.append(
                LayerCost(
                    name=run.layer.name,
                    count=count,
                    mapping=mapping,
                    performance=done,
                    cycles=done.cycles,
                    energy=spent,
                )
            )
    result = Evaluation(
        variant=variant,
        feasible=np.isfinite(cycles),
        reason=reason,
        in_range=pe.in_range,
        kept_mappings=kept,
        period_ns=period_ns,
        cycles=cycles,
        area_mm2=area_um2 * 1e-6,
        energy=energy,
    )
    return result, layers


def _designs(variant: Variant, space: Space, period_ns: Array, glb: GlobalBuffer) -> DesignArrays:
    columns = space.columns
    keys: dict[str, Any] = {name: columns[name].astype(np.int64) for name in MAPPING_KEYS}
    return DesignArrays(
        **keys,
        glb_bytes_per_cycle=columns["glb_bytes_per_cycle"],
        # A macro whose cycle is longer than the clock's takes a row every few cycles.
        memory_latency=glb.access_cycles(period_ns),
        glb_interval=glb.interval_cycles(period_ns),
        dram_bytes_per_cycle=columns["dram_gb_per_s"] * period_ns,
        **DesignArrays.scalars_of(variant.pe_config()),
    )


def _energy(
    done: LayerPerformance,
    pe: PEPPA,
    glb: GlobalBuffer,
    dram: DramKind,
    pes: Array,
    *,
    networks_pj: Any,
    shell_pj: Any,
    leakage_pj: Array,
) -> Energy:
    slots, cycles = done.slots, done.cycles
    dram_bytes = done.dram_read_bytes + done.dram_write_bytes
    return Energy(
        arithmetic_pj=slots * pe.product_arithmetic_pj
        + pe.beside_products_pj(slots, done.ifmap_reads, done.psum_passes),
        scratchpads_pj=slots * pe.product_spads_pj
        + done.ifmap_reads * pe.ifmap_read_pj
        + done.filter_loads * pe.filter_load_pj
        + done.ifmap_loads * pe.ifmap_load_pj,
        control_pj=slots * pe.product_control_pj + (pes * cycles - slots) * pe.idle_pj,
        networks_pj=networks_pj + 0 * cycles,
        shell_pj=shell_pj + 0 * cycles,
        glb_pj=done.glb_read_bytes * glb.read_pj_per_byte
        + done.glb_write_bytes * glb.write_pj_per_byte,
        leakage_pj=leakage_pj,
        dram_pj=dram_bytes * dram.energy_pj_per_byte,
    )
