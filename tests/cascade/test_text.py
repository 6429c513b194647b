"""Text and records say the same thing: parse(str(c)) == c."""

import dataclasses
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.cascade import (
    Access,
    Binary,
    Cascade,
    Compare,
    Einsum,
    Index,
    Init,
    Junction,
    Negate,
    Number,
    Position,
    Quotient,
    RankDecl,
    Split,
    TensorDecl,
    Term,
    parse,
)
from einsim.cascade.build import build
from einsim.cascade.syntax import tree_of
from einsim.errors import SpecError

from .library import TEXTS, load
from .nodes import conditions, expressions, indices
from .programs import programs


@pytest.mark.parametrize("name", TEXTS)
def test_the_library_round_trips(name):
    cascade = load(name)
    assert parse(str(cascade)) == cascade
    assert str(parse(str(cascade))) == str(cascade)


@settings(max_examples=200, deadline=None)
@given(programs())
def test_random_cascades_round_trip(program):
    cascade = parse(program[0])
    assert parse(str(cascade)) == cascade
    assert hash(parse(str(cascade))) == hash(cascade)


def rebuilt(body):
    """The expression read back from its text, unchecked; S is declared as a scalar."""
    return rebuilt_cascade(Cascade("c", inits=(Init(Access("T", (Index(),)), body),))).inits[0].body


def rebuilt_cascade(cascade):
    """A cascade read back from its text, unchecked; S is a scalar, m, m0, m1 and p are ranks."""
    ranks = tuple(RankDecl(rank) for rank in ("m", "m0", "m1", "p"))
    text = str(dataclasses.replace(cascade, inputs=(TensorDecl("S"),), ranks=ranks))
    return build(tree_of(text, "c"), "c")


@settings(max_examples=500, deadline=None)
@given(expressions())
def test_random_expressions_round_trip(body):
    assert rebuilt(body) == body


@settings(max_examples=300, deadline=None)
@given(conditions(), st.sampled_from([None, Number(0.25), Access("S")]))
def test_random_filters_round_trip(when, density):
    left = Access("Z", tuple(map(Index.of, ("m", "m0", "m1", "p"))))
    einsum = Einsum(left, Access("S"), None, when, density)
    assert rebuilt_cascade(Cascade("c", einsums=(einsum,))).einsums == (einsum,)


@settings(max_examples=300, deadline=None)
@given(indices())
def test_random_indices_round_trip(index):
    assert rebuilt(Access("A", (index,))) == Access("A", (index,))


@given(st.text(), st.text())
def test_titles_and_sources_round_trip(title, source):
    cascade = dataclasses.replace(load("softmax"), title=title, source=source)
    assert parse(str(cascade)) == cascade


def test_the_printed_form():
    text = """
cascade   demo-1.b   # a comment
# another

"One title"
source "A \\"quoted\\" source"

input Q[ e , p ],K[e,m]
input scale
split m into m1,m0 by M0
output Z, L
BK[e,m1,m0] = K[e, m0 + M0*m1]
Z[p,m1] = sum over e, m0: (Q[e,p]*BK[e,m1,m0]*scale)
init L[0,p] = -inf
L[m1 + 1,p] = max(L[1+m1-1,p],Z[p,m1]/(2*3))-(1-1e-9)
"""
    assert str(parse(text)) == (
        """cascade demo-1.b
"One title"
source "A \\"quoted\\" source"

input Q[e,p], K[e,m], scale
output Z, L
split m into m1, m0 by M0

init L[0,p] = -inf
BK[e,m1,m0] = K[e,m1*M0+m0]
Z[p,m1] = Q[e,p] * BK[e,m1,m0] * scale
L[m1+1,p] = max(L[m1,p], Z[p,m1] / (2 * 3)) - (1 - 1e-09)
"""
    )


def test_records_of_a_small_cascade():
    cascade = parse('cascade c\n"T"\ninput A[m]\noutput Z\nsplit m into m1, m0 by M0\nZ[m1] = A[m1*M0+m0]')
    index = Index((Term(1, ("M0",), ("m1",)), Term(1, (), ("m0",))))
    assert cascade == Cascade(
        name="c",
        title="T",
        inputs=(TensorDecl("A", ("m",)),),
        outputs=("Z",),
        splits=(Split("m", "m1", "m0", "M0"),),
        einsums=(Einsum(Access("Z", (Index.of("m1"),)), Access("A", (index,)), "sum"),),
    )
    assert cascade.einsum("Z").output.tensor == "Z"
    with pytest.raises(KeyError):
        cascade.einsum("A")


