"""Cascades of extended Einsums: their text, their immutable form, their ranks, operations and values.

    >>> from einsim.cascade import parse
    >>> cascade = parse("cascade dot\\ninput A[k], B[k]\\noutput Z\\nZ = A[k] * B[k]")
    >>> print(cascade.einsums[0])
    Z = A[k] * B[k]

A cascade is text (`parse`, `str`), records (`Cascade` and its parts), analyses (`ranks`, `operations`) and a
reference value (`evaluate`). Nothing here reads a file: loaders elsewhere pass the text.
"""

from einsim.cascade.check import check
from einsim.cascade.divide import Division, divide
from einsim.cascade.evaluate import evaluate
from einsim.cascade.expression import (
    Binary,
    Call,
    Compare,
    Condition,
    Expr,
    Junction,
    Negate,
    Node,
    Not,
    Number,
    Position,
    Size,
    Where,
    accesses,
    as_index,
    children,
    combined,
    divided,
    is_product_term,
    negated,
    ranks_of,
    value_of,
    walk,
)
from einsim.cascade.index import Access, Atom, Extreme, Index, Quotient, Term
from einsim.cascade.ir import Cascade, Einsum, Init, RankDecl, Sequence, Split, TensorDecl
from einsim.cascade.names import (
    FUNCTIONS,
    REDUCTIONS,
    SELECTIONS,
    BinaryOperator,
    ComparisonOperator,
    ReductionOperator,
    size_of,
)
from einsim.cascade.operations import operations
from einsim.cascade.options import Forms
from einsim.cascade.order import Step, dependences, reads_earlier, steps
from einsim.cascade.parser import parse
from einsim.cascade.ranks import (
    TileBound,
    alike,
    base_rank,
    bind_sizes,
    is_copy,
    iteration_ranks,
    iterative_rank,
    known_ranks,
    known_sizes,
    merge_splits,
    operands,
    reduced_ranks,
    size_parameters,
    split_of,
    tensor_ranks,
    tile_bounds,
    walks,
)
from einsim.cascade.tiles import merge_tiles, tiled_rank, tiled_split, tiled_splits

__all__ = [
    "FUNCTIONS",
    "REDUCTIONS",
    "SELECTIONS",
    "Access",
    "Atom",
    "Binary",
    "BinaryOperator",
    "Call",
    "Cascade",
    "Compare",
    "ComparisonOperator",
    "Condition",
    "Division",
    "Einsum",
    "Expr",
    "Extreme",
    "Forms",
    "Index",
    "Init",
    "Junction",
    "Negate",
    "Node",
    "Not",
    "Number",
    "Position",
    "Quotient",
    "RankDecl",
    "ReductionOperator",
    "Sequence",
    "Size",
    "Split",
    "Step",
    "TensorDecl",
    "Term",
    "TileBound",
    "Where",
    "accesses",
    "alike",
    "as_index",
    "base_rank",
    "bind_sizes",
    "check",
    "children",
    "combined",
    "dependences",
    "divide",
    "divided",
    "evaluate",
    "is_copy",
    "is_product_term",
    "iteration_ranks",
    "iterative_rank",
    "known_ranks",
    "known_sizes",
    "merge_splits",
    "merge_tiles",
    "negated",
    "operands",
    "operations",
    "parse",
    "ranks_of",
    "reads_earlier",
    "reduced_ranks",
    "size_of",
    "size_parameters",
    "split_of",
    "steps",
    "tensor_ranks",
    "tile_bounds",
    "tiled_rank",
    "tiled_split",
    "tiled_splits",
    "value_of",
    "walk",
    "walks",
]
