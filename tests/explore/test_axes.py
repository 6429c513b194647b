"""Values on axes: one spelling each; and batches in which only columns vary."""

import shlex

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from einsim.errors import Location, SpecError
from einsim.explore.axes import identity, settings
from einsim.explore.batches import column_name, group
from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, run_sweep
from einsim.model.closed_form import evaluate_many
from einsim.spec.configuration import load_architecture
from einsim.spec.overrides import make_override, parse_override

AT = Location("s.yaml", 1)
TEXT = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(TEXT, max_size=12)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
)


def space_of(tmp_path, axes, extra=""):
    path = tmp_path / "s.yaml"
    path.write_text(f"name: s\nconfiguration: fusemax\nmodel: BERT\n{extra}axes:\n{axes}")
    return load_space(path)


@given(VALUES)
@example("0E0")
@example(["1e11", {"a": "-.5E+3"}])
def test_changes_round_trip_through_the_shell(value):
    change = make_override("arch.x.y", value, AT)
    (word,) = shlex.split(shlex.quote(change.text))
    assert parse_override(word).value == value


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([1, 2], [1, 2]),
        ([1, 2.5], [1.0, 2.5]),
        (["1K", 7], ["1K", "7"]),
        ([True, False], [True, False]),
        ([True, 1], ["true", "1"]),
        ([None, "400 GiB"], ["null", "400 GiB"]),
        ([{"mac": 6}, [1, 2]], ["{mac: 6}", "[1, 2]"]),
        ([1 << 70, 1], [str(1 << 70), "1"]),
    ],
)
def test_columns_have_one_type(values, shown):
    assert [setting.shown for setting in settings("arch.x.y", values, [AT] * len(values))] == shown


def test_spellings_of_one_value():
    assert identity("1K") == identity(1024) == identity("1 KiB") == identity(1024.0) == identity("1024")
    assert identity(True) != identity(1)
    assert identity("flat") == "flat"
    assert identity([1, 2]) == identity([1, 2]) != identity([2, 1])


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("arch.array2d.operations.mac.energy_pj", "array2d.mac.energy_pj"),
        ("arch.array2d.mac.energy_pj", "array2d.mac.energy_pj"),
        ("arch.arrays.array2d.registers.depth_words", "registers2d.depth_words"),
        ("arch.memories.buffer.capacity_bytes", "buffer.capacity_bytes"),
        ("arch.array2d.operations.mac.cycles", None),
        ("arch.array2d.operations.exp.macro.mac", None),
        ("arch.description", None),
        ("mapping.tiles.P1", None),
        ("workload.M", "M"),
    ],
)
def test_columns(path, name):
    assert column_name(make_override(path, 1, AT), load_architecture("fusemax")) == name


def test_fields_that_are_no_columns_part_batches(tmp_path):
    axes = "  - seq_len: [1K, 2K]\n  - arch.array2d.mac.cycles: [1, 2]\n  - arch.array2d.rows: [8, 16, 32]\n"
    assert [len(batch.points) for batch in group(space_of(tmp_path, axes).points())] == [6, 6]


def test_points_by_index_are_those_in_order(tmp_path):
    space = space_of(tmp_path, "  - seq_len: [1K, 2K]\n  - {batch: [1, 2, 3], arch.array2d.rows: [8, 16, 32]}\n")
    assert [space.point(index) for index in range(len(space))] == list(space.points())


def test_an_error_in_a_batch_is_that_of_the_single_run(tmp_path):
    many = ", ".join(str(4 * i) for i in range(1, 200))
    space = space_of(
        tmp_path, f"  - arch.array2d.rows: [{many}]\n", "seq_len: 1K\nset: {mapping.tiles.P1: 100 - array2d.rows}\n"
    )
    messages = []
    for engine in (Engine.EXACT, Engine.COMPILED):
        with pytest.raises(SpecError) as caught:
            list(run_sweep(space, lambda done: None, engine))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "'P1 * P0' is 0, which is not positive" in messages[0]


def test_a_baseline_on_fields_that_advance_together(tmp_path):
    axes = "  - {arch.array2d.rows: [128, 256], arch.array1d.lanes: [128, 256]}\n  - seq_len: [1K, 4K]\n"
    space = space_of(tmp_path, axes, "baseline: {arch.array2d.rows: 256}\n")
    frame = finish(space, run_sweep(space, lambda done: None))
    assert frame["speedup"].null_count() == 0
    assert frame["speedup"].to_list()[2:] == [1.0, 1.0]


@pytest.mark.parametrize("kind", [np.int32, np.int16, np.uint16, np.uint64, np.float32])
def test_narrow_columns_are_widened(tmp_path, kind):
    point = space_of(tmp_path, "  - seq_len: [4K]\n").point(0)
    design = point.design()
    name = "array2d.mac.energy_pj" if kind is np.float32 else "M"
    wide = evaluate_many(design, {name: np.array([1024, 8192])})
    narrow = evaluate_many(design, {name: np.array([1024, 8192], kind)})
    assert np.all(narrow.energy_pj == wide.energy_pj)
    assert np.all(narrow.cycles_by_array["array2d"] == wide.cycles_by_array["array2d"])
    if kind is np.uint64:
        with pytest.raises(SpecError, match="above 2\\^63"):
            evaluate_many(design, {"M": np.array([2**63], kind)})


def test_stopped_sweeps_keep_finished_rows(tmp_path):
    space = space_of(tmp_path, "  - seq_len: [1K, 2K, 4K, 8K]\n")
    done = []

    def progress(number):
        done.append(number)
        if sum(done) == 3:
            raise KeyboardInterrupt

    tables: list[pl.DataFrame] = []
    with pytest.raises(KeyboardInterrupt):
        tables.extend(run_sweep(space, progress, Engine.EXACT))
    assert finish(space, tables)["seq_len"].to_list() == [1024, 2048, 4096]
