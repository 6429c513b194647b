"""Cascades of extended Einsums: their text, their immutable form, their ranks, operations and values.

    >>> from einsim.cascade import parse
    >>> cascade = parse("cascade dot\\ninput A[k], B[k]\\noutput Z\\nZ = A[k] * B[k]")
    >>> print(cascade.einsums[0])
    Z = A[k] * B[k]

A cascade is text (`parse`, `str`), records (`Cascade` and its parts), analyses (`ranks`, `operations`) and a
reference value (`evaluate`). Nothing here reads a file: loaders elsewhere pass the text.
"""

from einsim.cascade.check import check
from einsim.cascade.evaluate import evaluate
from einsim.cascade.expression import (
    Access,
    Binary,
    Call,
    Expr,
    Negate,
    Number,
    Size,
    accesses,
    children,
    is_product_term,
    ranks_of,
    walk,
)
from einsim.cascade.index import Index, Term
from einsim.cascade.ir import Cascade, Einsum, Init, Split, TensorDecl
from einsim.cascade.names import FUNCTIONS, REDUCTIONS, BinaryOperator, ReductionOperator, size_of
from einsim.cascade.operations import operations
from einsim.cascade.order import Step, dependences, steps
from einsim.cascade.parser import parse
from einsim.cascade.ranks import (
    TileBound,
    base_rank,
    bind_sizes,
    is_copy,
    iteration_ranks,
    iterative_rank,
    known_ranks,
    merge_splits,
    operands,
    reduced_ranks,
    size_parameters,
    split_of,
    tensor_ranks,
    tile_bounds,
)

__all__ = [
    "FUNCTIONS",
    "REDUCTIONS",
    "Access",
    "Binary",
    "BinaryOperator",
    "Call",
    "Cascade",
    "Einsum",
    "Expr",
    "Index",
    "Init",
    "Negate",
    "Number",
    "ReductionOperator",
    "Size",
    "Split",
    "Step",
    "TensorDecl",
    "Term",
    "TileBound",
    "accesses",
    "base_rank",
    "bind_sizes",
    "check",
    "children",
    "dependences",
    "evaluate",
    "is_copy",
    "is_product_term",
    "iteration_ranks",
    "iterative_rank",
    "known_ranks",
    "merge_splits",
    "operands",
    "operations",
    "parse",
    "ranks_of",
    "reduced_ranks",
    "size_of",
    "size_parameters",
    "split_of",
    "steps",
    "tensor_ranks",
    "tile_bounds",
    "walk",
]
