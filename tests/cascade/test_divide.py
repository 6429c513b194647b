"""Divided cascades: what their parts compute, put together, is what the whole cascade computes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.cascade import Division, divide, evaluate, parse, size_of, tensor_ranks
from einsim.errors import SpecError

from .library import load

REDUCTIONS = ("sum over {}: ", "max over {}: ", "min over {}: ", "prod over {}: ")


def pieces(array, axis, division, sizes):
    """The parts of an array along one of its axes."""
    shape = list(array.shape)
    bounds = np.cumsum([sizes[size_of(part)] for part in division.parts])
    if division.groups is not None:
        array = array.reshape([*shape[:axis], sizes[size_of(division.groups)], bounds[-1], *shape[axis + 1 :]])
        axis += 1
    return np.split(array, bounds[:-1], axis)


def together(arrays, axis, division):
    """What `pieces` took apart."""
    if division.groups is None:
        return np.concatenate(arrays, axis)
    whole = np.concatenate(arrays, axis + 1)
    return whole.reshape([*whole.shape[:axis], -1, *whole.shape[axis + 2 :]])


def compare(cascade, division, inputs, sizes):
    """Both cascades make the same of inputs; `sizes` are those of the new ranks and of tiles."""
    divided = divide(cascade, division)
    given_parts = {}
    for tensor in cascade.inputs:
        if division.rank not in tensor.ranks:
            given_parts[tensor.name] = inputs[tensor.name]
            continue
        cut = pieces(inputs[tensor.name], tensor.ranks.index(division.rank), division, sizes)
        given_parts |= {f"{tensor.name}_{part}": each for part, each in zip(division.parts, cut, strict=True)}
    tiles = {split.size: sizes[split.size] for split in cascade.splits}
    made = evaluate(cascade, inputs, tiles)
    parts = evaluate(divided, given_parts, tiles | {size_of(rank): sizes[size_of(rank)] for rank in division.added})
    for name, expected in made.items():
        ranks = tensor_ranks(cascade, name)
        found = parts[name] if division.rank not in ranks else together(
            [parts[f"{name}_{part}"] for part in division.parts], ranks.index(division.rank), division)  # fmt: skip
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=f"{name} in\n{divided}")


@st.composite
def cascades(draw):
    """Text of a cascade over ranks r, s and t, whose every use of r is one that may be divided."""
    dims = {"X": ("r", "s"), "Y": ("s", "t"), "Z": ("r",), "W": ("t", "r")}
    lines, inits = [], []
    for number in range(draw(st.integers(1, 5))):
        chosen = draw(st.lists(st.sampled_from(sorted(dims)), min_size=1, max_size=3))
        reads = [f"{name}[{','.join(dims[name])}]" for name in chosen]
        ranks = list(dict.fromkeys(rank for name in chosen for rank in dims[name]))
        name = f"T{number}"
        if draw(st.booleans()) and "s" in ranks:  # one that iterates over s
            left = [rank for rank in ranks if rank != "s"]
            inits.append(f"init {name}[{','.join(['0', *left])}] = {draw(st.sampled_from(['0', '-inf', '1']))}")
            before = f"{name}[{','.join(['s', *left])}]"
            step = draw(st.sampled_from(["max({}, {})", "0.5 * {} + tanh({})"]))
            lines.append(f"{name}[{','.join(['s+1', *left])}] = {step.format(before, ' * '.join(reads))}")
            continue
        left = draw(st.permutations(ranks))[: draw(st.integers(0, len(ranks)))]
        reduced = [rank for rank in ranks if rank not in left]
        over = draw(st.sampled_from(REDUCTIONS)).format(",".join(reduced)) if reduced else ""
        body = draw(st.sampled_from([" * ", " + "])).join(f"tanh({read})" for read in reads)
        when = draw(st.sampled_from(["", "", f" when {reads[0]} > 0"]))
        lines.append(f"{name}{'[' + ','.join(left) + ']' if left else ''} = {over}{body}{when}")
        dims[name] = tuple(left)
        if not left:
            del dims[name]
    inputs = ", ".join(f"{name}[{','.join(dims[name])}]" for name in ("X", "Y", "Z", "W"))
    return "\n".join([f"cascade random\ninput {inputs}\noutput T{number}", *inits, *lines])


@settings(max_examples=300, deadline=None)
@given(
    cascades(), st.lists(st.integers(1, 3), min_size=2, max_size=3), st.integers(1, 3), st.booleans(), st.integers(0)
)
def test_parts_together_are_the_whole(text, lengths, groups, grouped, seed):
    cascade = parse(text)
    parts = tuple(f"r{letter}" for letter, _ in zip("abc", lengths, strict=False))
    division = Division("r", parts, "rg" if grouped else None)
    sizes = {size_of(part): length for part, length in zip(parts, lengths, strict=True)} | {
        "RG": groups,
        "S": 3,
        "T": 2,
    }
    sizes["R"] = sum(lengths) * (groups if grouped else 1)
    random = np.random.default_rng(seed)
    inputs = {each.name: random.normal(size=[sizes[size_of(r)] for r in each.ranks]) for each in cascade.inputs}
    compare(cascade, division, inputs, sizes)


@pytest.mark.parametrize(
    ("rank", "groups", "sizes"),
    [("p", None, {"PA": 3, "PB": 4}), ("p", "pg", {"PA": 2, "PB": 1, "PG": 3}), ("f", None, {"FA": 1, "FB": 3}),
     ("e", None, {"EA": 2, "EB": 3})],
)  # fmt: skip
def test_attention_in_parts(rank, groups, sizes):
    cascade = load("attention-1pass")
    whole = {"E": 5, "F": 4, "M": 10, "P": 7} | ({"P": 9} if groups else {})
    random = np.random.default_rng(7)
    inputs = {each.name: random.normal(size=[whole[size_of(r)] for r in each.ranks]) for each in cascade.inputs}
    compare(cascade, Division(rank, (f"{rank}a", f"{rank}b"), groups), inputs, sizes | {"M0": 4})


def test_the_text_of_a_divided_cascade_reads_back():
    divided = divide(load("attention-1pass"), Division("p", ("pa", "pb"), "pg"))
    assert parse(str(divided)) == divided
    assert divide(divided, Division("f", ("fa", "fb"))).outputs == ("AV_pa_fa", "AV_pa_fb", "AV_pb_fa", "AV_pb_fb")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("input X[r]\noutput Z\nsplit r into r1, r0 by R0\nZ = X[r]", "it is cut into tiles"),
        ("input X[r]\noutput Z\nrank q like r\nZ[r] = sum over q: X[q] * X[r]", "ranks depend on it"),
        ("input X[s]\noutput Z\nrank r within s\nZ[r] = X[r]", "ranks depend on it"),
        ("input X[r], Y[c]\noutput Z\nrank c = 2*R\nZ[r,c] = X[r] * Y[c]", "the size of 'c' depends on it"),
        ("input X[r,s]\noutput Z\nsequence r\nZ[s] = X[r,s]", "the stream whose passes are counted"),
        ("input X[r,s]\noutput Z\nZ[s] = argmax over r: X[r,s]", "Z selects along it (argmax)"),
        ("input X[s]\noutput Z\nrank r\nZ[r] = topk over s: X[s]", "Z ranks elements along it"),
        (
            "input X[r,s]\noutput Z\ninit Z[0] = 0\nZ[s+1] = sum over r: Z[s] * X[r,s]",
            "Z is reduced over it and iterates",
        ),
        ("input X[s,r]\noutput Z\ninit Z[s,0] = 0\nZ[s,r+1] = Z[s,r] + X[s,r]", "Z needs other elements of it"),
        ("input X[r]\noutput Z\nZ[r] = X[r] * (X[r-1] else 0)", "Z needs other elements of it ('X[r-1] else 0')"),
        ("input X[r], Y[s]\noutput Z\nZ[s] = Y[s] * X[R-1]", "Z needs other elements of it"),
        ("input X[r], I[r]\noutput Z\nZ[r] = X[I[r]]", "Z needs other elements of it"),
        ("input X[r]\noutput Z\nZ = sum over r: X[r] / R", "Z computes with its size"),
        ("input X[r,s]\noutput Z\nZ[r] = sum over s: X[r,s] when s <= r", "Z computes with 'r'"),
        ("input X[r], X_ra[r]\noutput Z\nZ[r] = X[r] * X_ra[r]", "'X_ra' is in the cascade already"),
    ],
)
def test_what_cannot_be_divided_is_refused_with_the_reason(lines, why):
    cascade = parse(f"cascade c\n{lines}")
    with pytest.raises(SpecError) as error:
        divide(cascade, Division("r", ("ra", "rb")))
    assert why in error.value.message
    assert error.value.remedy


def test_divisions_that_are_none():
    with pytest.raises(SpecError, match="has no rank 'q'"):
        divide(load("attention-1pass"), Division("q", ("qa", "qb")))
    for parts in (("pa",), ("pa", "pa")):
        with pytest.raises(SpecError, match="two parts or more"):
            Division("p", parts)
    with pytest.raises(SpecError, match="cannot name a rank"):
        Division("p", ("Pa", "pb"))
