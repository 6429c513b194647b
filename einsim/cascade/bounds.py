"""How far an index reaches, in sizes: what can be decided about a range before any size is known."""

from __future__ import annotations

from collections.abc import Mapping

from einsim.cascade.index import Index, Term
from einsim.cascade.ir import Cascade
from einsim.cascade.names import size_of
from einsim.cascade.ranks import merge_splits


def reach(cascade: Cascade, index: Index) -> tuple[Index, Index]:
    """The least and the greatest value of an index as expressions of sizes.

    Both parts of a split count as the rank they make up, so `m1*M0+m0` reaches M-1 and not further.
    """
    least, greatest = Index(), Index()
    for term in merge_splits(cascade, index).terms:
        if not term.atoms:
            least, greatest = least.plus(Index((term,))), greatest.plus(Index((term,)))
            continue
        assert term.rank is not None, "only affine indices have a reach in sizes"
        size = Term(term.factor, (*term.sizes, size_of(term.rank)))
        last = Index((size, Term(-term.factor, term.sizes)))
        if term.factor < 0:
            least = least.plus(last)
        else:
            greatest = greatest.plus(last)
    return least, greatest


def numeric_reach(cascade: Cascade, index: Index, sizes: Mapping[str, int]) -> tuple[int, int]:
    """The least and the greatest value of an index, the sizes being known."""
    least, greatest = reach(cascade, index)
    return least.value({}, sizes), greatest.value({}, sizes)


def always_positive(expression: Index) -> bool:
    """Whether an expression of sizes is at least 1 whatever the sizes (each at least 1).

    Sufficient, not necessary: no size may be subtracted, and the value with every size 1 must be positive.
    """
    grows = all(term.factor > 0 for term in expression.terms if term.sizes)
    return grows and sum(term.factor for term in expression.terms) > 0


def outside(cascade: Cascade, index: Index, slices: Index) -> str | None:
    """How an index surely leaves a dimension of `slices` elements, or None where that is not decided."""
    least, greatest = reach(cascade, index)
    if always_positive(Index().plus(least, -1)):
        return f"starts at {least}"
    if always_positive(greatest.plus(slices, -1).plus(Index.constant(1))):
        return f"reaches {greatest}"
    return None
