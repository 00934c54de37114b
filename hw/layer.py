"""The shape of one layer of a network: a convolution, grouped or not, or a fully connected layer.

A fully connected layer is a convolution whose filter covers the whole (unpadded) input.
Symbols follow the row-stationary literature: N batch, C channels, H x W input, M filters of
R x S, stride U, output E x F.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ConfigError

__all__ = ["Layer"]

_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer shape; `h` and `w` are the input without padding."""

    name: str
    n: int = 1
    """Batch."""
    c: int
    """Input channels, over all groups."""
    h: int
    """Input height [pixels], unpadded."""
    w: int
    """Input width [pixels], unpadded."""
    m: int
    """Filters (output channels), over all groups."""
    r: int
    """Filter height."""
    s: int
    """Filter width."""
    stride: int = 1
    padding: int = 0
    """Zero pixels added on each side."""
    groups: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isprintable() or not self.name:
            raise ConfigError(f"name must be a non-empty printable text, not {self.name!r}")
        for field in ("n", "c", "h", "w", "m", "r", "s", "stride", "groups", "padding"):
            value = getattr(self, field)
            low = 0 if field == "padding" else 1
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= _LIMIT:
                raise ConfigError(
                    f"layer {self.name!r}: {field} must be an integer from {low} to {_LIMIT}, "
                    f"not {value!r}"
                )
        if self.c % self.groups or self.m % self.groups:
            raise ConfigError(
                f"layer {self.name!r}: groups must divide c and m, not {self.groups} "
                f"with c={self.c} and m={self.m}"
            )
        if self.r > self.h + 2 * self.padding or self.s > self.w + 2 * self.padding:
            raise ConfigError(
                f"layer {self.name!r}: the {self.r} x {self.s} filter must fit the padded input "
                f"of {self.h + 2 * self.padding} x {self.w + 2 * self.padding}"
            )

    @property
    def padded_h(self) -> int:
        """Input height with padding [pixels]."""
        return self.h + 2 * self.padding

    @property
    def padded_w(self) -> int:
        """Input width with padding [pixels]."""
        return self.w + 2 * self.padding

    @property
    def e(self) -> int:
        """Output height [pixels]."""
        return (self.padded_h - self.r) // self.stride + 1

    @property
    def f(self) -> int:
        """Output width [pixels]."""
        return (self.padded_w - self.s) // self.stride + 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the layer over the batch, products with padding included."""
        return self.n * self.m * self.e * self.f * self.r * self.s * self.c // self.groups

    @property
    def weights(self) -> int:
        """Weights of the layer, without bias."""
        return self.m * self.r * self.s * self.c // self.groups
