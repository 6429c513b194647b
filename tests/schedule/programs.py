"""Hypothesis strategies: small cascades in random nests that agree here and there, kept on chip or not."""

from __future__ import annotations

from hypothesis import strategies as st

from einsim.cascade import known_ranks, operands, parse, split_of

from ..cascade.library import TEXTS as LIBRARY
from ..model.designs import Sweep, machine

TRAP = """cascade trap
input X[m,p]
output B
A[m,p] = exp(X[m,p])
C[m,p] = exp(A[m,p])
R[p] = sum over m: exp(A[m,p])
B[m,p] = C[m,p] * R[p]
"""
TURNED = """cascade turned
input X[m,p]
output D
A[m,p] = exp(X[m,p])
B[m,p] = exp(A[m,p])
C[m,p] = A[m,p] * B[m,p]
D[p] = C[m,p] * A[m,p]
"""
BACKWARDS = """cascade backwards
input X[p,m]
output T
A[p,m] = exp(X[p,m])
B[p,m] = A[P-1-p,m] * X[p,m]
T[p] = B[p,m] * A[p,M-1-m]
"""
COPIES = """cascade copies
input X[m,p]
output A, B, C
A[m,p] = exp(X[m,p])
B[m,p] = exp(X[m,p])
C[m] = sum over p: exp(X[m,p])
"""
LINEAR = """cascade linear
input Q[m,e], K[m,e], V[m,p]
output O, N
init S[0,e,p] = 0
S[m+1,e,p] = S[m,e,p] + K[m,e] * V[m,p]
O[m,p] = Q[m,e] * S[m+1,e,p]
N[m,p] = Q[m,e] * S[m,e,p]
"""
TEXTS = [TRAP, TURNED, BACKWARDS, COPIES, LINEAR, *(LIBRARY[name] for name in (
    "softmax", "softmax-2pass", "softmax-unstable", "attention-3pass", "attention-deferred", "attention-2pass",
    "attention-1pass"))]  # fmt: skip
OWN = "registers1d"
OPERATIONS = {name: {"cycles": 1, "energy_pj": 1.0} for name in ("mac", "add", "max", "exp", "divide")}


def lanes_machine() -> dict:
    """A machine with room for everything whose lanes do what the cascades of these tests need."""
    made = machine(["dram", "buffer"])
    for array in made["arrays"].values():
        array["operations"] = OPERATIONS
        array["registers"] = {**array["registers"], "depth_words": 1 << 20}
    return made


def program(text: str, mapping: dict, sizes: dict[str, int], *, lanes: int = 4, **machine_changes) -> Sweep:
    """A cascade and mapping on the lanes, one phase unless the mapping says otherwise."""
    whole = {
        "name": "x", "cascade": "x", "architecture": "x",
        "phases": [{"run": {"array1d": list(mapping["einsums"])}}], **mapping,
    }  # fmt: skip
    made = lanes_machine()
    for path, value in machine_changes.items():
        if path == "depth":
            for array in made["arrays"].values():
                array["registers"]["depth_words"] = value
        else:
            made["memories"][path]["capacity_bytes"] = value
    point = {**sizes, "array1d.lanes": lanes, "array2d.rows": 4, "array2d.columns": 4}
    return Sweep(text, whole, made, (point,))


@st.composite
def programs(draw, *, parts: bool = False) -> Sweep:
    """One of the cascades, its Einsums in two or three nests over the same loops in different orders; with `parts`, one
    fusion group that is cut into some.
    """
    text = draw(st.sampled_from(TEXTS))
    cascade = parse(text)
    split = cascade.splits[0] if cascade.splits else None
    sizes = {rank.upper(): draw(st.integers(1, 5)) for rank in known_ranks(cascade) if split_of(cascade, rank) is None}
    if split is not None:
        sizes[split.size] = draw(st.integers(1, 3))
    partition, chains = _loops(draw, sizes, split)
    space = {"lanes": "pl"} if draw(st.booleans()) else {}
    chains["p"] += [] if space else ["pl"]
    nests = {
        name: {"array": "array1d", "loops": _order(draw, chains, bool(space)), "spatial": space}
        for name in ("n", "o", "q")[: draw(st.integers(1, 3))]
    }
    views = [e.name for e in cascade.einsums if e.name in ("BK", "BV")]
    mapping = {"partition": partition, "nests": nests, "views": views, "einsums": _plans(draw, cascade, nests, views)}
    if parts and (cuts := draw(st.lists(st.booleans(), min_size=20, max_size=20))):
        mapping["fusion"] = [_parts(list(mapping["einsums"]), cuts)]
    return program(text, mapping, sizes, lanes=5)


def _parts(names, cuts) -> list[list[str]]:
    """Names cut behind those where `cuts` says so."""
    parts: list[list[str]] = [[]]
    for name, cut in zip(names, cuts, strict=False):
        parts[-1].append(name)
        if cut and name != names[-1]:
            parts.append([])
    return parts


def _loops(draw, sizes, split):
    """Loops of every rank, outermost first: one or two of random tiles, the last of single elements."""
    partition: dict[str, dict[str, str]] = {}
    chains: dict[str, list[str]] = {}
    for size in sizes:
        rank = size.lower()
        tile = str(draw(st.integers(1, 3)))
        if split is not None and rank == split.rank:
            partition[rank] = {"mx": f"{split.size} * {tile}"}
            chains[rank] = ["mx"] * draw(st.integers(0, 1)) + [split.outer, split.inner]
        elif split is None or rank != split.inner:
            partition[rank] = {f"{rank}x": tile, f"{rank}l": "1"}
            chains[rank] = [f"{rank}x"] * draw(st.integers(0, 1)) + ([] if rank == "p" else [f"{rank}l"])
    return partition, chains


def _order(draw, chains, space: bool) -> dict[str, list[str]]:
    """The loops of all ranks merged at random and given to levels."""
    left = [list(chain) for chain in chains.values() if chain]
    merged: list[str] = []
    while left:
        chosen = left[draw(st.integers(0, len(left) - 1))]
        merged.append(chosen.pop(0))
        left = [chain for chain in left if chain]
    first = draw(st.integers(0, len(merged)))
    last = draw(st.integers(first, len(merged)))
    if space:
        last = max([last, *(place + 1 for place, loop in enumerate(merged) if loop == "px")])
    levels = {"dram": merged[:first], "buffer": merged[first:last], OWN: merged[last:]}
    return {level: loops for level, loops in levels.items() if loops}


def _plans(draw, cascade, nests, views):
    homes = st.sampled_from([["dram", OWN], ["dram", "buffer", OWN], ["buffer", OWN], ["buffer", OWN], [OWN], [OWN]])
    paths = {e.name: draw(homes) for e in cascade.einsums}
    paths |= {name: ["dram", *(level for level in paths[name] if level != "dram")] for name in cascade.outputs}
    held = {each.name: {"dram"} for each in cascade.inputs} | {name: set(path) for name, path in paths.items()}
    plans = {}
    for einsum in cascade.einsums:
        if einsum.name in views:
            held[einsum.name] = held[operands(einsum)[0].tensor]
            continue
        keep = {einsum.name: paths[einsum.name]}
        for access in operands(einsum):
            if access.tensor == einsum.name:
                continue
            home = draw(st.sampled_from(sorted(held[access.tensor])))
            between = ["buffer"] if home == "dram" and draw(st.booleans()) else []
            keep[access.tensor] = [home, *between, *([] if home == OWN else [OWN])]
        for tensor, path in keep.items():
            held[tensor].update(path)
        plans[einsum.name] = {"nest": draw(st.sampled_from(sorted(nests))), "keep": keep}
    return plans
