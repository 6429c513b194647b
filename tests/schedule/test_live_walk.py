"""Random nests against a walk of every step: no level is said to need less than what is alive there."""

from hypothesis import given

from ..model.compare import examples
from ..model.designs import sweeps
from .oracle import check_against_the_walk
from .programs import programs


@examples(250)
@given(programs())
def test_cascades_in_nests_of_many_orders_hold_what_is_alive_in_the_walk(sweep):
    check_against_the_walk(sweep.design(sweep.points[0]))


@examples(400)
@given(programs(parts=True))
def test_parts_of_a_fusion_group_hold_what_is_alive_while_they_run(sweep):
    check_against_the_walk(sweep.design(sweep.points[0]))


@examples(150)
@given(sweeps())
def test_random_designs_hold_what_is_alive_in_the_walk(sweep):
    check_against_the_walk(sweep.design(sweep.points[0]))
