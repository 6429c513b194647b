"""Keys of points: the same for what is the same, however written, and another for every field that means something."""

import json
import shutil
from dataclasses import replace
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
from einsim.spec.modelrun import Scope
from tests.explore import ownfiles
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


def own_keys(folder, **changes):
    return keys_of(folder, {**FILE, "configuration": str(folder / "child.yaml"), **changes})


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
    before, published = own_keys(own), own_keys(own, accounting="published")
    value = yaml.safe_load(original)
    inner = value
    for key in leaf[:-1]:
        inner = inner[key]
    old = inner[leaf[-1]]
    inner[leaf[-1]] = old + 1 if isinstance(old, (int, float)) and not isinstance(old, bool) else f"{old}x"
    try:
        path.write_text(yaml.safe_dump(value, sort_keys=False))
        named = leaf == ("name",) and kind == "mapping"  # its child has a name of its own
        assert (own_keys(own) == before) is (named or leaf[0] == "published"), leaf
        assert (own_keys(own, accounting="published") == published) is named, leaf
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


POINTS = {
    "shipped": {"configuration": "fusemax"},
    "own": {"configuration": "./child.yaml"},
    "parent": {"configuration": "./mapping.yaml"},
    "elsewhere": {"configuration": "./child.yaml", "architecture": "fusemax"},
    "published": {"configuration": "./child.yaml", "accounting": "published"},
    "other table": {"configuration": "./child.yaml", "set": {"arch.costs": "./other.yaml"}},
    "inside": {"configuration": "fusemax", "set": {"arch.buffer": {"capacity_bytes": 1 << 24, "access_bytes": 512,
               "latency_cycles": 2, "read_ports": 3, "write_ports": 1, "costs": "./other.yaml"}}},
    "layer": {"configuration": "./child.yaml", "scope": "layer"},
    "layer, shipped": {"configuration": "fusemax", "scope": "layer"},
    "model": {"configuration": "./child.yaml", "scope": "model"},
    "fused": {"configuration": "fusemax", "model": "BERT", "scope": "layer", "layers": "fused"},
    "decoder": {"configuration": "fusemax", "model": "Llama-3-8B", "scope": "layer"},
    "attention of it": {"configuration": "fusemax", "model": "Llama-3-8B"},
}  # fmt: skip
"""Points by a name: what they differ in from T5's attention at 1K."""
MINE = {"own", "parent", "elsewhere", "published", "other table", "layer", "model"}
ON_MY_MACHINE = MINE - {"elsewhere"}
DEPENDS = {
    "child.yaml": MINE - {"parent"},
    "mapping.yaml": MINE,
    "machine.yaml": ON_MY_MACHINE,
    "base.yaml": ON_MY_MACHINE,
    "attention.cascade": MINE,
    "table.yaml": ON_MY_MACHINE - {"other table"},
    "rows.csv": ON_MY_MACHINE | {"inside"},  # the other table names them as well
    "linear.yaml": {"layer", "model"},
    "matmul.cascade": {"layer", "model"},
}


