"""Least intervals of small random graphs: the solver's, those of brute force, the bounds, and the heuristic's."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.binder import pipeline
from einsim.binder.bounds import bounds_of
from einsim.binder.graph import Keep, Ports, TileGraph, kept
from einsim.binder.pieces import EXACT, FORMS, trains_of
from einsim.binder.pipeline import Budget, at_interval, fewest_words, least_interval, quick_look, unsearched
from einsim.binder.solver import Answer, Order, Question, Status, ask
from einsim.schedule.pipeline.bounds import recurrence_bound
from einsim.schedule.pipeline.modulo import make_plan
from einsim.schedule.pipeline.plan import Job, Need, overlap
from tests.binder.brute import instances
from tests.binder.brute import least_interval as by_brute_force

MOST = 6
SECONDS = 60.0


@st.composite
def graphs(draw, most_jobs: int = 3, most_slots: int = 3):
    """A few jobs on one or two arrays, what they need of each other, and circles among them."""
    jobs = []
    for _ in range(draw(st.integers(1, most_jobs))):
        slots = draw(st.integers(1, most_slots))
        units = draw(st.sampled_from([n for n in range(1, slots + 1) if slots % n == 0]))
        jobs.append(Job(draw(st.sampled_from(["grid", "lanes"])), slots, units, draw(st.sampled_from([1, 1, 2]))))
    number = st.integers(0, len(jobs) - 1)
    needs = []
    for _ in range(draw(st.integers(0, 4))):
        source, reader = draw(number), draw(number)
        alike = jobs[source].units == jobs[reader].units
        steps = draw(st.sampled_from([1, jobs[reader].units])) if alike else 1
        distance = draw(st.integers(0 if source < reader else 1, 2))
        needs.append(Need(source, reader, steps, draw(st.integers(0, 4)), distance))
    return TileGraph(tuple(f"J{n}" for n in range(len(jobs))), tuple(jobs), tuple(needs), phases=(0,) * len(jobs),
                     stalls=(0,))  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(graphs())
def test_the_least_interval_is_that_of_brute_force(graph):
    truth = by_brute_force(graph.jobs, graph.needs, MOST)
    found = least_interval(unsearched(graph, Order.INTERLEAVED), Order.INTERLEAVED, Budget.of(SECONDS))
    if truth is None:
        assert found.plan is None or found.plan.interval > MOST
        assert found.least > MOST
        return
    assert found.proved
    assert found.plan.interval == truth == found.least
    assert truth >= bounds_of(graph).least
    assert graph.contradicts(found.plan.at, found.plan.interval) is None


@settings(deadline=None, max_examples=100)
@given(graphs(most_jobs=5, most_slots=8))
def test_never_below_the_bounds_and_never_above_the_heuristic(graph):
    heuristic = make_plan(graph.jobs, graph.needs, lambda _: 0, lambda _: True)
    found = least_interval(unsearched(graph, Order.INTERLEAVED), Order.INTERLEAVED, Budget.of(SECONDS))
    assert found.plan is not None
    assert found.bounds.least <= found.least <= found.plan.interval
    if heuristic is not None and graph.contradicts(heuristic.at, heuristic.interval) is None:
        assert found.plan.interval <= heuristic.interval
    assert graph.contradicts(found.plan.at, found.plan.interval) is None


@settings(deadline=None, max_examples=60)
@given(graphs(), st.integers(1, 7))
def test_the_recurrence_bound_is_exact_where_nothing_is_in_the_way(graph, interval):
    """Every job on an array of its own: brute force finds a plan exactly from the recurrence bound on."""
    alone = [Job(f"own{n}", job.slots, job.units, job.spacing) for n, job in enumerate(graph.jobs)]
    truth = by_brute_force(alone, graph.needs, interval)
    assert (recurrence_bound(alone, graph.needs) <= interval) == (truth is not None)


@settings(deadline=None, max_examples=40)
@given(graphs(most_jobs=4, most_slots=6))
def test_what_a_quick_form_finds_is_a_plan(graph):
    interval = bounds_of(graph).least + 2
    for form in FORMS:
        trains = trains_of(graph.jobs, graph.needs, form)
        slots = sorted(each for train in trains for each in train.order)
        assert slots == [(n, slot) for n, job in enumerate(graph.jobs) for slot in range(job.slots)]
        answer = ask(Question(graph, interval, Order.INTERLEAVED, form, SECONDS))
        if answer.status is Status.FOUND:
            assert graph.contradicts(answer.at, interval) is None
            assert ask(Question(graph, interval, Order.INTERLEAVED, EXACT, SECONDS)).status is Status.FOUND


@st.composite
def keeping(draw):
    """Two jobs, one of which hands the other a word a step through a register file of some depth."""
    graph = draw(graphs(most_jobs=2, most_slots=2))
    jobs = (*graph.jobs, Job("lanes", 1, 1, 1)) if len(graph.jobs) == 1 else graph.jobs
    steps = jobs[1].units if jobs[0].units == jobs[1].units else 1
    needs = (*graph.needs, Need(0, 1, steps, draw(st.integers(1, 6)), 0))
    keeps = (Keep("file", "X", 0, 1, steps, draw(st.integers(1, 2)), draw(st.integers(0, 2)), draw(st.integers(0, 2)),
                  free=False),)  # fmt: skip
    names = tuple(f"J{n}" for n in range(len(jobs)))
    return TileGraph(names, jobs, needs, keeps, (("file", draw(st.integers(1, 6))),), phases=(0,) * len(jobs),
                     stalls=(0,))  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(keeping(), st.integers(2, 5))
def test_words_fit_and_are_the_fewest(graph, interval):
    """Words of the solver's plan by the schedule's own count; the fewest of all placements in a few epochs."""
    depth = dict(graph.registers)["file"]
    least = None
    for chosen in product(*(list(instances(job, interval)) for job in graph.jobs)):
        for shifts in product(range(8), repeat=len(graph.jobs)):
            at = [np.array(cycles) + interval * shift for cycles, shift in zip(chosen, shifts, strict=True)]
            if graph.contradicts(at, interval) is None:
                words = sum(kept(graph, at, interval).values())
                least = words if least is None else min(least, words)
    answer = ask(Question(graph, interval, Order.INTERLEAVED, EXACT, SECONDS, fewest=True))
    if least is None or least > depth:
        assert answer.status is Status.NONE
        return
    assert answer.status is Status.FOUND
    assert sum(kept(graph, answer.at, interval).values()) == least


@settings(deadline=None, max_examples=40)
@given(graphs(), st.integers(1, 2), st.data())
def test_no_cycle_takes_more_rows_than_there_are_ports(graph, limit, data):
    rows = tuple(data.draw(st.integers(0, limit)) for _ in graph.jobs)
    ported = TileGraph(graph.names, graph.jobs, graph.needs, ports=(Ports(limit, rows),), phases=graph.phases,
                       stalls=graph.stalls)  # fmt: skip
    found = least_interval(unsearched(ported, Order.INTERLEAVED), Order.INTERLEAVED, Budget.of(SECONDS))
    assert found.plan is not None
    taken = np.zeros(found.plan.interval, int)
    for at, each in zip(found.plan.at, rows, strict=True):
        np.add.at(taken, at % found.plan.interval, each)
    assert taken.max() <= limit
    assert found.plan.interval >= -(-sum(job.slots * each for job, each in zip(graph.jobs, rows, strict=True)) // limit)


def test_one_tile_at_a_time_is_the_longest_path():
    """A chain of three jobs over two arrays, each after the one before: their slots and the delays between them."""
    jobs = (Job("grid", 4, 1, 1), Job("lanes", 2, 1, 1), Job("grid", 3, 1, 1))
    needs = (Need(0, 1, 1, 10, 0), Need(1, 2, 1, 20, 0))
    graph = TileGraph(("A", "B", "C"), jobs, needs, phases=(0, 0, 0), stalls=(0,))
    assert (
        least_interval(unsearched(graph, Order.SINGLE), Order.SINGLE, Budget.of(SECONDS)).plan.interval
        == 3 + 10 + 1 + 20 + 3
    )
    assert (
        least_interval(unsearched(graph, Order.INTERLEAVED), Order.INTERLEAVED, Budget.of(SECONDS)).plan.interval == 7
    )


def test_phases_add_up():
    """The busiest array of each phase, one after the other, and a stall between them."""
    jobs = (Job("grid", 4, 1, 1), Job("lanes", 6, 1, 1), Job("grid", 3, 1, 1), Job("lanes", 1, 1, 1))
    graph = TileGraph(("A", "B", "C", "D"), jobs, (), phases=(0, 0, 1, 1), stalls=(0, 5))
    found = least_interval(unsearched(graph, Order.PHASES), Order.PHASES, Budget.of(SECONDS))
    assert found.proved
    assert found.plan.interval == 6 + 5 + 3


def test_time_that_is_over_leaves_the_bound_and_what_was_known():
    jobs = tuple(Job("grid", 40, 1, 1) for _ in range(4))
    graph = TileGraph(("A", "B", "C", "D"), jobs, (), phases=(0,) * 4, stalls=(0,))
    at = tuple(np.arange(40) + 50 * n for n in range(4))
    known = pipeline.Plan(200, at, 0)
    found = least_interval(unsearched(graph, Order.INTERLEAVED, known), Order.INTERLEAVED, Budget.of(0))
    assert (found.plan, found.least, found.proved) == (known, 160, False)


def test_a_plan_that_does_not_fit_by_the_schedules_account_is_none(monkeypatch):
    graph = TileGraph(("A",), (Job("grid", 2, 1, 1),), (), phases=(0,), stalls=(0,))
    question = Question(graph, 2, Order.INTERLEAVED, EXACT, SECONDS)
    assert at_interval(question, Budget.of(5), None).status is Status.FOUND
    assert at_interval(question, Budget.of(5), lambda _: False).status is Status.OPEN
    found = pipeline.Pipelined(graph, bounds_of(graph), 2, pipeline.Plan(2, (np.array([0, 1]),), 3))
    wrong = Answer(Status.FOUND, 2, (np.array([0, 2]),), best=True)
    monkeypatch.setattr(pipeline, "ask", lambda _: wrong)
    assert fewest_words(found, Budget.of(5), None) == found


@pytest.mark.parametrize("first", [0, 1, 5])
def test_copies_by_counting(first):
    """The rule that the solver counts copies by (n at once: each comes after the n-th before it is gone)."""
    interval, steps = 6, 3
    comes = np.array([first, first + 2, first + 4])
    goes = comes + 7
    copies = overlap(comes, goes, interval)
    rule = next(
        n for n in range(20)
        if all(comes[(s + n) % steps] + (s + n) // steps * interval > goes[s] for s in range(steps))
    )  # fmt: skip
    assert rule == copies


@settings(deadline=None, max_examples=30)
@given(graphs())
def test_a_quick_look_claims_no_more_than_is_so(graph):
    truth = by_brute_force(graph.jobs, graph.needs, MOST)
    found = quick_look(unsearched(graph, Order.INTERLEAVED), Order.INTERLEAVED, Budget.of(SECONDS), None)
    assert truth is None or found.least <= truth
    assert found.plan is None or found.plan.interval >= (truth or MOST + 1)
