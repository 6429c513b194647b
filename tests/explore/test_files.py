"""Files that change while a sweep runs: its rows and its keys are of what they were when it began."""

from unittest.mock import patch

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from einsim.errors import SpecError
from einsim.explore import keeping, search, work, workers
from einsim.explore.identity import code_digest
from einsim.explore.resultstore import ResultStore
from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, Means, run_points, run_sweep
from einsim.explore.workers import Local
from einsim.spec.files import Files, ask, held, kind_of, steps_held
from tests.cli.commands import einsim
from tests.explore import ownfiles

ATTENTION = """
name: s
model: T5
axes:
  - configuration: [fusemax, ./child.yaml]
  - seq_len: [1K, 4K]
  - arch.buffer.capacity_bytes: [8 MiB, 16 MiB]
"""
WHOLE = """
name: s
model: T5
scope: layer
axes:
  - configuration: [fusemax, ./child.yaml]
  - seq_len: [1K, 2K]
"""
EVERY = tuple(ownfiles.EDITS)
ALONE = [name for name in EVERY if name not in ownfiles.LINEAR]


@pytest.fixture
def own(tmp_path):
    ownfiles.make(tmp_path)
    (tmp_path / "attention.yaml").write_text(ATTENTION)
    (tmp_path / "whole.yaml").write_text(WHOLE)
    return tmp_path


def table(folder, name, executor=None, store=None, engine=Engine.EXACT, progress=lambda _: None):
    space = load_space(folder / name)
    return finish(space, list(run_sweep(space, progress, engine, Means(executor or Local(), store))))


class Editor:
    """Makes edits as soon as the first row is there."""

    def __init__(self, folder, names):
        self.folder, self.left = folder, list(names)

    def __call__(self, done):
        if done:
            while self.left:
                ownfiles.edit(self.folder, self.left.pop())


def small():
    """Points go to threads and processes a few at a time, and rows to the store as soon as they are there."""
    return (patch.multiple(workers, _LEAST=1, _CHUNK=1, _AHEAD=1), patch.object(work, "_BLOCK", 1),
            patch.multiple(keeping, _FIRST_S=0.0, _SHARE=0.0))  # fmt: skip


def check(own, file, names, executor=None, engine=Engine.EXACT):
    """A sweep in whose middle some files are edited has the rows of before, under keys of before."""
    before = table(own, file, engine=engine)
    editor = Editor(own, names)
    assert_frame_equal(table(own, file, executor, ResultStore(own / "store"), engine, editor), before)
    assert not editor.left
    points = list(load_space(own / file).points())
    mine = {each.index for each in points if each.configuration.value != "fusemax"}
    known = ResultStore(own / "store").lookup(points)
    assert not mine & set([] if known is None else known["index"]), "rows of before are known by keys of now"
    after = table(own, file, executor, ResultStore(own / "store"), engine)
    assert_frame_equal(after, table(own, file, engine=engine))
    changed = (after["energy_pj"] != before["energy_pj"]) | (after["latency_s"] != before["latency_s"])
    assert set(after.filter(changed)["index"]) <= mine
    assert changed.any(), "the edit changes nothing: no test of anything"
    ownfiles.make(own)
    known = ResultStore(own / "store").lookup(points)
    assert_frame_equal(known.drop("command"), before.select(known.columns).drop("command"))


@pytest.mark.parametrize("name", ALONE)
def test_one_file_is_edited_in_the_middle(own, name):
    with small()[2]:
        check(own, "attention.yaml", [name])


@pytest.mark.parametrize("name", EVERY)
def test_one_file_of_a_whole_model_is_edited_in_the_middle(own, name):
    with small()[2]:
        check(own, "whole.yaml", [name])


@pytest.mark.parametrize("engine", [Engine.EXACT, Engine.COMPILED])
def test_in_threads_and_in_processes(own, engine):
    first, second, third = small()
    with first, second, third:
        check(own, "attention.yaml", ALONE, engine=engine)


def test_a_whole_model_in_processes(own):
    first, _, third = small()
    with first, third:
        check(own, "whole.yaml", EVERY)


@pytest.mark.parametrize(("file", "engine"), [("attention.yaml", Engine.EXACT), ("attention.yaml", Engine.COMPILED),
                                              ("whole.yaml", Engine.EXACT)])  # fmt: skip
def test_without_a_store(own, file, engine):
    """Rows are of the start, too, where the files of later points are needed by no key."""
    before = table(own, file, engine=engine)
    with small()[1]:
        assert_frame_equal(table(own, file, engine=engine, progress=Editor(own, EVERY)), before)