@pytest.fixture
def every(tmp_path, monkeypatch):
    """All files: the test's own, and a copy of those that ship."""
    for name in ("arch", "mappings", "einsim/zoo"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.setattr(library, "_PACKAGE", tmp_path / "einsim")
    library._listed.cache_clear()
    monkeypatch.chdir(tmp_path)
    ownfiles.make(tmp_path)
    (tmp_path / "other.yaml").write_text((tmp_path / "table.yaml").read_text())
    yield tmp_path
    library._listed.cache_clear()


def keys_by_name(folder):
    found = {}
    for name, fields in POINTS.items():
        file = {"name": "s", "model": "T5", "axes": [{"seq_len": ["1K"]}], **fields}
        (found[name],) = keys_of(folder, file)
    return found


def changed_by(folder, name, edit):
    """Which keys an edit changes; undone, it changes none."""
    before, text = keys_by_name(folder), (folder / name).read_text()
    assert len(set(before.values())) == len(before)
    edit()
    after = keys_by_name(folder)
    (folder / name).write_text(text)
    assert keys_by_name(folder) == before
    return {each for each in POINTS if before[each] != after[each]}


@pytest.mark.parametrize("name", DEPENDS)
def test_an_edit_changes_the_keys_of_what_depends_on_it_and_no_others(every, name):
    assert changed_by(every, name, lambda: ownfiles.edit(every, name)) == DEPENDS[name]


BESIDE = "beside: {linear: ./linear.yaml}"
FIRST = "{name: residual 1, cascade: layer-add, sizes: {D: width, P: tokens}}"
EDITS = {
    "a table of an axis, and of a part": ("other.yaml", "17.1645", "27.1645", {"other table", "inside"}),
    "another stand-in": ("mapping.yaml", BESIDE, BESIDE.replace("./linear.yaml", "linear-divided"), {"layer", "model"}),
    "what is published": ("mapping.yaml", "accumulate: [m1]", "accumulate: []", {"published"}),
    "a division": ("mapping.yaml", BESIDE, "divide: {p: {into: {pa: 1, pb: P - 1}}}\n" + BESIDE, MINE),
    "a family": ("einsim/zoo/families/t5.yaml", FIRST, FIRST.replace("tokens", "2 * tokens"),
                 {"layer", "layer, shipped", "model"}),
    "another family": ("einsim/zoo/families/decoder.yaml", "rmsnorm, sizes: {D: width, P: tokens}",
                       "rmsnorm, sizes: {D: width, P: 2 * tokens}", {"decoder"}),
    "a comment in a family": ("einsim/zoo/families/t5.yaml", "fields:", "fields:   # a comment", set()),
    "a shape": ("einsim/zoo/models.yaml", "2020\", heads: 8", "2020\", heads: 16",
                {"shipped", "own", "parent", "elsewhere", "published", "other table", "inside"}),
    "a kernel's cascade": ("einsim/zoo/layer/add.cascade", "= X[d,p] + R", "= X[d,p] * R",
                           {"layer", "layer, shipped", "model", "decoder"}),
    "a linear layer that ships": ("mappings/linear.yaml", "M0: array2d.rows ", "M0: array2d.rows // 2 ",
                                  {"layer, shipped", "decoder"}),
    "a machine that ships": ("arch/fusemax.yaml", "word_bytes: 2", "word_bytes: 4",
                             {"shipped", "elsewhere", "inside", "layer, shipped", "fused", "decoder",
                              "attention of it"}),
    "a table that nobody asks": ("arch/costs/cacti-22nm.yaml", "technology_nm: 22", "technology_nm: 23", set()),
    "a comment in a table": ("table.yaml", "operations:", "operations:   # a comment", set()),
    "a comment in a cascade": ("attention.cascade", "input Q", "# a comment\ninput Q", set()),
    "a space in the rows": ("rows.csv", "45,16777216", "45, 16777216", set()),
    "a description": ("base.yaml", "FuseMax's cloud", "My", set()),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_other_edits(every, what):
    name, old, new, expected = EDITS[what]
    path = every / name
    assert old in path.read_text()
    assert changed_by(every, name, lambda: path.write_text(path.read_text().replace(old, new, 1))) == expected


def test_files_of_models_count_by_what_they_say(tmp_path):
    """A config.json has no name of its own: what it says of the model does."""
    path = tmp_path / "T5" / "config.json"
    path.parent.mkdir()
    config = {"model_type": "t5", "d_model": 512, "d_kv": 64, "num_heads": 8, "d_ff": 2048, "num_layers": 6,
              "vocab_size": 32128}  # fmt: skip
    file = {"name": "s", "model": "T5", "scope": "layer", "configuration": "fusemax", "axes": [{"seq_len": ["1K"]}]}
    (named,) = space_of(tmp_path, file).points()
    given = replace(named, workload=replace(named.workload, model=str(path)))

    def key(point, **changes):
        path.write_text(json.dumps(config | changes))
        return Identities("code").keys([point]).tolist()

    assert key(given) == key(given, num_layers=7) == key(given, transformers_version="5") == key(named)
    assert key(given, d_ff=2056) != key(given)
    whole = replace(given, scope=Scope.MODEL)
    assert key(whole, num_layers=7) != key(whole)


def test_the_cases_of_what_is_chosen_count(tmp_path):
    """Which machine is chosen when is a matter of the cases' names."""
    text = "name: c\nbased_on: fusemax\nchoices: {which: {options: [one, two], default: one}}\narchitecture: {%s}\n"
    keys = []
    for cases in ("select: which, one: fusemax, two: flat", "select: which, two: fusemax, one: flat",
                  "select: which, one: flat, two: fusemax"):  # fmt: skip
        (tmp_path / "c.yaml").write_text(text % cases)
        keys.append(keys_of(tmp_path, {**FILE, "configuration": str(tmp_path / "c.yaml")}))
    assert keys[0] != keys[1]
    assert keys[0] != keys[2]


def test_scopes_are_different_points(tmp_path):
    axes = [{"scope": ["attention", "linear", "layer"]}]
    keys = keys_of(tmp_path, {**FILE, "model": "BERT", "axes": axes})
    assert len(set(keys)) == 3
