"""What a mapping may not say: the wrong is refused with its reason, the odd but right is taken."""

from math import prod

import pytest

from einsim.cascade import bind_sizes, iteration_ranks, size_of
from einsim.errors import SpecError
from einsim.model.closed_form import evaluate
from einsim.schedule.lower import lower

from ..model.compare import differences
from ..model.designs import Sweep, machine

SPLIT = "cascade x\ninput X[m,a]\noutput {}\nsplit m into m1, m0 by M0\n"
FULL = SPLIT.format("T") + "T[m1,m0,a] = exp(X[m1*M0+m0,a])\n"
COARSE = SPLIT.format("T") + "T[m1,a] = max over m0: X[m1*M0+m0,a]\n"
PLAIN = "cascade x\ninput X[a,b]\noutput T\nT[a] = sum over b: exp(X[a,b])\n"
STORED = {"X": ["dram", "registers2d"], "T": ["dram", "registers2d"]}
POINT = {"M": 7, "M0": 2, "A": 3}
MACHINE = {"array2d.rows": 4, "array2d.columns": 4, "array1d.lanes": 4}


def nest(**levels):
    """A nest on the 2D array: loops by level, axes by name."""
    axes = {axis: levels.pop(axis) for axis in ("rows", "columns") if axis in levels}
    return {"array": "array2d", "loops": levels, "spatial": axes}


def design(text, nests, einsums, partition=None, point=POINT, **more):
    mapping = {
        "name": "x", "cascade": "x", "architecture": "x", "partition": partition or {}, "nests": nests,
        "einsums": einsums, "phases": [{"run": {"array2d": list(einsums)}}], **more,
    }  # fmt: skip
    values = {**MACHINE, **point}
    return Sweep(text, mapping, machine(["dram", "buffer"]), (values,)).design(values)


def one(text, loops, partition=None, **plan):
    """A cascade of one Einsum T in one nest."""
    point = POINT if "M0" in text else {"A": 3, "B": 2}
    return design(text, {"n": loops}, {"T": {"nest": "n", "keep": STORED, **plan}}, partition, point)


@pytest.mark.parametrize("text", [FULL, COARSE])
@pytest.mark.parametrize(
    ("loops", "partition"),
    [
        (nest(dram=["mx", "m0", "a"]), {"m1": {"mx": "2"}}),
        (nest(dram=["mx", "m1", "m0", "a"]), {"m": {"mx": "5"}}),
        (nest(dram=["m1", "mx", "m0", "a"]), {"m": {"mx": "1"}}),
        (nest(dram=["mx", "a"], buffer=["m0"]), {"m1": {"mx": "2"}}),
        (nest(dram=["a"], rows="mx", registers2d=["m0"]), {"m1": {"mx": "2"}}),
    ],
)
def test_loops_that_cut_through_tiles_of_a_split_rank_are_refused(text, loops, partition):
    with pytest.raises(SpecError, match=r"T: the loops over 'm' cut through its tiles of M0.*walk 'm1' to its end"):
        lower(one(text, loops, partition))


@pytest.mark.parametrize("loops", [nest(dram=["m", "a"]), nest(dram=["a"], rows="m")])
def test_a_rank_walked_without_its_tiles_is_fine_unless_a_tensor_has_one_word_a_tile(loops):
    assert differences(one(FULL, loops)) == []
    with pytest.raises(SpecError, match="cut through its tiles of M0"):
        lower(one(COARSE, loops))


@pytest.mark.parametrize("text", [FULL, COARSE])
@pytest.mark.parametrize(
    ("loops", "partition"),
    [
        (nest(dram=["mx", "a"], rows="m1", registers2d=["m0"]), {"m": {"mx": "2 * M0"}}),
        (nest(dram=["a"], rows="mx", registers2d=["m0"]), {"m1": {"mx": "1"}}),
        (nest(dram=["a"], rows="mx", registers2d=["m1", "m0"]), {"m1": {"mx": "2"}}),
        (nest(dram=["m1", "a"], buffer=["mx"], columns="m0"), {"m0": {"mx": "3"}}),
    ],
)
def test_tiles_of_a_split_rank_may_lie_along_an_axis(text, loops, partition):
    assert differences(one(text, loops, partition)) == []


