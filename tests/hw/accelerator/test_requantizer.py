"""Both requantizers against their golden functions, those against plain arithmetic."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from amaranth.sim import Simulator

from hw.formats import BINARY32
from hw.shell.float_requantizer import FloatRequantizer, requantize_float
from hw.shell.requantizer import Requantizer, requantize
from tests.hw.accelerator.accelerator_jobs import hardware


def run(part, psums: list[int], lanes: int, in_bits: int, out_bits: int) -> list[int]:
    """Send psums through a requantizer, the same one in all lanes, with stalls."""
    codes, dice = [], random.Random(1)

    async def bench(ctx) -> None:
        sent, waiting = 0, False
        while len(codes) < len(psums):
            if sent < len(psums) and not waiting:
                row = sum(psums[sent] << lane * in_bits for lane in range(lanes))
                ctx.set(part.psums.payload, row)
                waiting = dice.random() < 0.8
                ctx.set(part.psums.valid, waiting)
            elif not waiting:
                ctx.set(part.psums.valid, 0)
            ctx.set(part.codes.ready, dice.random() < 0.8)
            _, _, taken, left, row = await ctx.tick().sample(
                part.psums.valid & part.psums.ready,
                part.codes.valid & part.codes.ready,
                part.codes.payload,
            )
            if taken:
                sent, waiting = sent + 1, False
                ctx.set(part.psums.valid, 0)
            if left:
                words = {row >> lane * out_bits & (1 << out_bits) - 1 for lane in range(lanes)}
                assert len(words) == 1
                codes.append(words.pop())

    simulator = Simulator(part)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return codes


RULES = [(1, 0, False), (37, 9, True), (65535, 45, False), (3, 1, False), (27306, 16, False)]


@pytest.mark.parametrize("pe_type", ["int4", "int8", "int16"])
@pytest.mark.parametrize("rule", RULES)
def test_integers(pe_type: str, rule: tuple[int, int, bool]) -> None:
    config, dice = hardware(pe_type), random.Random(2)
    fmt = config.kind.activation
    scale, shift, relu = rule
    width = config.design.pe.psum_width
    values = [0, 1, -1, (1 << width - 1) - 1, -(1 << width - 1)]
    values += [dice.randint(-(1 << n), 1 << n) for n in range(width - 1) for _ in range(6)]

    class Set(Requantizer):
        def elaborate(self, platform: object):
            m = super().elaborate(platform)
            m.d.comb += [self.scale.eq(scale), self.shift.eq(shift), self.relu.eq(relu)]
            return m

    codes = run(
        Set(config), [v & (1 << width) - 1 for v in values], config.psums_per_row, width, fmt.bits
    )
    golden = [requantize(v, fmt, scale=scale, shift=shift, relu=relu) for v in values]
    assert codes == golden
    for value, code in zip(values, golden, strict=True):
        # The nearest integer, halves upward, within the range.
        exact = Fraction(value * scale, 1 << shift)
        nearest = (2 * exact + 1).__floor__() // 2 if shift else int(exact)
        low = 0 if relu else fmt.min_int
        assert fmt.to_int(code) == max(low, min(fmt.max_int, nearest))


@pytest.mark.parametrize("pe_type", ["fp32", "bf16", "fp8_e4m3"])
@pytest.mark.parametrize("relu", [False, True])
def test_floats(pe_type: str, relu: bool) -> None:
    config, dice = hardware(pe_type), random.Random(3)
    fmt = config.kind.activation
    psums = [0, 1 << 31, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF, 1, 0x80000001]
    psums += [dice.getrandbits(32) for _ in range(300)]
    around = np.array([code for code in range(1 << min(fmt.bits, 12)) for _ in range(2)])
    numbers = fmt.decode(around << max(0, fmt.bits - 12))
    numbers = numbers[np.isfinite(numbers)]
    midway = np.concatenate([numbers, (numbers[:-2] + numbers[2:]) / 2])
    psums += dice.sample([int(code) for code in BINARY32.encode(midway)], 500)

    class Set(FloatRequantizer):
        def elaborate(self, platform: object):
            m = super().elaborate(platform)
            m.d.comb += self.relu.eq(relu)
            return m

    codes = run(Set(config), psums, config.psums_per_row, 32, fmt.bits)
    assert codes == [requantize_float(psum, fmt, relu=relu) for psum in psums]
