"""Assignments: their order, what bounds them, and that arrays have the operations."""

from fractions import Fraction
from itertools import islice, product

from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.linear_solver import pywraplp

from einsim.binder.assignment import Choices, able
from einsim.cascade import operations
from einsim.spec import library
from einsim.spec.configuration import load_architecture
from einsim.spec.mapping import cycles_of_run
from einsim.spec.mappingfile import runs_of


@st.composite
def choices(draw):
    """A few Einsums on two arrays, some of which only one array can run."""
    slots = {}
    for number in range(draw(st.integers(1, 6))):
        arrays = draw(st.sampled_from([("grid",), ("lanes",), ("grid", "lanes"), ("grid", "lanes")]))
        slots[f"X{number}"] = {array: draw(st.integers(1, 300)) for array in arrays}
    return Choices(slots, {name: draw(st.sampled_from(sorted(each))) for name, each in slots.items()})


@settings(deadline=None, max_examples=40)
@given(choices())
def test_assignments_come_by_their_bound(found):
    every = [dict(zip(found.slots, arrays, strict=True)) for arrays in product(*found.slots.values())]
    ordered = list(islice(found.by_bound(), len(every) + 1))
    assert sorted(map(str, ordered)) == sorted(map(str, every))
    bounds = [found.bound(each) for each in ordered]
    assert bounds == sorted(map(found.bound, every))


@settings(deadline=None, max_examples=60)
@given(choices())
def test_divided_einsums_by_linear_programming(found):
    """The least of the busiest array where any part of any Einsum may run anywhere, by another solver."""
    solver = pywraplp.Solver.CreateSolver("GLOP")
    busiest = solver.NumVar(0, solver.infinity(), "")
    loads: dict[str, list] = {}
    for each in found.slots.values():
        parts = {array: solver.NumVar(0, 1, "") for array in each}
        solver.Add(sum(parts.values()) == 1)
        for array, part in parts.items():
            loads.setdefault(array, []).append(part * each[array])
    for load in loads.values():
        solver.Add(sum(load) <= busiest)
    solver.Minimize(busiest)
    assert solver.Solve() == pywraplp.Solver.OPTIMAL
    assert abs(float(found.split_bound()) - busiest.solution_value()) < 1e-6 * max(1, busiest.solution_value())
    assert found.split_bound() <= min(map(found.bound, found.by_bound()))


def test_only_arrays_that_have_the_operations():
    cascade, machine = library.load_cascade("attention-1pass"), load_architecture("fusemax")
    for einsum in cascade.einsums:
        options = able(einsum, machine)
        assert options
        for name, array in machine.arrays.items():
            assert (name in options) == ({*operations(einsum)} <= {*array.operations})
    assert able(cascade.einsum("AV"), machine) == ["array1d"]  # it divides


def test_the_split_bound_of_the_paper_s_tile():
    slots = {"grid": {"array2d": 137}, "lanes": {"array1d": 138 - 1}, "SPD": {"array1d": 1, "array2d": 1}}
    assert Choices(slots, {"grid": "array2d", "lanes": "array1d", "SPD": "array1d"}).split_bound() == Fraction(275, 2)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40, unique=True).map(sorted))
def test_runs_read_back(cycles):
    assert [cycle for run in runs_of(cycles) for cycle in cycles_of_run(str(run))] == cycles
