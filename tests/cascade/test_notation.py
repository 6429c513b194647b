"""The reference page says what the package does."""

import re
from pathlib import Path

import numpy as np
import pytest

from einsim.cascade import bind_sizes, evaluate, operations, parse
from einsim.cascade.names import RESERVED
from einsim.errors import SpecError

PAGE = (Path(__file__).parents[2] / "docs" / "notation.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.S | re.M)
MADE = re.compile(r"^([A-Z]\w*)[^=\n]*= ", re.M)


def cascade_of(block):
    """The cascade of an example that may leave out its first line and its outputs."""
    head = "" if block.startswith("cascade") else "cascade c\n"
    outputs = "" if re.search("^output", block, re.M) else f"output {MADE.findall(block)[-1]}\n"
    return parse(head + outputs + block)


def rows(section):
    """The cells of a section's tables."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_the_first_example_is_a_cascade():
    assert cascade_of(BLOCKS[0]).name == "scores"


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_is_a_cascade_with_values(block):
    cascade = cascade_of(block)
    sizes = {"E": 2, "P": 3, "M": 3, "U": 3, "V": 2, "S": 2, "W": 2, "SINK": 1, "Y": 4, "M0": 2, "J": 2, "F": 2}
    sizes |= {"C": 2, "K": 3, "M1": 2, "I": 3}
    derived = {"M"} if "like i" in block or "rank m =" in block else {"M1"} if "split" in block else set()
    derived |= {"P", "C"} & {rank.name.upper() for rank in cascade.ranks if rank.size or rank.like}
    known = {rank for tensor in cascade.inputs for rank in tensor.ranks} | {rank.name for rank in cascade.ranks}
    given = {symbol: size for symbol, size in sizes.items() if symbol not in derived}
    symbols = {rank.upper() for rank in known} | set(cascade.sizes) | {split.size for split in cascade.splits}
    bound = bind_sizes(cascade, {symbol: size for symbol, size in given.items() if symbol in symbols})
    inputs = {tensor.name: np.ones([bound[rank.upper()] for rank in tensor.ranks]) for tensor in cascade.inputs}
    found = evaluate(cascade, inputs, bound)
    assert all(np.isfinite(found[name]).all() for name in cascade.outputs)


def test_every_word_is_on_the_page():
    assert [word for word in sorted(RESERVED) if not re.search(rf"(?<![\w-]){word}\b", PAGE)] == []


HEAD = "cascade c\noutput Z\nsize SINK, T\n"
TENSORS = {"A": "A[m,p]", "G": "G[p]", "Q": "Q[e,p]", "K": "K[e,m]", "S": "S[m,p]", "B": "B[p]"}


@pytest.mark.parametrize("statement", [words(row[0])[0] for row in rows("Einsums")])
def test_the_table_of_einsums(statement):
    made = re.match(r"\w+", statement)[0]
    tensors = {**TENSORS, "A": "A[k]", "B": "B[k]"} if made == "Z" else TENSORS
    given = ", ".join(text for name, text in tensors.items() if name != made)
    assert len(parse(f"cascade c\ninput {given}\noutput {made}\nrank j\n{statement}").einsums) == 1


@pytest.mark.parametrize("operand", [word for row in rows("Expressions") for word in words(row[0])])
def test_the_table_of_operands(operand):
    parse(f"{HEAD}input A[m,p], scale, X[d]\nZ[m,p,d] = X[d] * A[m,p] * {operand}")


@pytest.mark.parametrize("operand", [word for row in rows("Indices") for word in words(row[0])])
def test_the_table_of_indices(operand):
    parse(f"{HEAD}input A[m], K[e,m], IX[j]\nsplit m into m1, m0 by M0\nrank p, n, w\nZ[m] = A[m] * {operand}")


@pytest.mark.parametrize(("statement", "names"), [(words(row[0])[0], row[1]) for row in rows("What an Einsum costs")])
def test_the_table_of_operations(statement, names):
    head = "cascade c\ninput Q[e,p], K[e,m], G[p], {}\noutput {}\nsplit m into m1, m0 by M0\n"
    made = statement.split("[")[0]
    given = "S[m,p]" if made != "S" else "N[m,p]"
    cascade = parse(head.format(f"{given}, N[m,p]" if made == "D" else given, made) + statement)
    expected = () if names == "none" else tuple(names.split(", "))
    assert operations(cascade.einsums[0]) == expected


CALLS = "`gelu` is the tanh form, `elu1` is elu + 1, `round` takes halves to the even neighbour"


def test_functions_and_their_order_of_binding_are_as_described():
    assert CALLS in PAGE
    text = "cascade c\ninput X[x], s\noutput Z\nZ[x] = {}"
    stated, meant = "2 * X[x+1] else 0 + s", "2 * (X[x+1] else 0) + s"
    assert f"`{stated}` is `{meant}`" in PAGE
    assert parse(text.format(stated)) == parse(text.format(meant))
    one = "Z[x] = s when not x < 1 and x < 2 or x > 4"
    other = "Z[x] = s when ((not (x < 1)) and (x < 2)) or (x > 4)"
    assert parse(text.replace("Z[x] = {}", one)) == parse(text.replace("Z[x] = {}", other))


A = "input A[m], IX[j]\noutput Z\n"
REFUSALS = [
    ("input Q[e,p], K[m]\noutput Z\nZ[m] = Q[e,m]", {}, "dimension 2 of 'Q' has rank 'p', read with 'm'"),
    ("input Q[e,p], s\noutput Z\nZ[p] = Q[e,p] + s", {}, "a sum over e of several terms has two readings"),
    (
        "input Q[e,p], K[e,m]\noutput Z\nZ[p] = Q[e,p] when m < p",
        {},
        "rank 'm' of the filter is no rank of 'Z[p] = Q[e,p]'",
    ),
    ("input Q[e,p], K[e,m]\noutput Z\nZ[m,p] = Q[e,p]", {}, "rank 'm' of Z[m,p] is absent on the right"),
    ("input Q[e,p]\noutput Z\nZ[p] = topk over e: Q[e,p]", {}, "Z[p] needs exactly one rank that is not on the right"),
    ("input Q[e,p]\noutput Z\nZ[2*p] = Q[e,p]", {}, "the left side cannot be written at '2*p'"),
    ("input Q[e,p]\noutput Z\nZ[e,p] = Q[e,p] % 2", {}, "'%' works on ranks and sizes only"),
    ("input Q[e]\noutput Z\nZ[e] = Y[e]\nY[e] = Q[e]", {}, "tensor 'Y' is used before it is made"),
    ("input Q[p]\noutput Z\nZ[p] = Q[p]\nZ[p] = Q[p]", {}, "tensor 'Z' is made twice"),
    ("input Q[e,p]\noutput Z\nZ[e,p] = Z[e,p] + Q[e,p]", {}, "cyclic use: 'Z' needs 'Z[e,p]'"),
    ("input A[k]\noutput S\nS[k+1] = S[k] + A[k]", {}, "iterative tensor 'S' has no first slice"),
    ("input Q[e]\noutput Z\nZ[e] = Q[e+1]", {}, "index 'e+1' of dimension 1 of 'Q' reaches E"),
    (A + "rank p like m\nrank w\nZ[p,w] = A[p-w]", {"W": 2}, "index 'p-w' of dimension 1 of 'A' reaches -1"),
    (
        A + "split m into m1, m0 by M0\nT[m1,m0] = A[m1*M0+m0]\nZ[m1] = T[m1,M0-1]",
        {"M0": 3},
        "T[m1,M0-1] reads element 5 of rank m, which has 5",
    ),
    (A + "Z[j] = A[IX[j]]", {}, "index 'IX[j]': IX holds an element that is no integer"),
    (
        A + "tensor Z[m]\nZ[0] = 1\nZ[m] = A[m]",
        {},
        "'Z-2' writes elements of 'Z' that are written already",
    ),
    (A + "rank i\nZ[i] = topk over m: A[m]", {"I": 6}, "'Z' selects 6 of 5 elements"),
    (A + "rank s within m\nZ[s] = A[s]", {"S": 6}, "rank 's' walks within 'm', but S = 6 exceeds M = 5"),
    (A + "rank t\nrank c = T+M\nZ[m] = A[m]", {"T": 2, "C": 8}, "size C is M+T = 7, not 8"),
    (A + "rank q like i\nsplit q into i, n by N\nZ[m] = A[m]", {}, "size I follows from itself"),
]


@pytest.mark.parametrize(("text", "sizes", "message"), REFUSALS)
def test_the_messages_on_the_page_are_those_of_the_package(text, sizes, message):
    assert f"`{message.replace('size I', 'size J')}`" in PAGE
    with pytest.raises(SpecError) as caught:
        evaluate(parse(f"cascade c\n{text}"), {"A": np.arange(5), "IX": [0, 0.5]}, sizes)
    assert message in caught.value.message


def test_every_message_on_the_page_is_tested():
    assert len(rows("When a cascade is refused")) == len(REFUSALS)
