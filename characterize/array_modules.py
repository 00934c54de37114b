"""A row-stationary array cut into modules that are synthesized once each, and joined in one top.

The generator emits three levels: the array, its nodes, the PE and the link in each.  Synthesis
by parts knows two.  `unfold` takes one level away: what a module consists of becomes a sibling
of what is left of it (its glue), and the wires between them appear in the module above.  Nothing is
added and nothing merged, so every cell of the netlist still says by its name whose it is:

    filter_entry._7_      node_1_0.glue._7_      node_1_0.link._7_      node_1_0.pe.datapath._7_

A cell without a dot belongs to the array's own logic: rows, columns, control.  The Verilog read
here is what Amaranth writes, one port and one connection a line; anything else is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hw.array.row_stationary import RowStationaryArray, array_modules

from .errors import CharacterizeError

__all__ = ["flat_modules", "leaf_modules", "unfold"]

_MODULE = re.compile(
    r"^module (?P<name>\\?\S+?) ?\((?P<ports>[^;]*)\);\n(?P<body>.*?)^endmodule\n", re.M | re.S
)
_PORT = re.compile(r"^  (input|output) (\[\d+:0\] )?([A-Za-z_]\w*) ?;$", re.M)
_CONNECTION = re.compile(r"^    \.(\w+)\((.*)\),?$", re.M)
_SHARED = ("clk", "rst")


def _split(text: str) -> dict[str, str]:
    """Return the modules of a Verilog text by name, without the backslash of odd names."""
    found = {match["name"].lstrip("\\"): match[0] for match in _MODULE.finditer(text)}
    if len(found) != len(re.findall(r"^module ", text, re.M)) or not found:
        raise CharacterizeError("the array's Verilog must be modules as Amaranth writes them")
    return found


def _instances(text: str, module: str) -> list[tuple[str, str, str]]:
    """Return text, instance name and connections of each instance of a module."""
    name = re.escape(module)
    pattern = rf"^  (?:{name}|\\{name} ) \\?(\S+) +\(\n(.*?)^  \);\n"
    return [(match[0], match[1], match[2]) for match in re.finditer(pattern, text, re.M | re.S)]


def _ports(text: str, module: str) -> list[tuple[str, str, str]]:
    """Return direction, range and name of each port of a module but those that all share."""
    for match in _MODULE.finditer(text):
        if match["name"] == module:
            return [found for found in _PORT.findall(match["body"]) if found[2] not in _SHARED]
    raise CharacterizeError(f"there must be a module {module} in its own Verilog")


def _cut(text: str, glue: str, inner: Mapping[str, str]) -> tuple[str, list[tuple[str, str]]]:
    """Turn the instances in a module into ports; return its new text, and their names."""
    match = _MODULE.search(text)
    if match is None:
        raise CharacterizeError(f"{glue} must be made of a module of Amaranth's Verilog")
    body, names, instances = match["body"], [], []
    declared = ""
    for module, inside in inner.items():
        for block, instance, connections in _instances(body, module):
            body = body.replace(block, "")
            instances.append((module, instance))
            given = dict(_CONNECTION.findall(connections))
            for direction, bits, port in _ports(inside, module):
                outer = f"at_{instance}__{port}"
                flipped = "output" if direction == "input" else "input"
                declared += f"  {flipped} {bits}{outer};\n  wire {bits}{outer};\n"
                names.append(outer)
                pair = (outer, given[port]) if direction == "input" else (given[port], outer)
                declared += f"  assign {pair[0]} = {pair[1]};\n" if all(pair) else ""
    header = f"module {glue}({', '.join([match['ports'].strip(), *names])});\n"
    return f"{header}{body}{declared}endmodule\n", instances


def unfold(
    outer: str, module: str, modules: Mapping[str, str], inner: tuple[str, ...]
) -> tuple[str, str]:
    """Take one level of hierarchy away.

    Parameters
    ----------
    outer
        Text that instantiates `module`.
    module
        Name of the module whose instances are unfolded.
    modules
        Text of it and of what it consists of, by name.
    inner
        Names of the modules it consists of.

    Returns
    -------
    outer, glue
        The text with the siblings in it, and the module `<module>_glue` that joins them.
    """
    glue = f"{module}_glue"
    text, parts = _cut(modules[module], glue, {name: modules[name] for name in inner})
    for block, instance, connections in _instances(outer, module):
        prefix = re.sub(r"\W", "_", instance)
        wires, siblings, joints = "", "", ""
        for name, part in parts:
            links = ""
            for _, bits, port in _ports(modules[name], name):
                wire = f"{prefix}_at_{part}__{port}"
                wires += f"  wire {bits}{wire};\n"
                joints += f"    .at_{part}__{port}({wire}),\n"
                links += f"    .{port}({wire}),\n"
            siblings += f"  {name} \\{instance}.{part} (\n{links}" + _END
        siblings += f"  {glue} \\{instance}.glue (\n{joints}{connections}  );\n"
        outer = outer.replace(block, wires + siblings)
    return outer, text


_END = "    .clk(clk),\n    .rst(rst)\n  );\n"


def leaf_modules(array: RowStationaryArray) -> tuple[str, dict[str, str]]:
    """Return the name of the top and the Verilog of it and of all leaves, top last."""
    top, modules = array_modules(array)
    node, pe = array.node, array.node.pe
    parts = tuple(dict.fromkeys(part.module_name for part in pe.parts.values()))
    inside = _split(modules.pop(top))
    text = inside.pop(top)
    for name, entry in inside.items():
        plain = name.removeprefix(f"{top}.")
        text = text.replace(f"\\{name} ", plain)
        modules[plain] = entry.replace(f"\\{name} ", plain)
    text, glue = unfold(text, node.module_name, modules, (pe.module_name, node.link.module_name))
    modules[f"{node.module_name}_glue"] = glue
    text, glue = unfold(text, pe.module_name, modules, parts)
    modules[f"{pe.module_name}_glue"] = glue
    del modules[node.module_name], modules[pe.module_name]
    return top, modules | {top: text}


def flat_modules(array: RowStationaryArray) -> tuple[str, dict[str, str]]:
    """Return one leaf that contains the whole array, and a top that only passes its ports on."""
    top, modules = array_modules(array)
    text = "".join(modules.values()).replace(f"module {top}(", "module whole(")
    header = _MODULE.search(text, text.index("module whole("))
    assert header is not None
    ports = list(_PORT.findall(header["body"]))
    names = ", ".join(name for _, _, name in ports)
    lines = "".join(f"  {direction} {bits}{name};\n" for direction, bits, name in ports)
    links = ", ".join(f".{name}({name})" for _, _, name in ports)
    wrapper = f"module {top}({names});\n{lines}  whole whole({links});\nendmodule\n"
    return top, {"whole": text, top: wrapper}
