"""Keys of points: the same for what is the same, however written, and another for every field that means something."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from einsim.explore.axes import identity
from einsim.explore.grids import Labels, grids
from einsim.explore.identity import Identities, code_digest, total
from einsim.explore.space import load_space
from einsim.model.blocks import boxes
from einsim.spec import library
from tests.explore.test_sweep import sweep_files

ROOT = Path(__file__).parents[2]
FILE = {
    "name": "s", "configuration": "fusemax", "model": "T5", "seq_len": "4K",
    "axes": [{"arch.buffer.capacity_bytes": ["1 MiB", "16 MiB"]}, {"arch.clock_hz": [94e7, 1e9]}],
}  # fmt: skip


def space_of(folder, file):
    path = folder / "sweep.yaml"
    path.write_text(json.dumps(file))
    return load_space(path)


def keys_of(folder, file, code="code"):
    """Keys of all points as text."""
    keys = Identities(code).keys(list(space_of(folder, file).points()))
    return [f"{low:016x}{high:016x}" for low, high in keys.tolist()]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweep_files())
def test_keys_of_grids_are_those_of_their_points(tmp_path, file):
    space = space_of(tmp_path, file)
    points = list(space.points())
    alone = Identities("code").keys(points)
    assert len(np.unique(alone, axis=0)) == len(points), "two points have one key"
    together = np.zeros_like(alone)
    identities = Identities("code")
    for grid in grids(space):
        labels = Labels(grid)
        for box in boxes(grid.shape, 5):
            together[grid.indices(box)] = labels.keys(box, identities)
    assert (alone == together).all()


def test_runs_of_whole_models_have_keys_of_their_lengths(tmp_path):
    def key(**fields):
        own = {"scope": "layer", "model": "T5", "axes": [{"configuration": ["fusemax"]}], **fields}
        (found,) = keys_of(tmp_path, {"name": "s", **own})
        return found

    different = [
        {"seq_len": "1K"}, {"seq_len": "2K"}, {"seq_len": "1K", "context": "1K"}, {"seq_len": "1K", "batch": 2},
        {"seq_len": "1K", "scope": "model"}, {"phase": "decode", "context": "1K"},
        {"phase": "decode", "context": "1K", "new_tokens": 2}, {"phase": "decode", "context": "1x1K,63x2K"},
        {"phase": "decode", "context": "1x1K,62x2K"}, {"seq_len": "1K", "time_model": "both"},
        {"seq_len": "1K", "scope": "attention"}, {"seq_len": "1K", "scope": "attention", "phase": "prefill"},
    ]  # fmt: skip
    assert len({key(**each) for each in different}) == len(different)
    for one, other in (
        ({"seq_len": "1K"}, {"context": "1024"}),
        ({"seq_len": "1K"}, {"phase": "prefill", "new_tokens": 1024, "batch": 64}),
        ({"phase": "decode", "seq_len": "1K"}, {"phase": "decode", "context": "64x1K", "new_tokens": 1}),
    ):
        assert key(**one) == key(**other)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweep_files(), st.randoms())
def test_the_order_of_axes_does_not_matter(tmp_path, file, random):
    shuffled = list(file["axes"])
    random.shuffle(shuffled)
    shuffled = [dict(reversed(axis.items())) for axis in shuffled]
    assert sorted(keys_of(tmp_path, file)) == sorted(keys_of(tmp_path, file | {"axes": shuffled}))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sweep_files(), st.randoms())
def test_the_spelling_of_values_does_not_matter(tmp_path, file, random):
    def spell(value):
        plain = identity(value)
        if isinstance(plain, bool) or not isinstance(plain, (int, float)):
            return value
        options = [plain, value]
        if isinstance(plain, int) and plain % 1024 == 0:
            options.append(f"{plain // 1024}K")
        return random.choice(options)

    axes = [{field: [spell(value) for value in values] for field, values in axis.items()} for axis in file["axes"]]
    assert keys_of(tmp_path, file) == keys_of(tmp_path, file | {"axes": axes})


def test_what_a_file_sets_is_what_an_axis_sets(tmp_path):
    moved = {**FILE, "set": {"arch.clock_hz": 1e9}, "axes": FILE["axes"][:1]}
    assert keys_of(tmp_path, moved) == keys_of(tmp_path, FILE)[1::2]


def test_a_path_may_leave_sections_out(tmp_path):
    longer = {**FILE, "axes": [{"arch.memories.buffer.capacity_bytes": [1 << 20, 1 << 24]}, FILE["axes"][1]]}
    assert keys_of(tmp_path, longer) == keys_of(tmp_path, FILE)


def test_where_a_change_is_inside_another_their_order_matters(tmp_path):
    whole = {"arch.dram.bandwidth_bytes_per_s": [1e11]}
    part = {"arch.dram": [{"bandwidth_bytes_per_s": 2e11}]}
    first, second = (keys_of(tmp_path, {**FILE, "axes": axes}) for axes in ([whole, part], [part, whole]))
    assert first != second


@pytest.mark.parametrize(
    "change",
    [{"configuration": "flat"}, {"accounting": "published"}, {"time_model": "both"}, {"model": "BERT"}, {"batch": 3},
     {"seq_len": "8K"}, {"architecture": "flat"}, {"shape": {"P": 300}}, {"set": {"arch.word_bytes": 1}},
     {"set": {"mapping.description": "another"}}],
    ids=str,
)  # fmt: skip
def test_every_setting_counts(tmp_path, change):
    before, after = keys_of(tmp_path, FILE), keys_of(tmp_path, FILE | change)
    assert not set(before) & set(after)


def test_what_is_for_readers_does_not_count(tmp_path):
    described = {**FILE, "name": "other", "description": "d", "figures": [], "baseline": {"arch.clock_hz": 1e9}}
    assert keys_of(tmp_path, described) == keys_of(tmp_path, FILE)


@pytest.fixture
def own(tmp_path):
    """A configuration of four files: one based on another, its machine and its cascade."""
    for kind, name in (("mapping", "fusemax"), ("architecture", "fusemax"), ("cascade", "attention-1pass")):
        shutil.copy(library.find(kind, name), tmp_path / f"{kind}{library.find(kind, name).suffix}")
    mapping = tmp_path / "mapping.yaml"
    text = mapping.read_text().replace("cascade: attention-1pass", "cascade: ./cascade.cascade")
    mapping.write_text(text.replace("architecture: fusemax", "architecture: ./architecture.yaml"))
    (tmp_path / "child.yaml").write_text("name: child\nbased_on: ./mapping.yaml\n")
    return tmp_path


def own_keys(folder):
    return keys_of(folder, {**FILE, "configuration": str(folder / "child.yaml")})


@pytest.mark.parametrize("name", ["mapping.yaml", "architecture.yaml", "cascade.cascade", "child.yaml"])
def test_names_places_times_and_comments_of_files_do_not_count(own, name):
    before = own_keys(own)
    path = own / name
    path.write_text("# a comment\n" + path.read_text() + "\n\n")
    assert own_keys(own) == before
    moved = own / "elsewhere"
    moved.mkdir()
    for each in own.glob("*.*"):
        shutil.copy(each, moved / each.name)
    assert own_keys(moved) == before
    (moved / name).rename(moved / f"renamed{path.suffix}")
    for each in moved.glob("*.yaml"):
        each.write_text(each.read_text().replace(f"./{name}", f"./renamed{path.suffix}"))
    start = "renamed.yaml" if name == "child.yaml" else "child.yaml"
    assert keys_of(moved, {**FILE, "configuration": str(moved / start)}) == before


def leaves(value, path=()):
    """Paths of all numbers and texts of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, (dict, list)):
        return [leaf for key, part in parts for leaf in leaves(part, (*path, key))]
    return [path]


