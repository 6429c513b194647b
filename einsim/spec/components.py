"""What parts cost by their parameters: register files by depth and width, memories by capacity.

Parameters are Python integers (one machine) or int64 arrays (the machines of a sweep), and so are the costs; the same
arithmetic in the same order gives the same floats. Each kind of part knows a few quantities (`read_energy_pj`,
`write_energy_pj`, `area_um2`, `leak_mw`, `energy_pj`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from einsim.errors import Location
from einsim.spec.costtable import AdderCosts, DramCosts, RegisterCosts, SramKind, SramRow, SramRows
from einsim.spec.expressions import Number, ceil_div, maximum

Quantities = dict[str, Number]


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a table does not know a part: `where` is true (or, in a sweep, true at the points) where it does not."""

    where: Number
    what: str
    needed: Number
    available: Number
    unit: str


class Component(Protocol):
    """Costs of a part as a function of its parameters."""

    def costs(self, parameters: Sequence[Number]) -> Quantities:
        """Every quantity that is known."""

    def misfits(self, parameters: Sequence[Number]) -> list[Misfit]:
        """Where the parameters are outside of what is known; costs there mean nothing."""

    def explain(self, parameters: Sequence[int], quantity: str) -> str:
        """How a quantity comes about, in words."""

    def place(self, parameters: Sequence[int]) -> Location:
        """Where the figures stand."""


def address_bits(words: Number) -> Number:
    """Bits of an address of one of `words`: at least one."""
    if isinstance(words, np.ndarray):
        return np.maximum(1, np.frexp((words - 1).astype(np.float64))[1])
    return max(1, (int(words) - 1).bit_length())


@dataclass(frozen=True, slots=True)
class Flat:
    """Figures that depend on nothing."""

    values: dict[str, float]
    at: Location
    note: str = ""
    delay_ns: float | None = None

    def costs(self, parameters: Sequence[Number]) -> Quantities:
        """The figures."""
        return dict(self.values)

    def misfits(self, parameters: Sequence[Number]) -> list[Misfit]:
        """None."""
        return []

    def explain(self, parameters: Sequence[int], quantity: str) -> str:
        """The note of the table."""
        return self.note or "as the table has it"

    def place(self, parameters: Sequence[int]) -> Location:
        """The line of the table."""
        return self.at


@dataclass(frozen=True, slots=True)
class Dram:
    """Lines of (access bytes,) by the bit."""

    table: DramCosts
    at: Location

    def costs(self, parameters: Sequence[Number]) -> Quantities:
        """Energies of a line."""
        bits = parameters[0] * 8
        return {
            "read_energy_pj": self.table.read_energy_pj_per_bit * bits,
            "write_energy_pj": self.table.write_energy_pj_per_bit * bits,
            "area_um2": 0.0,
            "leak_mw": 0.0,
        }

    def misfits(self, parameters: Sequence[Number]) -> list[Misfit]:
        """None."""
        return []

    def explain(self, parameters: Sequence[int], quantity: str) -> str:
        """Bits times energy."""
        if quantity not in {"read_energy_pj", "write_energy_pj"}:
            return "off the chip: none"
        return f"{parameters[0] * 8} bits x {getattr(self.table, f'{quantity}_per_bit')} pJ"

    def place(self, parameters: Sequence[int]) -> Location:
        """The section of the table."""
        return self.at


