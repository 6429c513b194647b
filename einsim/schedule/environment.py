"""The sizes that mapping expressions read: rank sizes, architecture fields, choices, tiles."""

from __future__ import annotations

from collections.abc import Mapping as Table

import numpy as np

from einsim.cascade import known_ranks, size_of, size_parameters, split_of
from einsim.errors import Location, SpecError, suggest
from einsim.spec.architecture import machine_fields
from einsim.spec.configuration import Design
from einsim.spec.expressions import Number, ceil_div, expression, is_formula

Columns = Table[str, Number]
"""Values that vary over a sweep, by name (`array2d.rows`, `buffer.capacity_bytes`, `M`), as int64 arrays."""


def environment(design: Design, columns: Columns) -> dict[str, Number]:
    """All names but the tiles; `columns` replace the values of their names.

    Raises SpecError for a rank without a size, or a size that nothing uses.
    """
    env: dict[str, Number] = dict(machine_fields(design.architecture))
    env |= {name: value for name, value in design.choices if isinstance(value, int)}
    given = dict(design.workload.sizes) | {name: columns[name] for name in columns if name in needed_sizes(design)}
    env |= {name: value for name, value in columns.items() if name in env}
    env |= _rank_sizes(design, given, env)
    return env


def sizes_of_workload(design: Design) -> set[str]:
    """Sizes that no mapping may give: those of batch ranks, and of ranks that the cascade does not split off."""
    cascade = design.cascade
    own = [rank for rank in known_ranks(cascade) if split_of(cascade, rank) is None]
    return {size_of(rank) for rank in (*design.mapping.batch, *own, *design.mapping.divide)} - _of_parts(design)


def needed_sizes(design: Design) -> list[str]:
    """Sizes that the workload must give."""
    follow = {*design.mapping.sizes, *_of_parts(design)}
    own = [name for name in size_parameters(design.cascade) if name not in follow]
    return [*(size_of(rank) for rank in (*design.mapping.batch, *design.mapping.divide)), *own]


def _of_parts(design: Design) -> set[str]:
    """Sizes that follow from how ranks are divided."""
    stated = design.mapping.divide.values()
    return {size_of(rank) for each in stated for rank in (*each.into, each.groups) if rank is not None}


def _rank_sizes(design: Design, given: dict[str, Number], env: dict[str, Number]) -> dict[str, Number]:
    needed = needed_sizes(design)
    document = design.mapping_document
    for rank in design.mapping.batch:
        if rank in known_ranks(design.cascade):
            raise SpecError(f"batch rank {rank!r} is a rank of the cascade already", at=document.locate(("batch",)))
    missing = [name for name in needed if name not in given]
    if missing:
        raise SpecError(
            f"the workload gives no size for {', '.join(missing)}",
            at=design.workload.at,
            remedy=f"add --shape {','.join(f'{name}=...' for name in missing)}",
        )
    if design.workload.model is None:
        for name in given:
            if name not in needed:
                raise SpecError(f"nothing has a size {name!r}", at=design.workload.at, remedy=suggest(name, needed))
    sizes = {name: given[name] for name in needed}
    _add_parts(design, sizes, env)
    _add_derived(design, sizes)
    for name, text in design.mapping.sizes.items():
        at = document.locate(("sizes", name))
        if name in sizes_of_workload(design):
            raise SpecError(f"sizes: {name} is a size of the workload", at=at, remedy=f"set workload.{name} instead")
        if name not in size_parameters(design.cascade):
            raise SpecError(
                f"the cascade leaves no size {name!r} open",
                at=at,
                remedy=suggest(name, size_parameters(design.cascade)),
            )
        sizes[name] = positive(expression(text, at).evaluate(env | sizes), text, at)
    _add_derived(design, sizes)
    return sizes


def _add_parts(design: Design, sizes: dict[str, Number], env: dict[str, Number]) -> None:
    """Adds the sizes of ranks that the mapping divides others into.

    Groups may have room for a few more elements than there are, fewer than one a group: they count as whole ones.
    Raises SpecError where parts are not the whole, or one of them is empty.
    """
    for rank, stated in design.mapping.divide.items():
        whole, together = sizes[size_of(rank)], 0
        at = design.mapping_document.locate(("divide", rank))
        for part in stated.into:
            sizes[size_of(part)] = _part_size(design, rank, part, env | sizes)
            together += sizes[size_of(part)]
        if stated.groups is None:
            count, spare, allowed = 1, whole - together, 1
        else:
            count = whole / together if is_formula(whole) else ceil_div(whole, together)
            spare, allowed = count * together - whole, count
            sizes[size_of(stated.groups)] = count
        if not is_formula(spare) and np.any((spare < 0) | (spare >= allowed)):
            what = f"{rank!r} has {whole} elements, which its parts of {together} together do not make up"
            raise SpecError(f"divide: {what}" + (" in groups" if stated.groups is not None else ""), at=at,
                            remedy=f"give {size_of(rank)} a size that they divide, or cut elsewhere")  # fmt: skip


def _part_size(design: Design, rank: str, part: str, env: dict[str, Number]) -> Number:
    """The size of one part of a divided rank; raises SpecError where there is nothing in it."""
    at, text = design.mapping_document.locate(("divide", rank, "into", part)), design.mapping.divide[rank].into[part]
    value = expression(text, at).evaluate(env)
    if not is_formula(value) and np.any(np.equal(value, 0)):
        size = size_of(rank)
        raise SpecError(f"divide: part {part!r} of rank {rank!r} is empty where {size} is {env[size]}", at=at,
                        remedy=f"give {size} enough elements for every part, or choose a mapping that does not "
                        "divide it")  # fmt: skip
    return positive(value, text, at)


def _add_derived(design: Design, sizes: dict[str, Number]) -> None:
    """Adds sizes that follow from those there are: of splits' outer parts, of ranks like others, and rules (M+1)."""
    cascade = design.cascade
    at = design.mapping_document.locate(("cascade",))
    known = -1
    while known < len(sizes):
        known = len(sizes)
        for split in cascade.splits:
            if {size_of(split.rank), split.size} <= sizes.keys():
                sizes.setdefault(size_of(split.outer), ceil_div(sizes[size_of(split.rank)], sizes[split.size]))
        for rank in cascade.ranks:
            if rank.like is not None and size_of(rank.like) in sizes:
                sizes.setdefault(size_of(rank.name), sizes[size_of(rank.like)])
            elif rank.size is not None and size_of(rank.name) not in sizes and {*rank.size.sizes} <= sizes.keys():
                text = f"{size_of(rank.name)} = {rank.size}"
                sizes[size_of(rank.name)] = positive(rank.size.value({}, sizes), text, at)


def positive(value: Number, text: str, at: Location) -> Number:
    """A size: a positive integer (at every point of a sweep); raises SpecError otherwise."""
    if is_formula(value):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "i" or (value <= 0).any():
            raise SpecError(f"{text!r} is not a positive integer at every point", at=at)
        return value
    if getattr(value, "denominator", 1) != 1:
        raise SpecError(f"{text!r} is {value}, no integer", at=at, remedy="use // or ceil(a / b)")
    if value <= 0:
        raise SpecError(f"{text!r} is {value}, which is not positive", at=at)
    return int(value)
