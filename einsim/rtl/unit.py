"""What every arithmetic unit is: a frozen record that computes bit patterns and prints the module that does so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from numpy.typing import ArrayLike

from einsim.rtl.formats import Format, Integer, Patterns
from einsim.rtl.verilog import Module


@dataclass(frozen=True, slots=True)
class Port:
    """An operand or result of a unit: the port's name and the format of its patterns, or a number of plain bits."""

    name: str
    format: Format | Integer | int

    @property
    def width(self) -> int:
        """Bits of the port."""
        return self.format if isinstance(self.format, int) else self.format.width


@dataclass(frozen=True, slots=True)
class Signature:
    """How a unit looks from outside.

    Modules of clocked units have the ports `clk` and `enable` and the parameter `LATENCY`: the number of register
    stages behind the result, none by default. The others are combinational.
    """

    name: str
    operands: tuple[Port, ...]
    result: Port
    clocked: bool = True


class Unit(ABC):
    """An operation on bit patterns, twice: `compute` is the golden model, `module` the hardware; they agree bit by bit.

    Units are named after the operands' format, the operation, and the result's format where it is another.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def signature(self) -> Signature:
        """Name, operands in the order of `compute`'s arguments, and result."""

    @property
    def name(self) -> str:
        """The module's name."""
        return self.signature.name

    @abstractmethod
    def compute(self, *patterns: ArrayLike) -> Patterns:
        """The result's patterns for arrays of operand patterns that broadcast to one shape."""

    @abstractmethod
    def module(self) -> Module:
        """The hardware."""
