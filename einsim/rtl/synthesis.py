"""Areas of generated hardware: every module mapped to standard cells, and sums over the hierarchy.

Modules are synthesised one by one (Yosys, ABC; no flattening, nothing placed or routed, no memories made by a
compiler): an area is the sum of its cells', in um^2. It says nothing of wires, nor of the room that
placement leaves between cells.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from einsim.errors import SpecError, ToolError, suggest
from einsim.rtl import yosys
from einsim.rtl.liberty import Liberty, read_liberty
from einsim.rtl.verilog import Module, closure
from einsim.spec.architecture import Array

_LATCHES: Final = re.compile(r"\$_(DLATCH|SR_)")
"""Yosys' own cells that hold state without a clock."""


@dataclass(frozen=True, slots=True)
class Part:
    """One module as synthesised, for one choice of its parameters; what is in its children is not counted here.

    `name` tells parameters (`einsim_pipe #(WIDTH=32, LATENCY=1)`), `module` does not; `cells` counts cells of the
    library, `children` counts instances of other parts.
    """

    name: str
    module: str
    cells: Mapping[str, int]
    children: Mapping[str, int]
    area_um2: float
    flip_flops: int


@dataclass(frozen=True, slots=True)
class Synthesis:
    """A synthesised design: its parts by name, and where its netlist is (Verilog, in cells of `liberty`)."""

    top: str
    parts: Mapping[str, Part]
    liberty: Liberty
    ports: tuple[str, ...]
    netlist: Path

    def part(self, name: str) -> Part:
        """The part of that name; raises `SpecError` where there is none."""
        if name not in self.parts:
            raise SpecError(f"{self.top} has no part {name!r}", remedy=suggest(name, self.parts))
        return self.parts[name]

    def instances(self, counts: Mapping[str, int] | None = None) -> dict[str, int]:
        """How often each part occurs in so many instances of some parts, these included; else in one top."""
        found: dict[str, Counter[str]] = {}

        def visit(part: Part) -> Counter[str]:
            if part.name not in found:
                total = Counter({part.name: 1})
                for child, count in part.children.items():
                    total.update({inner: count * each for inner, each in visit(self.parts[child]).items()})
                found[part.name] = total
            return found[part.name]

        whole: Counter[str] = Counter()
        for name, count in (counts or {self.top: 1}).items():
            whole.update({inner: count * each for inner, each in visit(self.part(name)).items()})
        return dict(whole)

    def scaled(self, counts: Mapping[str, int] | None = None) -> dict[str, float]:
        """Area in um^2 by part, of so many instances of some parts: `{"pe": 65536, "lane": 256}`; else of one top.

        Each part's area is its own, all instances together, so that the values' sum is the whole.
        """
        return {name: count * self.parts[name].area_um2 for name, count in self.instances(counts).items()}

    def area(self, name: str | None = None) -> float:
        """Area of one instance of a part (of the top where none is named) with all that is in it, um^2."""
        return math.fsum(self.scaled({name or self.top: 1}).values())

    def flip_flops(self, name: str | None = None) -> int:
        """Flip-flops in one instance of a part, with all that is in it."""
        return sum(count * self.parts[each].flip_flops for each, count in self.instances({name or self.top: 1}).items())


def synthesise(modules: Sequence[Module], top: str, *, liberty: Path | None = None, folder: Path) -> Synthesis:
    """The module named `top`, which is one of `modules` or used by one, in standard cells.

    `liberty` is a file, by default `einsim.rtl.liberty.DEFAULT`. Results stay in a folder of their own inside
    `folder`, one for each design, library and version of the tool. Raises `ToolError` where Yosys or the library is
    missing, where Yosys rejects the design, and where it holds latches.
    """
    known = {part.name: part for part in closure(modules)}
    if top not in known:
        raise SpecError(f"no module {top!r} to synthesise", remedy=suggest(top, known))
    library = read_liberty(liberty)
    wanted = closure([known[top]])
    key = "\0".join([yosys.recipe(), library.digest, *(part.source for part in wanted)])
    place = folder.resolve() / f"{top}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    netlist = yosys.map_to_cells(wanted, top, library, place)["modules"]
    names = {raw: _label(raw, module) for raw, module in netlist.items()}
    parts = [_part(raw, module, names, library) for raw, module in netlist.items()]
    return Synthesis(
        top, {part.name: part for part in parts}, library, tuple(netlist[top]["ports"]), place / "netlist.v"
    )


