"""What each system of the zoo computes, in plain float64 NumPy and written from its definition, by family."""

from tests.zoo.references import attention, linear, networks, selection, windows
from tests.zoo.references.registry import CASES, Case

__all__ = ["CASES", "Case", "attention", "linear", "networks", "selection", "windows"]