@dataclass(frozen=True, slots=True)
class RegisterFile:
    """A register file of (depth in words, width in bits): words of cells and two adders for addresses.

    area = D (row + bit W), read = D row + W bit, write = D row, leakage = D row, with D and W the depth and width
    that are modelled; where a clamp makes them larger than the file, and shares apply, area and leakage are scaled
    by both shares, energies by the share of the width and the share of the depth to a power.
    """

    table: RegisterCosts
    adder: AdderCosts | None
    at: Location

    def costs(self, parameters: Sequence[Number]) -> Quantities:
        """All quantities of one register file."""
        depth, width = parameters
        row, bit, clamp = self.table.row, self.table.bit, self.table.clamp
        rows, bits = (maximum(depth, clamp.depth_words), maximum(width, clamp.width_bits)) if clamp else parameters
        size: Number = 1.0
        work: Number = 1.0
        if clamp and clamp.shares:
            size = (depth / rows) * (width / bits)
            work = _power(depth / rows, clamp.depth_exponent) * (width / bits)
        made = {
            "read_energy_pj": (rows * row.energy_pj + bits * bit.read_energy_pj) * work,
            "write_energy_pj": rows * row.energy_pj * work,
            "area_um2": rows * (row.area_um2 + bit.area_um2 * bits) * size,
            "leak_mw": rows * row.leak_mw * size,
        }
        return _with_adders(made, self.adder, depth)

    def misfits(self, parameters: Sequence[Number]) -> list[Misfit]:
        """None: the model takes any depth and width."""
        return []

    def explain(self, parameters: Sequence[int], quantity: str) -> str:
        """The size that is modelled."""
        depth, width = parameters
        clamp = self.table.clamp
        taken = ""
        if clamp and (depth < clamp.depth_words or width < clamp.width_bits):
            rows, bits = max(depth, clamp.depth_words), max(width, clamp.width_bits)
            taken = f" taken for {rows} x {bits}{', scaled back' if clamp.shares else ''}"
        return f"{depth} words x {width} bits{taken}{_adders_in_words(self.adder, quantity, depth)}"

    def place(self, parameters: Sequence[int]) -> Location:
        """The section of the table."""
        return self.at


def _power(base: Number, exponent: float) -> Number:
    """By one routine for one number and for many, so that they agree to the last bit."""
    if isinstance(base, np.ndarray):
        return np.power(base, exponent)
    return float(np.power(np.array([base], np.float64), exponent)[0])


def _with_adders(made: Quantities, adder: AdderCosts | None, words: Number) -> Quantities:
    """Costs with those of an address generator: two adders, one of which works at each access."""
    if adder is None:
        return made
    bits = address_bits(words)
    access = adder.energy_pj + adder.energy_pj_per_bit * bits
    extra = {"read_energy_pj": access, "write_energy_pj": access, "area_um2": 2 * (adder.area_um2_per_bit * bits),
             "leak_mw": 2 * (adder.leak_mw_per_bit * bits)}  # fmt: skip
    return {name: value + extra[name] for name, value in made.items()}


def _adders_in_words(adder: AdderCosts | None, quantity: str, words: int) -> str:
    if adder is None:
        return ""
    count = "1 addition" if quantity.endswith("_pj") else "2 adders"
    return f", and {count} of {address_bits(words)} address bits"


SRAM_QUANTITIES: Final = ("read_energy_pj", "write_energy_pj", "area_um2", "leak_mw")


