"""Memories by hwcomponents, the estimation package of CiMLoop and AccelForge, where it is installed.

It takes metres, bits, joules, square metres and watts, and believes what it is told: sizes below nothing, and rows
that are no whole number, get an answer. So parameters are checked before, and answers after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import numpy as np

from einsim.errors import Location, SpecError
from einsim.spec.components import SRAM_QUANTITIES, Component, Misfit, Quantities
from einsim.spec.expressions import Number

_LEAST_ROWS: Final = 64
"""Rows of a bank below which hwcomponents asks CACTI for another memory and scales the answer, without a word."""
_LEAST_WIDTH: Final = 32
"""Bits of a row, likewise."""
_NODES: Final = (22.0, 90.0)
"""Technology nodes that CACTI knows, nm; outside of them hwcomponents extrapolates without a word."""


@dataclass(frozen=True, slots=True)
class HwMemory:
    """A memory of (capacity in bytes, width of a row in bits)."""

    part: str
    component: str
    node: float
    banks: int
    ports: int
    at: Location

    def costs(self, parameters: Sequence[Number]) -> Quantities:
        """All quantities; of a sweep, each memory is asked for once."""
        arrays = [np.atleast_1d(np.asarray(each)) for each in parameters]
        if not any(isinstance(each, np.ndarray) for each in parameters):
            return dict(zip(SRAM_QUANTITIES, self._ask(int(parameters[0]), int(parameters[1])), strict=True))
        pairs, inverse = np.unique(np.stack(np.broadcast_arrays(*arrays), -1), axis=0, return_inverse=True)
        answers = np.array([self._ask(int(capacity), int(width)) for capacity, width in pairs])[inverse.ravel()]
        return {name: answers[:, number] for number, name in enumerate(SRAM_QUANTITIES)}

    def _ask(self, capacity: int, width: int) -> tuple[float, ...]:
        if any(misfit.where for misfit in self.misfits((capacity, width))):
            return (0.0,) * len(SRAM_QUANTITIES)  # never shown: the design has its reason
        return _answer(self, capacity, width)

    def misfits(self, parameters: Sequence[Number]) -> list[Misfit]:
        """Memories whose banks have too few rows for CACTI, or no whole number of them."""
        capacity, width = parameters
        row = width * self.banks // 8
        what = f"{self.part}: {self.component} of hwcomponents"
        return [
            Misfit(capacity < row * _LEAST_ROWS, f"{what} needs {_LEAST_ROWS} rows a bank", row * _LEAST_ROWS, capacity,
                   "bytes"),
            Misfit((width < _LEAST_WIDTH) | (width % 8 != 0), f"{what} needs rows of whole bytes, at least",
                   _LEAST_WIDTH, width, "bits"),
            Misfit(capacity % row != 0, f"{what} needs whole rows in {self.banks} banks", row, capacity % row, "bytes"),
        ]  # fmt: skip

    def explain(self, parameters: Sequence[int], quantity: str) -> str:
        """What hwcomponents was asked."""
        capacity, width = parameters
        return (
            f"{quantity} of hwcomponents' {self.component}: {capacity} bytes, rows of {width} bits, "
            f"{self.banks} banks, {self.ports} ports"
        )

    def place(self, parameters: Sequence[int]) -> Location:
        """The line of the table that names the component."""
        return self.at


def from_hwcomponents(part: str, component: str, node: float, banks: int, ports: int, at: Location) -> Component:
    """A memory that hwcomponents is asked about; raises SpecError where it is not installed, or for odd nodes."""
    _package(at)
    if not _NODES[0] <= node <= _NODES[1]:
        raise SpecError(f"hwcomponents knows {_NODES[0]:g} to {_NODES[1]:g} nm, not {node:g}", at=at,
                        remedy="take a node in between, and scale with scaled_to_nm")  # fmt: skip
    for name, value in (("banks", banks), ("ports", ports)):
        if value & (value - 1):
            raise SpecError(f"{part}: hwcomponents needs a power of two of {name}, not {value}", at=at)
    return HwMemory(part, component, node, banks, ports, at)


def package_version() -> str:
    """The version of hwcomponents, on which its answers may depend."""
    try:
        return version("hwcomponents")
    except PackageNotFoundError:
        return "none"


def _package(at: Location) -> Any:
    try:
        import hwcomponents  # type: ignore[import-not-found]  # noqa: PLC0415 - an optional extra
    except (ImportError, SyntaxError) as error:
        raise SpecError(
            f"hwcomponents is not here ({type(error).__name__}: {error})", at=at,
            remedy="pip install 'einsim[hwcomponents]' with Python 3.12 or later (its CACTI needs glibc 2.38 or later)",
        ) from None  # fmt: skip
    return hwcomponents


@lru_cache(maxsize=4096)
def _answer(memory: HwMemory, capacity: int, width: int) -> tuple[float, ...]:
    """Read and write energy in pJ, area in um^2, leakage in mW; raises SpecError for an answer that makes no sense."""
    package = _package(memory.at)
    attributes = {
        "tech_node": _metres(memory.node), "size": capacity * 8, "width": width, "depth": capacity * 8 // width,
        "n_rw_ports": memory.ports, "n_banks": memory.banks,
    }  # fmt: skip
    try:
        model = package.get_model(memory.component, attributes, required_actions=["read", "write"])
        found = [_energy(model.read()) * 1e12, _energy(model.write()) * 1e12, float(model.area) * 1e12,
                 float(model.leak_power) * 1e3]  # fmt: skip
    except Exception as error:  # whatever it raises: a missing binary, a wrong name, an assertion
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        first = lines[0] if lines else type(error).__name__
        raise SpecError(
            f"hwcomponents has no answer for {memory.component}: {first}",
            at=memory.at,
            remedy="see `hwc --list`; its CACTI needs glibc 2.38 or later",
        ) from None
    for name, value in zip(SRAM_QUANTITIES, found, strict=True):
        if not math.isfinite(value) or value < 0 or (value == 0 and name != "leak_mw"):
            raise SpecError(
                f"hwcomponents says {value:g} for {name} of {memory.component} ({capacity} bytes, {width} bits)",
                at=memory.at, remedy="state the memory's costs",
            )  # fmt: skip
    return tuple(found)


def _metres(node: float) -> float:
    """A node in metres that is the same number of nanometres again after a product with 1e9.

    hwcomponents multiplies so, and takes 90.00000000000001 nm for a node beyond those of CACTI: it then scales 22 nm.
    """
    near = node * 1e-9
    return next((each for each in (near, math.nextafter(near, 0), math.nextafter(near, 1)) if each * 1e9 == node), near)


def _energy(answer: Any) -> float:
    """Energy in joules of an answer: an ActionCost; older versions answer with a number, or a pair with the latency."""
    return float(answer[0] if isinstance(answer, tuple) else getattr(answer, "energy", answer))
