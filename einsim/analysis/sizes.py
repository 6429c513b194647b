"""Symbolic amounts: products and sums of sizes, such as `M*P` words or `E*M*P + 2*M*P` operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from einsim.cascade import Cascade, Einsum, Index, alike, iteration_ranks, operations, size_of, tensor_ranks

Amount = Index
"""A polynomial of sizes; `str` shows it, `.value({}, sizes)` computes it."""

ONE = Index.constant(1)
NOTHING = Index()


def extent(cascade: Cascade, ranks: Iterable[str]) -> Amount:
    """How many points a product of ranks has; both parts of a split count as the rank they make up."""
    left = list(ranks)
    for split in reversed(cascade.splits):
        outer = next((rank for rank in left if alike(cascade, rank) == split.outer), None)
        inner = next((rank for rank in left if alike(cascade, rank) == split.inner), None)
        if outer is not None and inner is not None:
            left.remove(outer)
            left[left.index(inner)] = split.rank
    amount = ONE
    for rank in left:
        amount = amount.times(Index.size(size_of(rank)))
    return amount


def words(cascade: Cascade, tensor: str) -> Amount:
    """Elements of a tensor; of an iterative one, of a single slice less its own rank."""
    return extent(cascade, tensor_ranks(cascade, tensor))


def points(cascade: Cascade, einsum: Einsum) -> Amount:
    """Points of an Einsum's iteration space, before any filter."""
    return extent(cascade, iteration_ranks(einsum))


def work(cascade: Cascade, einsum: Einsum) -> Amount:
    """Scalar operations of an Einsum, before any filter."""
    return points(cascade, einsum).times(Index.constant(len(operations(einsum))))


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum of some amounts."""
    result = NOTHING
    for amount in amounts:
        result = result.plus(amount)
    return result


def show(amount: Amount) -> str:
    """An amount for people: `E*M*P + 2*M*P`."""
    return str(amount).replace("+", " + ")


def leading(amount: Amount) -> Amount:
    """The terms of the highest degree: those that matter when all sizes grow."""
    degree = max((len(term.sizes) for term in amount.terms), default=0)
    return Index(tuple(term for term in amount.terms if len(term.sizes) == degree))


def number(amount: Amount, sizes: Mapping[str, int]) -> int:
    """An amount at given sizes."""
    return amount.value({}, sizes)
