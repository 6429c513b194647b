"""The closed form against the walk: random designs, then the shipped configurations in miniature."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from einsim.errors import Location, SpecError
from einsim.model.closed_form import evaluate, evaluate_many
from einsim.schedule.lower import lower
from einsim.spec.configuration import Accounting, load_design
from einsim.spec.overrides import make_override
from einsim.spec.workload import Workload

from .compare import differences, disagreements, examples
from .designs import Sweep, sweeps

CONFIGURATIONS = ("fusemax", "architecture", "cascade", "unfused", "flat")
PLACES = ("Q_loc", "K_loc", "QK_loc", "A_loc", "V_loc", "AV_loc")
STATIONARITIES = ("QK_stationarity", "AV_stationarity")


def legal(sweep: Sweep) -> None:
    """Drops an example that moves data between processing elements, which the generator may do; no other is wrong."""
    try:
        lower(sweep.design(sweep.points[0]))
    except SpecError as error:
        assume("where its rank" not in str(error))
        raise


@examples(250)
@given(sweeps())
def test_counts_of_random_designs_equal_the_walk(sweep):
    legal(sweep)
    for point in sweep.points:
        assert differences(sweep.design(point)) == []


@examples(100)
@given(sweeps())
def test_a_sweep_of_random_designs_equals_each_design_alone(sweep):
    legal(sweep)
    many = evaluate_many(sweep.design(sweep.points[0]), sweep.columns)
    for index, point in enumerate(sweep.points):
        assert disagreements(evaluate(sweep.design(point)), many, index, len(sweep.points)) == []


@st.composite
def miniatures(draw):
    """Numbers that make a shipped configuration small: sizes and machine fields by their sweep names."""
    numbers = {"B": st.integers(1, 2), "H": st.just(1), "E": st.integers(1, 5), "F": st.integers(1, 5)}
    numbers |= {"M": st.integers(1, 13), "P": st.integers(1, 13)}
    numbers |= {"array2d.rows": st.integers(1, 5), "array2d.columns": st.integers(1, 5)}
    numbers |= {"array1d.lanes": st.integers(1, 5), "buffer.capacity_bytes": st.integers(16, 600)}
    return draw(st.fixed_dictionaries(numbers))


def shrunk(configuration: str, point: dict[str, int], choices: dict[str, object], accounting: Accounting):
    """A shipped configuration at a point of `miniatures`."""
    at = Location("test")
    overrides = [make_override(f"arch.{name}", value, at) for name, value in point.items() if "." in name]
    overrides += [make_override(f"mapping.{name}", value, at) for name, value in choices.items()]
    sizes = Workload(tuple((name, value) for name, value in point.items() if "." not in name))
    return load_design(configuration, sizes, overrides=overrides, accounting=accounting)


def choices_of(draw, configuration: str) -> dict[str, object]:
    """The decisions that a configuration leaves open, drawn at random."""
    if configuration != "flat":
        return {}
    options = {name: st.sampled_from(["onchip", "offchip"]) for name in PLACES}
    options |= {name: st.sampled_from(["input", "weight", "output"]) for name in STATIONARITIES}
    options |= {"fusion_granularity": st.sampled_from(["head", "row"]), "P1": st.integers(1, 9)}
    return draw(st.fixed_dictionaries(options))


@pytest.mark.parametrize("accounting", Accounting)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_counts_of_shipped_configurations_equal_the_walk(configuration, accounting):
    @examples(60 if configuration == "flat" else 15)
    @given(st.data(), miniatures())
    def check(data, point):
        design = shrunk(configuration, point, choices_of(data.draw, configuration), accounting)
        assert differences(design) == []

    check()


@pytest.mark.parametrize("accounting", Accounting)
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_sweep_of_shipped_configurations_equals_each_design_alone(configuration, accounting):
    @examples(8)
    @given(st.data(), st.lists(miniatures(), min_size=1, max_size=6))
    def check(data, points):
        choices = choices_of(data.draw, configuration)
        base = shrunk(configuration, points[0], choices, accounting)
        many = evaluate_many(base, {name: np.array([point[name] for point in points]) for name in points[0]})
        for index, point in enumerate(points):
            alone = evaluate(shrunk(configuration, point, choices, accounting))
            assert disagreements(alone, many, index, len(points)) == []

    check()
