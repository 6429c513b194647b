"""Which costs of a machine come from tables, and how: every figure with its file, line and source."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import Field

from einsim.errors import Location
from einsim.spec.components import Component, Misfit
from einsim.spec.costtable import Node
from einsim.spec.expressions import Number
from einsim.spec.fields import Record


class CostsUsed(Record):
    """The cost table of a machine or part, and what is done with it. Energies include leakage."""

    table: str = Field(description="A shipped cost table or a file")
    energy: str | None = Field(None, description="Another table for energies and leakage")
    area: str | None = Field(None, description="Another table for areas")
    scaled_to_nm: Node | None = Field(None, description="Technology node that all on the chip is scaled to, nm")
    scaling: str | None = Field(None, description="The file with the scaling factors (docs/costs.md)")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a figure comes from. `table` is None for one that the architecture file (or an option) states."""

    at: Location
    how: str
    table: str | None = None
    technology_nm: float | None = None
    source: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class Priced:
    """Figures of one part that come from one table: quantity -> the machine's name of it.

    `parameters` are names of the machine's numbers (`buffer.capacity_bytes`, or `8 x word_bytes`, bits of a word) or
    constants; `factors` scale quantities to another technology node, `scaled` says how.
    """

    component: Component
    parameters: tuple[str | int, ...]
    fields: tuple[tuple[str, str], ...]
    table: str
    technology_nm: float
    source: str
    date: str
    decimals: int | None = None
    factors: tuple[tuple[str, float], ...] = ()
    scaled: str = ""

    def needs(self) -> set[str]:
        """The machine's numbers that the figures depend on."""
        return {each.removeprefix(_BITS) for each in self.parameters if isinstance(each, str)}

    def arguments(self, numbers: Mapping[str, Number]) -> list[Number]:
        """The component's parameters."""
        return [each if isinstance(each, int)
                else numbers[each.removeprefix(_BITS)] * (8 if each.startswith(_BITS) else 1)
                for each in self.parameters]  # fmt: skip

    def values(self, numbers: Mapping[str, Number]) -> dict[str, Number]:
        """The figures by the machine's names of them."""
        costs = self.component.costs(self.arguments(numbers))
        factors = dict(self.factors)
        found: dict[str, Number] = {}
        for quantity, name in self.fields:
            value = costs[quantity]
            if self.decimals is not None and quantity != "leak_mw":
                value = _rounded(value, 10.0**self.decimals)
            found[name] = value * factors.get(quantity, 1.0)
        return found

    def origin(self, quantity: str, numbers: Mapping[str, Number]) -> Origin:
        """Where a quantity comes from."""
        arguments = [int(each) for each in self.arguments(numbers)]
        how = self.component.explain(arguments, quantity)
        at = self.component.place(arguments)
        scaled = self.scaled if dict(self.factors).get(quantity, 1.0) != 1.0 else ""
        return Origin(at, how + scaled, self.table, self.technology_nm, self.source, self.date)


def _rounded(value: Number, scale: float) -> Number:
    """To a multiple of 1 / scale, half to even; numbers and arrays alike to the last bit."""
    return np.rint(value * scale) / scale if isinstance(value, np.ndarray) else round(value * scale) / scale


_BITS: Final = "8 x "


def bits_of(name: str) -> str:
    """A parameter that is eight times a number of the machine in bytes."""
    return _BITS + name


@dataclass(frozen=True, slots=True)
class Pricing:
    """All figures of a machine that come from tables; `files` are the tables' files; `notes` what to know of them."""

    parts: tuple[Priced, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def derived(self, numbers: Mapping[str, Number], given: Collection[str]) -> dict[str, Number]:
        """Figures that change with the numbers in `given` (a sweep's columns) and are not among them."""
        found: dict[str, Number] = {}
        for part in self._asked(given):
            if not part.needs().isdisjoint(given):
                found |= {name: value for name, value in part.values(numbers).items() if name not in given}
        return found

    def misfits(self, numbers: Mapping[str, Number], given: Collection[str]) -> list[Misfit]:
        """What the tables do not know of the machine (or machines), where they are asked."""
        return [misfit for part in self._asked(given) for misfit in part.component.misfits(part.arguments(numbers))
                if np.any(misfit.where)]  # fmt: skip

    def _asked(self, given: Collection[str]) -> list[Priced]:
        """Parts of which not all figures are given."""
        return [part for part in self.parts if any(name not in given for _, name in part.fields)]
