"""Hypothesis strategies: any index, expression and condition, not necessarily meaningful ones."""

from hypothesis import strategies as st

from einsim.cascade import (
    Access,
    Call,
    Compare,
    Extreme,
    Index,
    Junction,
    Not,
    Number,
    Quotient,
    Size,
    Term,
    Where,
    combined,
    divided,
    negated,
    value_of,
)
from einsim.cascade.names import FUNCTIONS


@st.composite
def indices(draw, depth=2):
    """Any index over ranks m, m0, m1, p and sizes; with quotients, extremes and gathers up to a depth."""
    return Index(tuple(draw(_terms(depth)) for _ in range(draw(st.integers(0, 3)))))


@st.composite
def _terms(draw, depth):
    sizes = draw(st.lists(st.sampled_from(["M", "M0", "P"]), max_size=2))
    atoms = [draw(_atoms(depth)) for _ in range(draw(st.integers(0, 2)))]
    return Term(draw(st.integers(-9, 9)), tuple(sizes), tuple(atoms))


@st.composite
def _atoms(draw, depth):
    kind = draw(st.integers(0, 6)) if depth else 0
    inner = indices(depth - 1)
    if kind == 4:
        return Quotient(draw(inner), draw(inner.filter(lambda index: index.terms)), draw(st.booleans()))
    if kind == 5:
        return Extreme(draw(st.sampled_from(["min", "max"])), (draw(inner), draw(inner)))
    if kind == 6:
        return draw(
            st.sampled_from([Access("S"), Access("IX", (draw(inner),)), Access("G", (draw(inner), draw(inner)))])
        )
    return draw(st.sampled_from(["m", "m0", "m1", "p"]))


@st.composite
def expressions(draw, depth=3):
    """Any expression over tensors S (scalar), A, B, ranks and sizes; not necessarily a meaningful one."""
    kind = draw(st.integers(0, 8)) if depth else draw(st.integers(0, 3))
    inner = expressions(depth - 1)
    match kind:
        case 0:
            return Number(draw(st.one_of(st.integers(-20, 20).map(float), st.floats(allow_nan=False))))
        case 1:
            return draw(st.sampled_from([Size("M"), Size("P"), Size("M0"), Access("S")]))
        case 2:
            beyond = draw(st.one_of(st.none(), st.floats(allow_nan=False), st.just("edge")))
            return Access(draw(st.sampled_from("AB")), tuple(draw(st.lists(indices(), min_size=1, max_size=2))), beyond)
        case 3:
            node = value_of(draw(indices(0)))
            quotient = divided(draw(indices(0)), Index.of("p"), remainder=draw(st.booleans()))
            return draw(st.sampled_from([node, quotient, combined("+", node, quotient)]))
        case 4:
            return negated(draw(inner))
        case 5:
            return Where(draw(conditions(1)), draw(inner), draw(inner))
        case 6:
            function = draw(st.sampled_from(sorted(FUNCTIONS)))
            return Call(function, tuple(draw(inner) for _ in range(FUNCTIONS[function])))
        case _:
            return combined(draw(st.sampled_from("+-*/")), draw(inner), draw(inner))


@st.composite
def conditions(draw, depth=2):
    """Any condition on such expressions."""
    kind = draw(st.integers(0, 3)) if depth else 0
    inner = conditions(depth - 1)
    if kind == 1:
        return Not(draw(inner))
    if kind > 1:
        name = draw(st.sampled_from(["and", "or"]))
        flat = []
        for part in draw(st.lists(inner, min_size=2, max_size=3)):
            flat += part.parts if isinstance(part, Junction) and part.kind == name else [part]
        return Junction(name, tuple(flat))
    operator = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    return Compare(operator, draw(expressions(1)), draw(expressions(1)))