@dataclass(frozen=True, slots=True)
class Sram:
    """A memory of (capacity in bytes, width of a row in bits), between rows that were computed.

    Interpolates linearly over capacity, between rows of the same node, width, banks and ports, and never outside of
    them: a width that is not there, or a capacity beyond the rows, is a misfit. The address is that of a row.
    """

    part: str
    table: SramRows
    node: float
    banks: int
    ports: int
    adder: AdderCosts | None

    def costs(self, parameters: Sequence[Number]) -> Quantities:
        """All quantities of the memory."""
        capacity, width = parameters
        words = ceil_div(capacity * 8, width)
        return _with_adders(self._values(capacity, width), self.adder, words)

    def cycle_ns(self, capacity: int, width: int) -> float:
        """From one access to the next in one bank: the slower of the rows beside it, as times are jagged."""
        return max(row.values["cycle_ns"] for row in self._around(capacity, width))

    def misfits(self, parameters: Sequence[Number]) -> list[Misfit]:
        """Widths without rows, and capacities beyond them."""
        capacity, width = parameters
        known = self.widths()
        ways = f"{self.banks} bank{'s' * (self.banks > 1)} with {self.ports} port{'s' * (self.ports > 1)} each"
        what = f"{self.part}: no costs at {self.node:g} nm for {ways}; keep to the table, or state energies and area"
        nearest = self._nearest_width(width)
        least, most = (self._bounds(nearest, end) for end in (0, -1))
        wide = nearest == width
        return [
            Misfit(nearest != width, f"{what} (widths {', '.join(map(str, known))} bits)", width, nearest, "bits"),
            Misfit(wide & (capacity < least), f"{what} (least capacity)", capacity, least, "bytes"),
            Misfit(wide & (capacity > most), f"{what} (largest capacity)", capacity, most, "bytes"),
        ]

    def explain(self, parameters: Sequence[int], quantity: str) -> str:
        """The rows that it lies between."""
        capacity, width = parameters
        rows = self._around(capacity, width)
        between = f"between {rows[0].capacity_bytes} and {rows[-1].capacity_bytes} bytes (lines {rows[0].line} and "
        where = f"{between}{rows[-1].line})" if len(rows) > 1 else f"the row of {rows[0].capacity_bytes} bytes"
        ways = f"{width} bits, {self.banks} bank{'s' * (self.banks > 1)}, {self.ports} port{'s' * (self.ports > 1)}"
        words = ceil_div(capacity * 8, width)
        return f"{where}, {ways}{_adders_in_words(self.adder, quantity, words)}"

    def place(self, parameters: Sequence[int]) -> Location:
        """The row, or the lower of the two."""
        return Location(self.table.file, self._around(parameters[0], parameters[1])[0].line)

    def widths(self) -> tuple[int, ...]:
        """Widths that there are rows of."""
        return self.table.widths.get((self.node, self.banks, self.ports), ())

    def _rows(self, width: int) -> SramKind:
        return self.table.kinds[self.node, width, self.banks, self.ports]

    def _nearest_width(self, width: Number) -> Number:
        if not isinstance(width, np.ndarray):
            return min(self.widths(), key=lambda known: abs(known - width))
        known = np.array(self.widths())
        return known[np.abs(known - width[..., None]).argmin(-1)]

    def _bounds(self, width: Number, end: int) -> Number:
        if not isinstance(width, np.ndarray):
            return self._rows(width).rows[end].capacity_bytes
        return _by_value(width, lambda one, _: self._rows(one).rows[end].capacity_bytes, np.int64)

    def _around(self, capacity: int, width: int) -> list[SramRow]:
        """The row of a capacity, or the two that it lies between (the last one beyond them)."""
        rows = self._rows(self._nearest_width(width)).rows
        at = [row for row in rows if row.capacity_bytes == capacity]
        if at or not rows[0].capacity_bytes < capacity < rows[-1].capacity_bytes:
            return at or [rows[0] if capacity < rows[0].capacity_bytes else rows[-1]]
        upper = next(number for number, row in enumerate(rows) if row.capacity_bytes > capacity)
        return list(rows[upper - 1 : upper + 1])

    def _values(self, capacity: Number, width: Number) -> Quantities:
        nearest = self._nearest_width(width)
        if not isinstance(nearest, np.ndarray):
            return self._between(self._rows(nearest), capacity)
        nearest, wide = np.broadcast_arrays(nearest, capacity)
        found: dict[str, Number] = {name: np.empty(nearest.shape) for name in SRAM_QUANTITIES}
        for one in np.unique(nearest):
            where = nearest == one
            for name, values in self._between(self._rows(int(one)), wide[where]).items():
                found[name][where] = values
        return found

    @staticmethod
    def _between(kind: SramKind, capacity: Number) -> Quantities:
        """Linear between the rows, a row's own value at it; beyond them the last row's (which is a misfit)."""
        sizes, columns = kind.sizes, {name: kind.columns[name] for name in SRAM_QUANTITIES}
        last = len(sizes) - 1
        if not isinstance(capacity, np.ndarray):
            if capacity >= sizes[-1]:
                return {name: values[-1] for name, values in columns.items()}
            asked = max(float(capacity), sizes[0])
            lower = bisect_right(sizes, asked) - 1
            share = (asked - sizes[lower]) / (sizes[lower + 1] - sizes[lower])
            return {name: values[lower] + (values[lower + 1] - values[lower]) * share
                    for name, values in columns.items()}  # fmt: skip
        ends = np.array(sizes)
        many = np.clip(capacity.astype(np.float64), ends[0], ends[-1])
        below = np.minimum(np.searchsorted(ends, many, side="right") - 1, max(0, last - 1))
        above = np.minimum(below + 1, last)
        beyond, low = many >= ends[-1], ends[below]
        shares = (many - low) / np.where(above > below, ends[above] - low, 1.0)
        found: dict[str, Number] = {}
        for name, values in columns.items():
            costs = np.array(values)
            at = costs[below]
            found[name] = np.where(beyond, costs[-1], at + (costs[above] - at) * shares)
        return found


def _by_value(keys: Any, make: Any, dtype: Any) -> Any:
    """An array made of `make(key, where)` for each different key."""
    found = np.empty(keys.shape, dtype)
    for one in np.unique(keys):
        where = keys == one
        found[where] = make(int(one), where)
    return found