def _label(raw: str, module: Mapping[str, Any]) -> str:
    """A module's name with its parameters, where it was made for some."""
    name = _plain(raw, module)
    given = module.get("parameter_default_values", {})
    if name == raw or not given:
        return name
    return f"{name} #({', '.join(f'{key}={_value(value)}' for key, value in sorted(given.items()))})"


def _plain(raw: str, module: Mapping[str, Any]) -> str:
    return str(module["attributes"].get("hdlname", raw))


def _value(bits: str) -> str:
    """A parameter's value from Yosys' string of bits; `int` is signed and has 32 of them."""
    if not bits or set(bits) - {"0", "1"}:
        return bits
    value = int(bits, 2)
    return str(value - (1 << 32) if len(bits) == 32 and bits[0] == "1" else value)


def _part(raw: str, module: Mapping[str, Any], names: Mapping[str, str], library: Liberty) -> Part:
    types = Counter(cell["type"] for cell in module["cells"].values())
    children = {names[kind]: count for kind, count in sorted(types.items()) if kind in names}
    cells = {kind: count for kind, count in sorted(types.items()) if kind not in names}
    name = names[raw]
    for kind in cells:
        if _LATCHES.match(kind) or (kind in library.cells and library.cells[kind].latch):
            raise yosys.latch(name, f"cell {kind}")
        if kind not in library.cells:
            raise ToolError(f"library {library.name} has no cell for {kind}, which {name} needs")
    area = math.fsum(count * library.cells[kind].area_um2 for kind, count in cells.items())
    flip_flops = sum(count for kind, count in cells.items() if library.cells[kind].flip_flop)
    return Part(name, _plain(raw, module), cells, children, area, flip_flops)


def as_overrides(element: Synthesis, name: str, array: Array, units: Mapping[str, str]) -> dict[str, Any]:
    """Areas for an architecture file: what to lay over it, so that an element of `array`, called `name`, has them.

    `element` is one processing element or lane, `units` tells the module of each operation's unit: `{"mac":
    "bf16_macadd_fp32", "max": "fp32_max"}`. Operations that share a unit, and those not named, get 0 but for the
    first; the registers get all the rest of the element, control and wiring included. The sum is the element's area.

    The result has an architecture file's own form: `einsim.spec.overrides.merge` takes it, and so does YAML. Raises
    `SpecError` where an operation is not one of the array's own, or where the element has no such unit.
    """
    plain = [each for each, operation in array.operations.items() if operation.macro is None]
    for operation in units:
        if operation not in plain:
            raise SpecError(f"{name} has no unit for {operation!r}", remedy=suggest(operation, plain))
    owners: dict[str, str] = {}
    for operation, module in units.items():
        owners.setdefault(module, operation)
    areas = dict.fromkeys(owners, 0.0)
    rest = _share(element, element.part(element.top), areas)
    for module, operation in owners.items():
        if areas[module] == 0.0:
            known = {part.module for part in element.parts.values()} - {module}
            raise SpecError(
                f"{element.top} has no {module!r} for {operation}, or only inside another unit",
                remedy=suggest(module, known),
            )
    operations = {each: {"area_um2": 0.0} for each in plain}
    for module, operation in owners.items():
        operations[operation] = {"area_um2": areas[module]}
    return {"arrays": {name: {"registers": {"area_um2": rest}, "operations": operations}}}


def _share(element: Synthesis, part: Part, areas: dict[str, float]) -> float:
    """Adds the areas of units below a part to theirs; returns what belongs to none."""
    if part.module in areas:
        areas[part.module] += element.area(part.name)
        return 0.0
    rest = part.area_um2
    for child, count in part.children.items():
        inner = dict.fromkeys(areas, 0.0)
        rest += count * _share(element, element.parts[child], inner)
        for module, area in inner.items():
            areas[module] += count * area
    return rest
