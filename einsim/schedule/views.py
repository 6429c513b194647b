"""Views seen through: which tensor's words an access is, and at which of its indices."""

from __future__ import annotations

from collections.abc import Iterable

from einsim.cascade import Access, Cascade, Einsum, Index, is_copy, merge_tiles, operands


def resolve(cascade: Cascade, views: Iterable[str], access: Access) -> tuple[str, tuple[Index, ...] | None]:
    """The tensor that holds an access's words, views seen through, and the indices there (None: inexpressible)."""
    seen = set(views)
    tensor: str = access.tensor
    indices: tuple[Index, ...] | None = access.indices
    while tensor in seen:
        view = cascade.einsum(tensor)
        (inside,) = operands(view)
        assert is_copy(view)
        if indices is not None:
            indices = _compose(cascade, view, inside, indices)
        tensor = inside.tensor
    return tensor, None if indices is None else tuple(merge_tiles(cascade, index) for index in indices)


def _compose(cascade: Cascade, view: Einsum, inside: Access, indices: tuple[Index, ...]) -> tuple[Index, ...] | None:
    """Where a view's tensor is read when the view is read at some indices."""
    table: dict[str, Index] = {}
    for written, read in zip(view.output.indices, indices, strict=True):
        rank = merge_tiles(cascade, written).rank
        if rank is None:
            return None
        table[rank] = read
    found = []
    for index in inside.indices:
        chosen = next((i for i in (index, merge_tiles(cascade, index)) if set(i.ranks) <= table.keys()), None)
        if chosen is None:
            return None
        place = Index()
        for term in chosen.terms:
            place = place.plus(Index.constant(1) if term.rank is None else table[term.rank], term.factor, term.sizes)
        found.append(place)
    return tuple(found)
