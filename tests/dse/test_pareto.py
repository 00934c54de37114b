from __future__ import annotations

import numpy as np

from dse.pareto import pareto_front


def test_the_front_is_what_nobody_beats() -> None:
    dice = np.random.default_rng(1)
    performance, energy = dice.integers(0, 30, (2, 400)).astype(float)
    front = set(pareto_front(performance, energy).tolist())
    beaten = {
        i
        for i in range(400)
        if np.any(
            (performance >= performance[i])
            & (energy <= energy[i])
            & ((performance > performance[i]) | (energy < energy[i]))
        )
    }
    assert front.isdisjoint(beaten)
    values = {(performance[i], energy[i]) for i in set(range(400)) - beaten}
    assert {(performance[i], energy[i]) for i in front} == values


def test_order_and_missing_values() -> None:
    performance = np.array([1.0, 3.0, np.nan, 2.0, 9.0])
    energy = np.array([1.0, 3.0, 0.0, 2.0, np.nan])
    assert pareto_front(performance, energy).tolist() == [1, 3, 0]
    assert pareto_front(np.array([np.nan]), np.array([1.0])).size == 0
