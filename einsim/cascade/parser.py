"""From text to a checked cascade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from einsim.cascade.build import build
from einsim.cascade.check import check
from einsim.cascade.ir import Cascade
from einsim.cascade.options import in_form
from einsim.cascade.syntax import tree_of


def parse(text: str, source: str = "<text>", options: Mapping[str, str] | None = None) -> Cascade:
    """Read the notation and check the cascade.

    `source` names the text in messages; `options` says what is chosen of its options, whose first value counts
    otherwise. Raises SpecError with line, column and remedy at the first thing that is wrong.
    """
    tree, forms = in_form(tree_of(text, source), options or {}, source)
    cascade = replace(build(tree, source), forms=forms)
    check(cascade)
    return cascade