def test_equality_ignores_places_in_the_text():
    one = parse("cascade c\ninput A[k]\noutput Z\nZ = A[k]", "one")
    two = parse("# first\n\n\ncascade c\r\ninput   A[k]\r\n\r\noutput Z\r\nZ[]   =   A[k] # last", "two")
    assert one == two
    assert hash(one) == hash(two)
    assert one.einsums[0].at != two.einsums[0].at


def test_an_explicit_sum_of_a_product_is_the_implicit_one():
    text = "cascade c\ninput A[k]\noutput Z\nZ = {}A[k] * 2"
    assert parse(text.format("sum over k: ")) == parse(text.format(""))


def test_records_are_frozen_and_travel_between_processes():
    cascade = load("attention-1pass")
    with pytest.raises(dataclasses.FrozenInstanceError):
        cascade.name = "other"
    assert pickle.loads(pickle.dumps(cascade)) == cascade


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("m0+m1*M0", "m1*M0+m0"),
        ("M0*m1+m0", "m1*M0+m0"),
        ("1+m1", "m1+1"),
        ("m1-m1", "0"),
        ("-p+M-1", "-p+M-1"),
        ("2*m+m", "3*m"),
        ("2*M0*m1*3", "6*m1*M0"),
        ("M*P", "M*P"),
        ("0*m", "0"),
        ("m*p", "m*p"),
        ("d*(a-1)", "a*d-d"),
        ("(m//M0)*M0+m%M0", "(m//M0)*M0+m%M0"),
        ("-(m//2)", "-(m//2)"),
        ("-m//2", "(-m)//2"),
        ("m//2//3", "(m//2)//3"),
        ("2*m//M0", "(2*m)//M0"),
        ("max(0,min(y-W//2,H-W))+u", "u+max(0, min(y-(W//2), H-W))"),
        ("B[j,p]*N+n", "B[j,p]*N+n"),
    ],
)
def test_indices_have_one_form(text, canonical):
    tree = tree_of(f"cascade c\ninit T[0] = A[{text}]", "c")
    assert str(build(tree, "c").inits[0].body) == f"A[{canonical}]"


def test_properties_of_an_index():
    whole = Index((Term(1, (), ("m0",)), Term(1, ("M0",), ("m1",)), Term(-1)))
    assert whole.ranks == ("m1", "m0")
    assert whole.sizes == ("M0",)
    assert not whole.is_constant
    assert whole.shift is None
    assert whole.value({"m1": 2, "m0": 1}, {"M0": 4}) == 8
    assert Index.of("m", 1).shift == ("m", 1)
    assert Index.of("m", 1).rank is None
    assert Index.of("m").rank == "m"
    assert Index.constant(0).is_constant
    assert str(Index.constant(0)) == "0"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Number(float("nan")),
        lambda: Negate(Number(1)),
        lambda: Access("max"),
        lambda: Access("2x"),
        lambda: TensorDecl("A", ("M",)),
        lambda: TensorDecl("A", ("over",)),
        lambda: Split("m", "m1", "m0", "m0"),
        lambda: Term(1, ("m",)),
        lambda: Cascade("no good"),
        lambda: RankDecl("A"),
        lambda: RankDecl("c", size=Index.of("m")),
        lambda: Cascade("c", sizes=("w",)),
        lambda: Position(Index.constant(2)),
        lambda: Negate(Position(Index.of("m"))),
        lambda: Binary("+", Position(Index.of("m")), Number(1)),
        lambda: Junction("and", (Compare("<", Number(1), Number(2)),)),
        lambda: Quotient(Index.of("m"), Index()),
        lambda: Access("A", (Index.of("m"),), float("nan")),
        lambda: Einsum(Access("Z"), Access("A", (Index.of("k"),))),
        lambda: Einsum(Access("Z"), Binary("+", Access("A"), Number(1)), "sum"),
    ],
)
def test_records_refuse_nonsense_at_birth(make):
    with pytest.raises(SpecError):
        make()
