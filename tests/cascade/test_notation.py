"""The reference page says what the package does."""

import re
from pathlib import Path

import pytest

from einsim.cascade import FUNCTIONS, operations, parse
from einsim.errors import SpecError

PAGE = (Path(__file__).parents[2] / "docs" / "notation.md").read_text(encoding="utf-8")


def test_the_first_example_is_a_cascade():
    assert parse(re.search(r"```\n(cascade.*?)```", PAGE, re.S)[1]).name == "scores"


def test_every_function_is_on_the_page():
    assert all(re.search(rf"\b{name}\b", PAGE) for name in FUNCTIONS)


def test_the_running_sum_is_a_cascade():
    block = re.search(r"```\n(init S.*?)```", PAGE, re.S)[1]
    assert len(parse(f"cascade c\ninput A[k,p]\noutput Z\n{block}").einsums) == 2


@pytest.mark.parametrize(
    ("statement", "names"),
    re.findall(r"^\| `(\w+\[[^`]* = [^`]*)` \| ([a-z, ]+) \|$", PAGE.split("costs")[1], re.M),
)
def test_the_table_of_operations(statement, names):
    head = "cascade c\ninput Q[e,p], K[e,m], G[p], {}\noutput {}\nsplit m into m1, m0 by M0\n"
    made = statement.split("[")[0]
    given = "S[m,p]" if made != "S" else "N[m,p]"
    cascade = parse(head.format(f"{given}, N[m,p]" if made == "D" else given, made) + statement)
    expected = () if names == "none" else tuple(names.split(", "))
    assert operations(cascade.einsums[0]) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input Q[e,p], K[m]\noutput Z\nZ[m] = Q[e,m]", "dimension 2 of 'Q' has rank 'p', read with 'm'"),
        ("input Q[e,p], s\noutput Z\nZ[p] = Q[e,p] + s", "a sum over e of several terms has two readings"),
        ("input Q[e]\noutput Z\nZ[e] = Y[e]\nY[e] = Q[e]", "tensor 'Y' is used before it is made"),
        ("input Q[e,p]\noutput Z\nZ[e,p] = Z[e,p] + Q[e,p]", "cyclic use: 'Z' needs 'Z[e,p]'"),
        ("input A[k]\noutput S\nS[k+1] = S[k] + A[k]", "iterative tensor 'S' has no first slice"),
        ("input Q[e]\noutput Z\nZ[e] = Q[e+1]", "index 'e+1' of dimension 1 of 'Q' reaches E"),
    ],
)
def test_the_messages_on_the_page_are_those_of_the_package(text, message):
    assert f"`{message}`" in PAGE
    with pytest.raises(SpecError) as caught:
        parse(f"cascade c\n{text}")
    assert message in caught.value.message