def test_the_inputs_beside_a_table_are_those_of_its_rows(own):
    """The command copies what it has read, not what is there when it is done."""
    names = [name for name in ALONE if name != "rows.csv"]
    text = {name: (own / name).read_bytes() for name in names}
    evaluate, editor = workers.evaluate_work, Editor(own, ALONE)

    def edited(part):
        editor(True)
        return evaluate(part)

    with patch.object(workers, "evaluate_work", edited):
        done = einsim("sweep", str(own / "attention.yaml"), "--out", str(own / "out"), "--no-figures")
    assert done.code == 0, done.err
    copies = {path.read_bytes() for path in (own / "out" / "inputs").iterdir()}
    assert {name for name in names if text[name] not in copies} == {"attention.cascade"}  # which is copied as parsed
    ownfiles.make(own)
    assert_frame_equal(pl.read_parquet(own / "out" / "results.parquet"), table(own, "attention.yaml"))


def test_a_search_command(own):
    """Designs of a later generation, rivals and the cycle model's runs are of the files of the start."""
    file = own / "search.yaml"
    file.write_text(
        "name: s\nconfiguration: fusemax\nmodel: T5\nmethod: random\nevaluations: 4\nconfirm: 2\n"
        "design:\n  - configuration: [fusemax, ./child.yaml]\n  - arch.buffer.capacity_bytes: [8 MiB, 16 MiB]\n"
        "workloads:\n  - seq_len: [1K]\ncompare:\n  mine: {configuration: ./child.yaml}\n"
    )
    names = ("points", "designs", "front", "confirmed", "compared")

    def found(out, editor):
        def edited(function):
            def call(*args, **kwargs):
                rows = function(*args, **kwargs)
                editor(True)
                return rows

            return call

        with patch.object(search, "_BATCH", 1), patch.object(workers, "evaluate_work", edited(work.evaluate_work)):
            done = einsim(
                "search", str(file), "--out", str(own / out), "--no-figures", "--store", str(own / f"{out}.s")
            )
        assert done.code == 0, done.err
        return [pl.read_parquet(own / out / f"{name}.parquet") for name in names]

    before = found("before", lambda _: None)
    editor = Editor(own, ALONE)
    during = found("during", editor)
    assert not editor.left
    for table_of, expected in zip(during, before, strict=True):
        assert_frame_equal(table_of, expected)
    after = found("after", lambda _: None)
    assert not after[1].equals(before[1])


def test_files_that_are_gone(own):
    """A sweep needs no file any more once it has begun; the next one says what is missing."""
    before = table(own, "attention.yaml")

    def remove(done):
        for name in ALONE if done else ():
            (own / name).unlink(missing_ok=True)

    with small()[2]:
        assert_frame_equal(table(own, "attention.yaml", store=ResultStore(own / "store"), progress=remove), before)
    with pytest.raises(SpecError, match="no file"):
        table(own, "attention.yaml", store=ResultStore(own / "store"))


def test_a_search_generation_by_generation(own):
    """What the same means evaluate later is of the same files; other means see them as they are."""
    points = list(load_space(own / "attention.yaml").points())
    plain = pl.concat(run_points(points, lambda _: None), how="diagonal_relaxed").sort("index")
    means = Means(store=ResultStore(own / "store"))
    means.identities.take(points)
    found = list(run_points(points[:3], lambda _: None, means))
    for name in ALONE:
        ownfiles.edit(own, name)
    found += run_points(points[3:], lambda _: None, means)
    assert_frame_equal(pl.concat(found, how="diagonal_relaxed").sort("index"), plain)
    later = pl.concat(
        run_points(points, lambda _: None, Means(store=ResultStore(own / "store"))), how="diagonal_relaxed"
    )
    changed = later.sort("index")["energy_pj"] != plain["energy_pj"]
    assert changed.to_list() == [False] * 4 + [True] * 4


def test_a_worker_process_with_other_code(own):
    """Workers load the code when they start: einsim may have been changed by then."""
    first, _, third = small()
    with first, third, patch.object(workers, "code_digest", lambda: "0" * 32), pytest.raises(SpecError) as caught:
        table(own, "attention.yaml")
    assert "changed since" in str(caught.value)
    assert code_digest() != "0" * 32


def test_the_disk_is_asked_once(tmp_path):
    path = tmp_path / "file"
    files = Files(tmp_path)
    with held(files):
        assert kind_of(path) is None
        path.write_text("")
        assert kind_of(path) is None
        assert [ask(("n",), lambda number=number: number) for number in range(3)] == [0, 0, 0]
    assert kind_of(path) == "file"
    assert ask(("n",), lambda: 1) == 1
    with held(Files(tmp_path)), held(files):
        assert kind_of(path) is None


def test_what_is_held_is_held_in_steps_only(tmp_path):
    closed = []

    def steps():
        try:
            yield ask(("n",), lambda: 1)
            yield ask(("n",), lambda: 2)
        finally:
            closed.append(ask(("n",), lambda: 3))

    one, other = steps_held(Files(tmp_path), steps()), steps_held(Files(tmp_path), steps())
    assert [next(one), next(other)] == [1, 1]
    assert ask(("n",), lambda: 4) == 4
    assert list(one) == [1]
    other.close()
    assert closed == [1, 1]
