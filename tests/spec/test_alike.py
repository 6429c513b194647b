"""Equal arrays as one, and functions of the same numbers evaluated once: the values that they have without."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.spec.alike import Alike
from einsim.spec.expressions import maximum, minimum, product, total

from ..model.compare import examples

NUMBERS = st.one_of(st.integers(-9, 9), st.lists(st.integers(-9, 9), min_size=3, max_size=3))
FUNCTIONS = st.sampled_from([minimum, maximum, product, total, operator.le, operator.sub])


def test_equal_arrays_are_one_of_one_kind_and_shape():
    alike = Alike()
    one = alike.one_of(np.array([1, 2, 3]))
    assert alike.one_of(np.array([1, 2, 3])) is one
    for other in (np.array([1, 2, 4]), np.array([[1, 2, 3]]), np.array([1.0, 2.0, 3.0]), np.array([], np.int64)):
        assert alike.one_of(other) is other
    assert alike.one_of(7) == 7


def test_arrays_that_differ_between_the_samples_differ():
    alike = Alike()
    one = np.arange(10_000)
    others = [one.copy() for _ in range(200)]
    for place, other in enumerate(others):
        other[place] += 1
    assert len({id(alike.one_of(each)) for each in (one, *others)}) == 201


@examples(100)
@given(st.lists(st.tuples(FUNCTIONS, NUMBERS, NUMBERS), max_size=8))
def test_results_are_those_of_the_functions(steps):
    alike = Alike()
    for function, *given_ in steps:
        numbers = [np.array(each) if isinstance(each, list) else each for each in given_]
        found, alone = alike.same(function, *numbers), function(*numbers)
        assert np.array_equal(np.broadcast_to(found, np.shape(alone)), alone)
        assert alike.same(function, *numbers) is found or not isinstance(found, np.ndarray)


def test_a_result_that_equals_an_operand_is_that_operand():
    alike = Alike()
    small, large = alike.one_of(np.array([1, 5])), alike.one_of(np.array([2, 5]))
    assert alike.same(minimum, small, large) is small
    assert alike.same(product, small, 1) is small


def test_what_64_bits_may_not_hold_is_refused_however_it_came_about():
    alike = Alike()
    large = alike.one_of(np.array([1 << 40, 1]))
    few = alike.same(operator.floordiv, large, 1 << 39)
    assert alike.same(product, few, 1 << 60).tolist() == [1 << 61, 0]
    with pytest.raises(OverflowError):
        alike.same(product, alike.same(product, large, 1 << 20), 1 << 10)
    with pytest.raises(OverflowError):
        alike.same(total, alike.same(product, few, 1 << 61), 1 << 62)
