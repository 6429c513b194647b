"""Expressions with ranks replaced by indices and operands by other expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

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
    combined,
    negated,
    value_of,
)
from einsim.cascade.index import Access, Atom, Extreme, Index, Quotient, Term
from einsim.cascade.ir import Cascade, Einsum

Ranks = Mapping[str, Index]
Swap = Callable[[Access], Expr]
"""What stands for an operand whose indices are replaced already."""


def substitute(index: Index, ranks: Ranks) -> Index:
    """An index with ranks replaced by indices, inside quotients, extremes and gathers too."""
    if not set(index.ranks) & set(ranks):
        return index
    result = Index()
    for term in index.terms:
        product = Index((Term(term.factor, term.sizes),))
        for atom in term.atoms:
            product = product.times(_atom(atom, ranks))
        result = result.plus(product)
    return result


def _atom(atom: Atom, ranks: Ranks) -> Index:
    match atom:
        case str():
            return ranks.get(atom, Index.of(atom))
        case Quotient(left, right, remainder):
            return Index.of(Quotient(substitute(left, ranks), substitute(right, ranks), remainder))
        case Extreme(kind, of):
            return Index.of(Extreme(kind, tuple(substitute(each, ranks) for each in of)))
        case Access():
            return Index.of(reindexed(atom, ranks))


def reindexed(access: Access, ranks: Ranks) -> Access:
    """An access with ranks replaced in its indices."""
    return replace(access, indices=tuple(substitute(index, ranks) for index in access.indices))


def rewritten(expression: Expr, ranks: Ranks, swap: Swap | None = None) -> Expr:
    """An expression with ranks replaced, and operands by `swap`."""
    return cast(Expr, _node(expression, ranks, swap))


def rewritten_condition(condition: Condition, ranks: Ranks, swap: Swap | None = None) -> Condition:
    """A condition with ranks replaced, and operands by `swap`."""
    return cast(Condition, _node(condition, ranks, swap))


def _node(node: Node, ranks: Ranks, swap: Swap | None) -> Node:
    def value(inner: Expr) -> Expr:
        return cast(Expr, _node(inner, ranks, swap))

    def truth(inner: Condition) -> Condition:
        return cast(Condition, _node(inner, ranks, swap))

    match node:
        case Number() | Size():
            return node
        case Position(index):
            return value_of(substitute(index, ranks))
        case Access():
            moved = reindexed(node, ranks)
            return moved if swap is None else swap(moved)
        case Negate(operand):
            return negated(value(operand))
        case Binary(operator, left, right):
            return combined(operator, value(left), value(right))
        case Call(function, arguments):
            return Call(function, tuple(value(argument) for argument in arguments))
        case Where(condition, then, otherwise):
            return Where(truth(condition), value(then), value(otherwise))
        case Compare(operator, left, right):
            return Compare(operator, value(left), value(right))
        case Junction(kind, parts):
            return Junction(kind, tuple(truth(part) for part in parts))
        case Not(inner):
            return Not(truth(inner))


def both(first: Condition | None, second: Condition | None) -> Condition | None:
    """Both of two conditions; None holds always."""
    if first is None or first == second:
        return second
    if second is None:
        return first
    parts: list[Condition] = []
    for part in (first, second):
        for each in part.parts if isinstance(part, Junction) and part.kind == "and" else (part,):
            if each not in parts:
                parts.append(each)
    return parts[0] if len(parts) == 1 else Junction("and", tuple(parts))


def swapped(einsum: Einsum, swap: Swap) -> Einsum:
    """An Einsum with operands replaced on its right side and in its filter."""
    when = None if einsum.when is None else rewritten_condition(einsum.when, {}, swap)
    return replace(einsum, body=rewritten(einsum.body, {}, swap), when=when)


def fresh(cascade: Cascade, wanted: str, taken: set[str]) -> str:
    """A tensor name that is not used yet; it is added to those taken."""
    known = {tensor.name for tensor in (*cascade.inputs, *cascade.assembled)} | set(cascade.made) | taken
    known |= set(cascade.sizes) | {rank.name.upper() for rank in cascade.ranks}
    name, count = wanted, 2
    while name in known:
        name, count = f"{wanted}{count}", count + 1
    taken.add(name)
    return name


def without_dead(cascade: Cascade) -> Cascade:
    """The cascade without Einsums that lead to no output."""
    needed = set(cascade.outputs)
    while True:
        more = {
            access.tensor for einsum in cascade.einsums if einsum.tensor in needed for access in einsum.reads
        } - needed
        more |= {node.tensor for init in cascade.inits if init.name in needed for node in accesses(init.body)} - needed
        if not more:
            break
        needed |= more
    return replace(
        cascade,
        einsums=tuple(einsum for einsum in cascade.einsums if einsum.tensor in needed),
        inits=tuple(init for init in cascade.inits if init.name in needed),
        assembled=tuple(tensor for tensor in cascade.assembled if tensor.name in needed),
    )