BESIDE = SPLIT.format("T,L") + "L[m1,a] = max over m0: X[m1*M0+m0,a]\nT[m,m1,a] = X[m,a] * L[m1,a]\n"
TWIN = (SPLIT + "rank p0 like m0\n").format("L,T") + (
    "L[m1,p0,a] = exp(X[m1*M0+p0,a])\nT[m1,m0,p0,a] = X[m1*M0+m0,a] * L[m1,p0,a]\n"
)
INSIDE = SPLIT.format("L,T") + "L[m0,a] = max over m1: X[m1*M0+m0,a]\nT[m1,m0,a] = X[m1*M0+m0,a] * L[m0,a]\n"
TWICE = (
    SPLIT.format("L,T")
    + "split m0 into c, d by D\nL[m1,a] = max over c,d: X[m1*M0+c*D+d,a]\nT = max over m1,a: L[m1,a]\n"
)


@pytest.mark.parametrize("sizes", [{"M": 8, "M0": 2}, {"M": 12, "M0": 4}, {"M": 6, "M0": 6}])
@pytest.mark.parametrize(
    ("text", "loops"),
    [
        (BESIDE, (nest(dram=["m1"], buffer=["a"], rows="m0"), nest(dram=["a", "m1"], buffer=["m"]))),
        (TWIN, (nest(dram=["m1", "a"], rows="p0"), nest(dram=["m1", "a"], rows="p0", columns="m0"))),
        (TWIN, (nest(dram=["p0"], buffer=["m1", "a"]), nest(dram=["m0"], buffer=["p0", "m1", "a"]))),
        (INSIDE, (nest(dram=["a", "m1"], rows="m0"), nest(dram=["m1", "a"], rows="m0"))),
        (INSIDE, (nest(dram=["m0", "a", "m1"]), nest(dram=["m0", "m1", "a"]))),
        (TWICE, (nest(dram=["m1", "d", "a"], rows="c"), nest(dram=["m1", "a"]))),
    ],
)
def test_parts_that_do_not_stand_as_tiles_are_ranks_of_their_own(text, loops, sizes):
    point = {"A": 3, **sizes} | ({"D": 2} if " by D" in text else {})
    through = ["dram", "registers2d"]
    einsums = {name: {"nest": own, "keep": dict.fromkeys(("X", "L", "T"), through)} for name, own in ("Ln", "To")}
    einsums["L"]["keep"] = dict.fromkeys(("X", "L"), through)
    if "X" not in text.rpartition("T")[2]:
        einsums["T"]["keep"] = dict.fromkeys(("L", "T"), through)
    made = design(text, dict(zip("no", loops, strict=True)), einsums, None, point)
    assert differences(made) == []
    extents = bind_sizes(made.cascade, point)
    counts = evaluate(made).counts
    for einsum in made.cascade.einsums:
        points = prod(extents[size_of(rank)] for rank in iteration_ranks(einsum))
        assert counts.einsums[einsum.name].points == points


def through_a_view(home: str):
    text = "cascade x\ninput X[a,b]\noutput U\nT[a,b] = exp(X[a,b])\nV[a,b] = T[a,b]\nU[a,b] = exp(V[a,b])\n"
    einsums = {
        "T": {"nest": "n", "keep": {"X": ["dram", "registers2d"], "T": ["buffer", "registers2d"]}},
        "U": {"nest": "n", "keep": {"V": [home, "registers2d"], "U": ["dram", "registers2d"]}},
    }
    return design(text, {"n": nest(dram=["a", "b"])}, einsums, None, {"A": 3, "B": 2}, views=["V"])


