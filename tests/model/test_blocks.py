"""Grids in blocks: every point once, and the numbers of points that are listed one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.errors import SpecError
from einsim.model.blocks import boxes, evaluate_metrics, on_all_cores, part
from einsim.model.closed_form import evaluate_many
from einsim.model.result import metrics
from einsim.spec.configuration import load_design
from einsim.spec.library import load_models
from einsim.spec.workload import Workload, attention, find_model

from .compare import examples

SIZES = {"B": 2, "H": 3, "E": 16, "F": 16, "M": 700, "P": 700}
AXES = {
    "M": st.integers(1, 5000),
    "P": st.integers(1, 5000),
    "buffer.capacity_bytes": st.integers(1, 1 << 22),
    "dram.bandwidth_bytes_per_s": st.integers(1 << 30, 1 << 40),
    "array2d.rows": st.integers(1, 300),
    "array2d.columns": st.integers(1, 300),
    "array2d.mac.energy_pj": st.floats(0.5, 50),
}


def design(configuration="fusemax"):
    return load_design(configuration, Workload(tuple(SIZES.items())))


@examples(100)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(1, 60))
def test_boxes_hold_every_point_once_in_order(lengths, most):
    index = np.arange(np.prod(lengths)).reshape(lengths)
    found = [index[box].reshape(-1) for box in boxes(tuple(lengths), most)]
    assert np.concatenate(found).tolist() == index.reshape(-1).tolist()
    assert max(map(len, found)) <= most
    column = index[..., :1]
    for box in boxes(tuple(lengths), most):
        assert (np.broadcast_to(part(column, box), index[box].shape) == index[box] - index[box] % lengths[-1]).all()


@examples(25)
@given(st.data(), st.sampled_from(["fusemax", "unfused", "cascade"]))
def test_a_grid_has_the_numbers_of_its_points(data, configuration):
    names = data.draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=3, unique=True))
    axes = [np.array(data.draw(st.lists(AXES[name], min_size=1, max_size=4))) for name in names]
    columns = dict(zip(names, np.ix_(*axes), strict=True))
    found = evaluate_metrics(design(configuration), columns, most=data.draw(st.integers(1, 20)))
    wide = {name: each.reshape(-1) for name, each in zip(names, np.broadcast_arrays(*columns.values()), strict=True)}
    listed = evaluate_many(design(configuration), wide)
    total = found["latency_s"].size
    for name, values in ({"feasible": listed.feasible} | metrics(design(configuration), listed)).items():
        assert found[name].reshape(-1).tolist() == np.broadcast_to(values, total).tolist(), name


def test_parts_of_words_beside_whole_ones():
    """FLAT spills a proportion from a buffer that is too small, and nothing elsewhere."""
    flat = load_design("flat", attention(find_model(load_models(), "BERT"), 65536))
    sizes = np.array([1 << 40, 1 << 20, 3 << 19])
    found = evaluate_metrics(flat, {"buffer.capacity_bytes": sizes}, most=1)["traffic_bytes"]
    together = evaluate_many(flat, {"buffer.capacity_bytes": sizes}).traffic_bytes
    assert found.tolist() == together.tolist()
    assert found[2] != int(found[2])


def test_errors_come_out_of_the_threads():
    with pytest.raises(SpecError, match=r"no number 'buffer\.size'"):
        evaluate_metrics(design(), {"buffer.size": np.array([1, 2])})
    with pytest.raises(OverflowError):
        evaluate_metrics(design(), {"M": np.array([1, 1 << 60]), "P": np.array([1, 1 << 60])}, most=1)
    with pytest.raises(SpecError, match="equally long, or broadcast"):
        evaluate_metrics(design(), {"M": np.array([1, 2]), "P": np.array([1, 2, 3])})


def test_results_are_in_the_order_of_the_items():
    assert list(on_all_cores(lambda number: number * number, range(100))) == [number * number for number in range(100)]