ARCHITECTURE = yaml.safe_load(library.read(library.find("architecture", "fusemax")))
MAPPING = yaml.safe_load(library.read(library.find("mapping", "fusemax")))


@pytest.mark.parametrize(("kind", "document"), [("architecture", ARCHITECTURE), ("mapping", MAPPING)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_field_of_a_file_counts(own, kind, document, data):
    path = own / f"{kind}.yaml"
    original = path.read_text()
    other = {"description", "source", "cascade", "architecture"}
    leaf = data.draw(st.sampled_from([each for each in leaves(document) if each[0] not in other]))
    before = own_keys(own)
    value = yaml.safe_load(original)
    inner = value
    for key in leaf[:-1]:
        inner = inner[key]
    old = inner[leaf[-1]]
    inner[leaf[-1]] = old + 1 if isinstance(old, (int, float)) and not isinstance(old, bool) else f"{old}x"
    try:
        path.write_text(yaml.safe_dump(value, sort_keys=False))
        expected = leaf == ("name",) and kind == "mapping"  # its child has a name of its own
        assert (own_keys(own) == before) is expected, leaf
    finally:
        path.write_text(original)


def test_sections_of_a_file_have_no_order(own):
    before = own_keys(own)
    for name in ("architecture", "mapping"):
        path = own / f"{name}.yaml"
        value = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump(dict(reversed(value.items())), sort_keys=False))
    assert own_keys(own) == before


def test_tiles_of_a_partition_have_one(own):
    before = own_keys(own)
    path = own / "mapping.yaml"
    value = yaml.safe_load(path.read_text())
    value["partition"]["p"] = dict(reversed(value["partition"]["p"].items()))
    path.write_text(yaml.safe_dump(value, sort_keys=False))
    assert own_keys(own) != before


def test_other_code_has_other_keys(tmp_path):
    assert not set(keys_of(tmp_path, FILE, "code")) & set(keys_of(tmp_path, FILE, "other"))


@pytest.mark.parametrize(("name", "counts"), [("model/closed_form.py", True), ("cascade/grammar.lark", True),
                                              ("cli/app.py", False), ("report/style.py", False)])  # fmt: skip
def test_the_digest_of_the_code_is_of_what_decides_results(tmp_path, monkeypatch, name, counts):
    copy = tmp_path / "einsim"
    shutil.copytree(ROOT / "einsim", copy, ignore=shutil.ignore_patterns("__pycache__", "zoo"))
    monkeypatch.setattr(library, "_PACKAGE", copy)
    assert code_digest.__wrapped__() == code_digest()
    (copy / name).write_text((copy / name).read_text() + "\n")
    assert (code_digest.__wrapped__() != code_digest()) is counts


@given(st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 2), max_size=8))
def test_sums_are_those_of_arrays(terms):
    keys = np.array(terms, np.uint64).reshape(-1, 2)
    with np.errstate(over="ignore"):
        assert total(terms) == tuple(keys.sum(axis=0, dtype=np.uint64).tolist())


def test_what_cost_tables_say_matters(tmp_path):
    table = tmp_path / "own.yaml"
    shipped = (ROOT / "arch" / "costs" / "paper-45nm.yaml").read_text()
    table.write_text(shipped)
    shutil.copy(ROOT / "arch" / "costs" / "sram-cacti7.csv", tmp_path)
    file = {**FILE, "axes": [*FILE["axes"], {"arch.costs": [str(table), "paper-45nm-own-depth"]}]}
    space = space_of(tmp_path, file)
    before = Identities("code").keys(list(space.points()))
    assert len(np.unique(before, axis=0)) == 8
    for grid in grids(space):
        for box in boxes(grid.shape, 3):
            assert (Labels(grid).keys(box, Identities("code")) == before[grid.indices(box)]).all()
    table.write_text(shipped.replace("17.1645", "17.1646"))
    after = Identities("code").keys(list(space_of(tmp_path, file).points()))
    assert (before != after).any(axis=1).tolist() == [True, False] * 4


def test_scopes_are_different_points(tmp_path):
    axes = [{"scope": ["attention", "linear", "layer"]}]
    keys = keys_of(tmp_path, {**FILE, "model": "BERT", "axes": axes})
    assert len(set(keys)) == 3
