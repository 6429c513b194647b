"""Ranks, sizes and the order of evaluation."""

import numpy as np
import pytest

from einsim.cascade import (
    base_rank,
    bind_sizes,
    dependences,
    is_copy,
    iteration_ranks,
    iterative_rank,
    known_ranks,
    merge_splits,
    operands,
    parse,
    reduced_ranks,
    size_parameters,
    steps,
    tensor_ranks,
    tile_bounds,
)
from einsim.errors import SpecError

from .library import load

NESTED = """
cascade nested
input A[m], B[p]
output Z
split m into m1, m0 by M0
split m0 into m3, m2 by M2
Z[p] = A[m1*M0+m3*M2+m2] * B[p]
"""


@pytest.mark.parametrize(
    ("einsum", "left_and_reduced", "reduced"),
    [
        ("BQK", ("m1", "m0", "p", "e"), ("e",)),
        ("LM", ("m1", "p", "m0"), ("m0",)),
        ("RM", ("m1", "p"), ()),
        ("SLNV", ("f", "m1", "p", "m0"), ("m0",)),
    ],
)
def test_ranks_of_an_einsum(einsum, left_and_reduced, reduced):
    found = load("attention-1pass").einsum(einsum)
    assert iteration_ranks(found) == left_and_reduced
    assert reduced_ranks(found) == reduced


def test_operands_are_listed_once_each():
    cascade = parse("cascade c\ninput A[k], s\noutput Z\nZ = A[k] * s / exp(A[k]) * A[0]")
    assert [str(access) for access in operands(cascade.einsums[0])] == ["A[k]", "s", "A[0]"]


@pytest.mark.parametrize(
    ("right", "copy"),
    [("A[k]", True), ("A[K-1-k]", True), ("-A[k]", False), ("A[k] * 1", False), ("exp(A[k])", False)],
)
def test_a_copy_does_nothing_but_rename(right, copy):
    assert is_copy(parse(f"cascade c\ninput A[k]\noutput Z\nrank k\nZ[k] = {right}").einsums[0]) is copy


def test_a_reduction_is_no_copy():
    assert not is_copy(load("attention-1pass").einsum("SLD"))
    assert is_copy(load("attention-1pass").einsum("BK"))


def test_base_ranks():
    cascade = parse(NESTED)
    assert {rank: base_rank(cascade, rank) for rank in known_ranks(cascade)} == {
        **dict.fromkeys(("m", "m1", "m0", "m3", "m2"), "m"),
        "p": "p",
    }
    with pytest.raises(SpecError, match="has no rank 'm9'; did you mean"):
        base_rank(cascade, "m9")


def test_tensor_ranks():
    cascade = load("attention-1pass")
    assert tensor_ranks(cascade, "K") == ("e", "m")
    assert tensor_ranks(cascade, "RNV") == ("f", "m1", "p")
    assert tensor_ranks(cascade, "SLN") == ("m1", "m0", "p")
    with pytest.raises(SpecError, match="has no tensor 'RNW'; did you mean 'RNV'"):
        tensor_ranks(cascade, "RNW")


def test_iterative_ranks():
    cascade = load("attention-1pass")
    over = {einsum.name: iterative_rank(einsum) for einsum in cascade.einsums}
    assert {name for name, rank in over.items() if rank == "m1"} == {"RM", "RD", "RNV"}
    assert set(over.values()) == {"m1", None}


def test_a_merged_split_is_a_dimension_of_the_whole_rank():
    text = "cascade c\ninput A[m]\noutput Z\nsplit m into m1, m0 by M0\nZ[m1*M0+m0] = exp(A[m1*M0+m0])"
    cascade = parse(text)
    assert tensor_ranks(cascade, "Z") == ("m",)
    assert iteration_ranks(cascade.einsums[0]) == ("m1", "m0")


def test_merging_splits():
    cascade = parse(NESTED)
    (access, _) = operands(cascade.einsums[0])
    assert str(merge_splits(cascade, access.indices[0])) == "m"


@pytest.mark.parametrize(
    ("ranks", "bounds"),
    [
        (("m1", "m0"), ["m1*M0+m0<m"]),
        (("m1", "m3", "m2"), ["m1*M0+m3*M2+m2<m", "m3*M2+m2<m0"]),
        (("m1", "m3"), ["m1*M0+m3*M2<m"]),
        (("m1", "m2"), ["m1*M0+m2<m", "m2<m0"]),
        (("m3", "m2"), ["m3*M2+m2<m0"]),
        (("m1", "m0", "m2"), ["m1*M0+m0<m"]),
        (("m1", "p"), []),
        (("m0",), []),
    ],
)
def test_which_points_exist(ranks, bounds):
    found = [f"{bound.index}<{bound.rank}" for bound in tile_bounds(parse(NESTED), ranks)]
    assert found == bounds


def test_size_parameters():
    assert size_parameters(load("attention-1pass")) == ("E", "P", "M", "F", "M0")
    assert size_parameters(parse(NESTED)) == ("M", "P", "M0", "M2")


def test_binding_sizes():
    cascade = load("attention-1pass")
    free = {"E": 2, "F": 3, "P": np.int64(4), "M": 10, "M0": 4}
    assert bind_sizes(cascade, free) == {"E": 2, "P": 4, "M": 10, "F": 3, "M1": 3, "M0": 4}
    assert bind_sizes(cascade, {**free, "M1": 3})["M1"] == 3
    assert bind_sizes(parse(NESTED), {"M": 20, "P": 1, "M0": 6, "M2": 4})["M3"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"M": None, "F": None}, "needs the sizes M, F; give M=..., F=..."),
        ({"M0": None}, "needs the size M0; give M0=..."),
        ({"M": -1}, "size M is -1; give an integer of at least 1"),
        ({"M": 0}, "size M is 0"),
        ({"M": 1.5}, "size M is 1.5"),
        ({"M": True}, "size M is True"),
        ({"N": 4}, "has no size 'N'; known"),
        ({"m1": 4}, "has no size 'm1'; the size of rank m1 is M1"),
        ({"M1": 4}, "size M1 is ceil(M/M0) = 3, not 4; leave M1 out"),
    ],
)
def test_wrong_sizes_are_refused(change, message):
    sizes = {"E": 2, "F": 3, "P": 4, "M": 10, "M0": 4, **change}
    with pytest.raises(SpecError) as caught:
        bind_sizes(load("attention-1pass"), {name: value for name, value in sizes.items() if value is not None})
    assert message in str(caught.value)


def test_steps_group_the_cycles():
    found = [(tuple(e.name for e in step.einsums), step.rank) for step in steps(load("attention-1pass"))]
    assert (("RM",), "m1") in found
    assert (("SPD", "RD"), "m1") in found
    assert (("SPNV", "RNV"), "m1") in found
    assert sum(rank is not None for _, rank in found) == 3
    assert sum(len(names) for names, _ in found) == 14


def test_dependences():
    graph = dependences(load("attention-3pass"))
    assert sorted(graph.edges) == [
        ("A", "AV"),
        ("GM", "SN"),
        ("QK", "GM"),
        ("QK", "SN"),
        ("SD", "A"),
        ("SN", "A"),
        ("SN", "SD"),
    ]
