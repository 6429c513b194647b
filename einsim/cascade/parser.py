"""From text to a checked cascade."""

from __future__ import annotations

from einsim.cascade.build import build
from einsim.cascade.check import check
from einsim.cascade.ir import Cascade
from einsim.cascade.syntax import tree_of


def parse(text: str, source: str = "<text>") -> Cascade:
    """Read the notation and check the cascade.

    `source` names the text in messages. Raises SpecError with line, column and remedy at the first thing that
    is wrong.
    """
    cascade = build(tree_of(text, source), source)
    check(cascade)
    return cascade
