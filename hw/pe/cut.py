"""Registers inside products and sums: a place where a pipeline may be cut.

The logic of a PE type is written once; at a cut it hands over the values that are alive there, and
gets them back registered in a pipeline deep enough to have a register in that place, else as they
are.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

__all__ = ["Cut"]


class Cut:
    """One place in combinational logic that a pipeline stage may end in."""

    def __init__(self, m: Module, enable: Value | None = None) -> None:
        self._m, self._enable = m, enable

    @property
    def present(self) -> bool:
        """Whether there is a register."""
        return self._enable is not None

    def __call__(self, value: Value, name: str = "cut") -> Value:
        """Return a value as it is behind the cut; all that is used behind it must go through."""
        if self._enable is None:
            return value
        register = Signal(Value.cast(value).shape(), name=name, reset_less=True)
        with self._m.If(self._enable):
            self._m.d.sync += register.eq(value)
        return register

    def name(self, value: Value, name: str) -> Value:
        """Bind a value that is used several times to a signal: its logic is then written once."""
        signal = Signal(Value.cast(value).shape(), name=name)
        self._m.d.comb += signal.eq(value)
        return signal
