"""The shell of an accelerator cut into modules that are synthesized once each, and joined in a top.

Every component that `hw.shell.shell` consists of becomes a module with the ports of its signature,
as the parts of a PE do; the top is what joins them.  So each cell of the netlist says by its name
whose it is (`psums._12_`), and ports of components are nets with names (`queue.sink__valid`) at
which signal statistics can be stated.  A shell as one module is some per cent smaller.
"""

from __future__ import annotations

import re

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow

from hw.accelerator_config import HardwareConfig
from hw.pe.part import to_verilog
from hw.shell.shell import Shell

__all__ = ["flat_shell", "shell_modules"]


_REGISTER = re.compile(r"^  reg ", re.M)
_PLAIN = '  (* fsm_encoding = "none" *)\n  reg '
"""Registers of which one bit is set would be taken for state machines and lose their names."""


class _CutShell(Shell):
    """The shell whose components are instantiated by name instead of elaborated into it."""

    components: dict[str, wiring.Component]

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        # Amaranth has no public way to ask a module what it consists of.
        placed = m._named_submodules
        self.components = {name: component for name, (component, _) in placed.items()}
        for name, (component, location) in placed.items():
            placed[name] = (_instance(component, _module(name)), location)
        return m


def _module(name: str) -> str:
    return f"shell_{name}"


def _instance(component: wiring.Component, module: str) -> Instance:
    """Return an instance of a module, connected to a component's own ports."""
    ports = {
        f"{'i' if member.flow is Flow.In else 'o'}_{'__'.join(map(str, path))}": value
        for path, member, value in component.signature.flatten(component)
    }
    return Instance(module, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)


def shell_modules(config: HardwareConfig) -> tuple[str, dict[str, str]]:
    """Return the name of the top and the Verilog of it and of all components, top last."""
    shell = _CutShell(config)
    top = to_verilog(shell, shell.module_name)
    modules = {
        _module(name): _REGISTER.sub(_PLAIN, to_verilog(component, _module(name)))
        for name, component in shell.components.items()
    }
    return shell.module_name, modules | {shell.module_name: top}


def flat_shell(config: HardwareConfig) -> tuple[str, dict[str, str]]:
    """Return the shell as one module."""
    shell = Shell(config)
    return shell.module_name, {shell.module_name: to_verilog(shell, shell.module_name)}
