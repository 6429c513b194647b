from fractions import Fraction
from math import ceil

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from einsim.errors import Location, SpecError
from einsim.spec.expressions import expression

AT = Location("m.yaml", 3, 5)
ENV = {"P": 1000, "P0": 256, "array2d.rows": 4, "x": 3}


def value(text, env=ENV):
    return expression(text, AT).evaluate(env)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("P", 1000), ("7", 7), ("P * 2 - 1", 1999), ("ceil(P / P0)", 4), ("floor(P / P0)", 3), ("P // P0", 3),
        ("P % 3", 1),
        ("min(P, P0, 2)", 2), ("max(1, array2d.rows)", 4), ("-x + 5", 2), ("1 - 0.25", Fraction(3, 4)), ("P / 8", 125),
        ("max(0, 1 - P0 / P)", Fraction(93, 125)),
    ],
)  # fmt: skip
def test_values(text, result):
    assert value(text) == result


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Q", "unknown name 'Q'"), ("P0x", "did you mean 'P0'"), ("P / 0", "division by zero"),
        ("P +", "no size expression"),
        ("__import__('os')", "unknown function"), ("P.real", "unknown name 'P.real'"), ("[1]", "only + - *"),
        ("'a'", "no number"), ("P ** 9", "only + - *"), ("ceil(P)", "one division"), ("P if x else 1", "only + - *"),
        ("lambda: 1", "only + - *"), ("(" * 300 + ")" * 300, "500 characters"), ("True", "no number"),
    ],
)  # fmt: skip
def test_refused(text, part):
    with pytest.raises(SpecError) as caught:
        value(text)
    assert part in str(caught.value)
    assert str(caught.value).startswith("m.yaml:3:5: ")


def test_names():
    assert expression("ceil(P / P0) * array2d.rows", AT).names == {"P", "P0", "array2d.rows"}


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 1000)), min_size=1, max_size=8))
def test_arrays_and_symbols_agree_with_integers(pairs):
    text = expression("min(ceil(a / b), a // b + 1) * max(a, b) - a % b", AT)
    singles = [text.evaluate({"a": a, "b": b}) for a, b in pairs]
    assert singles == [min(ceil(Fraction(a, b)), a // b + 1) * max(a, b) - a % b for a, b in pairs]
    a, b = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    assert text.evaluate({"a": a, "b": b}).tolist() == singles
    symbols = {name: sympy.Symbol(name, integer=True, positive=True) for name in "ab"}
    formula = expression("min(ceil(a / b), a) * max(a, b)", AT).evaluate(symbols)
    a0, b0 = pairs[0]
    assert formula.subs({symbols["a"]: a0, symbols["b"]: b0}) == min(ceil(Fraction(a0, b0)), a0) * max(a0, b0)