def test_a_view_is_where_its_tensor_is():
    assert differences(through_a_view("buffer")) == []
    with pytest.raises(SpecError, match="U takes V from dram, but it is in: buffer, registers2d"):
        lower(through_a_view("dram"))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"accumulate": ["zz"]}, "T has no 'zz'; known: a"),
        ({"accumulate": ["b"]}, "T has no 'b'; known: a"),
        ({"uncharged_operations": ["mac"]}, "T has no 'mac'"),
        ({"uncharged_levels": {"Y": ["dram"]}}, "T does not touch 'Y'"),
        ({"uncharged_levels": {"X": ["drum"]}}, "X does not pass through 'drum'; did you mean 'dram'"),
        ({"uncharged_levels": {"X": ["buffer"]}}, "X does not pass through 'buffer'"),
        ({"keep": {**STORED, "Z": ["dram", "registers2d"]}}, "T does not touch 'Z'"),
        ({"keep": {**STORED, "X": ["registers2d", "dram"]}}, "X must end in registers2d"),
        ({"keep": {**STORED, "X": ["dram", "dram", "registers2d"]}}, "levels must stand outermost first"),
        ({"keep": {**STORED, "X": ["buffer", "registers2d"]}}, "T takes X from buffer, but it is in: dram"),
        ({"keep": {**STORED, "T": ["buffer", "registers2d"]}}, "output T never reaches dram"),
        ({"nest": "m"}, "T: unknown nest 'm'"),
    ],
)
def test_a_plan_that_names_what_is_not_there_is_refused(plan, message):
    with pytest.raises(SpecError, match=message):
        lower(one(PLAIN, nest(dram=["a", "b"]), **plan))


@pytest.mark.parametrize(
    ("loops", "message"),
    [
        (nest(dram=["a"]), "does not walk rank 'b' to its end"),
        (nest(dram=["a", "ax", "b"]), "does not walk rank 'a' to its end"),
        (nest(dram=["a", "b", "a"]), "loop 'a' stands twice"),
        (nest(dram=["a", "c"]), "unknown loop 'c'"),
        (nest(dram=["b"], rows="ax", columns="a"), "rank 'a' lies along two axes"),
        (nest(buffer=["a"], dram=["b"]), "levels must stand outermost first"),
        (nest(drum=["a"], buffer=["b"]), "unknown level 'drum'; did you mean 'dram'"),
    ],
)
def test_a_nest_that_is_incomplete_or_out_of_order_is_refused(loops, message):
    with pytest.raises(SpecError, match=message):
        lower(one(PLAIN, loops, {"a": {"ax": "2"}}))


def test_a_spill_of_an_unknown_tensor_is_refused():
    spill = [{"level": "buffer", "tensors": ["X", "Y"], "proportion": "0"}]
    einsums = {"T": {"nest": "n", "keep": STORED}}
    nests = {"n": nest(dram=["a", "b"])}
    with pytest.raises(SpecError, match="unknown tensor 'Y'"):
        lower(design(PLAIN, nests, einsums, None, {"A": 3, "B": 2}, spill=spill))


def test_a_sum_that_is_read_once_it_is_complete_may_be_made_in_any_order():
    text = "cascade x\ninput X[a,b]\noutput T\nS[a] = sum over b: exp(X[a,b])\nT[a,b] = exp(X[a,b] - S[a])\n"
    einsums = {
        "S": {"nest": "n", "keep": {"X": ["dram", "registers2d"], "S": ["buffer", "registers2d"]}},
        "T": {"nest": "n", "keep": {**STORED, "S": ["buffer", "registers2d"]}},
    }
    sizes = {"A": 3, "B": 2}
    for loops, words in ((nest(dram=["a"], buffer=["b"]), 1), (nest(dram=["b"], buffer=["a"]), 3)):
        made = design(text, {"n": loops}, einsums, None, sizes)
        assert differences(made) == []
        assert lower(made).occupancy == {"buffer": 2 * words}
