"""Compaction of a store: fewer files, the same answers, whatever ends it and whoever looks on."""

import shutil
import signal
import subprocess
import sys
from unittest.mock import patch

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from einsim.errors import SpecError
from einsim.explore import compaction, segments
from einsim.explore.compaction import compact
from einsim.explore.identity import Identities
from einsim.explore.query import Query
from einsim.explore.resultstore import ResultStore
from einsim.explore.rows import finish
from einsim.explore.segments import Folder
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, Means, run_points, run_sweep
from tests.cli.commands import einsim, refused
from tests.explore.test_resultstore import DAMAGES, FILE, ROOT, TOTAL, Counted, FullError, notes, space_of, start

QUESTIONS = (
    "SELECT * FROM results ORDER BY ALL",
    "SELECT configuration, count(*), count(DISTINCT command), min(latency_s) FROM results GROUP BY ALL ORDER BY ALL",
    'SELECT count("arch.clock_hz"), sum("arch.buffer.capacity_bytes") FROM results',
)


def fill(folder, path, length):
    """A store of small segments, in turn of two sweeps whose rows have other columns; the spaces of the sweeps."""
    spaces = []
    for name, axis in (("one", "arch.buffer.capacity_bytes: [1 KiB, 4 MiB, 8 MiB, 16 MiB, 32 MiB, 64 MiB]"),
                       ("two", "arch.clock_hz: [1.0e+9, 2.0e+9, 3.0e+9, 4.0e+9, 5.0e+9, 6.0e+9]")):  # fmt: skip
        file = folder / f"{name}.yaml"
        file.write_text(
            f"name: {name}\nconfiguration: fusemax\nmodel: BERT\naxes:\n  - seq_len: [1K, 4K]\n  - {axis}\n"
        )
        spaces.append(load_space(file))
    store = ResultStore(path)
    rows = [pl.concat(run_points(list(space.points()), lambda _: None), how="diagonal_relaxed") for space in spaces]
    for begin in range(0, len(spaces[0]), length):
        for space, table in zip(spaces, rows, strict=True):
            store.add(list(space.points()), table[begin : begin + length])
    return spaces


def answers(path):
    query = Query(ResultStore(path, create=False))
    return [query.ask(sql) for sql in QUESTIONS]


def check(path, spaces, expected):
    """A store has these answers, and a sweep finds all of its rows there."""
    for answer, before in zip(answers(path), expected, strict=True):
        assert_frame_equal(answer, before)
    store = ResultStore(path)
    assert store.damaged == []
    for space in spaces:
        counted = Counted()
        assert_frame_equal(counted.table(space, store), Counted().table(space))
        assert not counted.evaluated


def names(path):
    return sorted(each.name for each in (path / "segments").iterdir())


def test_no_answer_changes(tmp_path):
    path = tmp_path / "store"
    spaces = fill(tmp_path, path, 2)
    expected, summary = answers(path), einsim("results", str(path), "--json").json
    columns = [list(each.columns) for each in expected]
    before = len(names(path))
    done = einsim("results", str(path), "--compact", "--json").json
    assert [done["before"]["segments"], done["after"]["segments"]] == [before, 2] == [12, 2]
    assert done["before"]["rows"] == done["after"]["rows"] == 24
    assert done["after"]["bytes"] == sum(each.stat().st_size for each in (path / "segments").iterdir())
    check(path, spaces, expected)
    assert [list(each.columns) for each in answers(path)] == columns
    again = einsim("results", str(path), "--json").json
    assert again | {"segments": 0, "bytes": 0} == summary | {"segments": 0, "bytes": 0}
    kept = names(path)
    assert "nothing to merge" in einsim("results", str(path), "--compact").out
    assert names(path) == kept


def test_segments_become_no_larger_than_they_may(tmp_path):
    path = tmp_path / "store"
    spaces = fill(tmp_path, path, 2)
    expected = answers(path)
    with patch.multiple(compaction, _FULL=5, _SMALL=3):
        compact(Folder(path), lambda: None)
        rows = [len(pl.read_parquet(path / "segments" / name)) for name in names(path)]
        assert rows == [4, 4, 4, 4, 4, 4]
        kept = names(path)
        compact(Folder(path), lambda: None)
    assert names(path) == kept
    check(path, spaces, expected)


def test_killed_at_every_step(tmp_path):
    """All rows are there whenever it is killed, none twice in an answer; the next one does what is left."""
    path = tmp_path / "store"
    spaces = fill(tmp_path, path, 6)
    expected = answers(path)
    step, left = 0, None
    while left is None:
        copy = tmp_path / f"copy{step}"
        shutil.copytree(path, copy)
        words = [sys.executable, "-m", "tests.explore.killed", str(copy), str(step)]
        done = subprocess.run(words, check=False, cwd=ROOT, capture_output=True, text=True)
        if done.returncode == 0:
            left = int(done.stdout)
        else:
            assert done.returncode == -signal.SIGKILL, done.stderr
        for answer, before in zip(answers(copy), expected, strict=True):
            assert_frame_equal(answer, before)
        if step % 5 == 0:
            check(copy, spaces, expected)
        compact(Folder(copy), lambda: None)
        assert len([name for name in names(copy) if name.endswith(".parquet")]) == 2
        check(copy, spaces[:1], expected)
        step += 1
    assert left == 0
    assert step > 2 * 7, (
        "of each of two new segments: written, half and all, synced, moved, the folder synced, two removed"
    )


def test_a_sweep_and_questions_meanwhile(tmp_path):
    """What runs while a store is compacted again and again evaluates every point once, and reads what it wrote."""
    space = space_of(tmp_path, FILE)
    log, store = tmp_path / "log", tmp_path / "store"
    sweep, merged = start(tmp_path, log, Engine.EXACT, 0.02), 0
    try:
        while sweep.poll() is None:
            if not list(store.glob("segments/*.parquet")):
                continue
            done = compact(Folder(store), lambda: None)
            merged += done.before.segments - done.after.segments
            reported = set(notes(log, "reported"))
            known = ResultStore(store, create=False)
            assert known.damaged == []
            assert len(known) >= len(reported)
            (answer,) = Query(known).ask("SELECT count(*), count(DISTINCT command) FROM results").rows()
            assert answer[0] == answer[1] >= len(reported)
    finally:
        sweep.kill()
        sweep.wait()
        sweep.stderr.close()
    assert sweep.returncode == 0
    assert merged > 3
    assert sorted(notes(log, "evaluated")) == list(range(TOTAL))
    assert_frame_equal(pl.read_parquet(f"{log}.parquet"), Counted().table(space))


def test_who_has_a_store_open_finds_the_rows_in_their_new_place(tmp_path):
    path = tmp_path / "store"
    spaces = fill(tmp_path, path, 2)
    expected = answers(path)
    query, store = Query(ResultStore(path, create=False)), ResultStore(path)
    points = list(spaces[0].points())
    before = store.lookup(points)
    fresh = ResultStore(path)  # with no segment in memory
    compact(Folder(path), lambda: None)
    assert_frame_equal(fresh.lookup(points), before)
    assert_frame_equal(store.lookup(points), before)
    for sql, answer in zip(QUESTIONS, expected, strict=True):
        assert_frame_equal(query.ask(sql), answer)
    assert query.export(QUESTIONS[0], tmp_path / "out.csv") == 24
    assert query.overview()["segments"] == 2


def test_rows_that_are_merged_between_looking_and_reading(tmp_path):
    path = tmp_path / "store"
    (space, _) = fill(tmp_path, path, 2)
    keys = Identities().keys(list(space.points()))
    store = ResultStore(path)
    places = store.find_own(keys)
    compact(Folder(path), lambda: None)
    assert sum(len(rows) for _, rows in store.rows(places)) == len(keys)
    places = store.find_own(keys)
    for name in names(path):
        (path / "segments" / name).unlink()
    other = ResultStore(path)
    assert len(other) == 0
    store._frames.clear()
    with pytest.raises(SpecError, match="segments are gone"):
        store.rows(places)


def test_a_folder_is_listed_until_nothing_moves(tmp_path):
    """A segment that is merged while the folder is listed may be missing there, and the new one, too."""
    listings = iter([["b"], ["ab"], ["ab"]])
    with patch.object(Folder, "_names", lambda _: next(listings)):
        assert Folder(tmp_path).names() == ["ab"]


@pytest.mark.parametrize("step", ["write_bytes", "replace", "unlink"])
def test_a_full_disk(tmp_path, step):
    path = tmp_path / "store"
    spaces = fill(tmp_path, path, 6)
    expected = answers(path)

    def full(*_args, **_kwargs):
        raise FullError

    with patch.object(segments.Path, step, full), pytest.raises(SpecError, match="No space left") as caught:
        compact(Folder(path), lambda: None)
    assert "\n" not in str(caught.value)
    assert not [name for name in names(path) if name.endswith(".part")] or step == "unlink"
    check(path, spaces, expected)
    compact(Folder(path), lambda: None)
    check(path, spaces, expected)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_or_foreign_is_left_alone(tmp_path, damage):
    path = tmp_path / "store"
    fill(tmp_path, path, 2)
    victim = path / "segments" / names(path)[1]
    damage(victim)
    for name in ("notes.txt", "0-0.parquet"):
        (path / "segments" / name).write_text("mine")
    content = victim.read_bytes()
    lines = einsim("results", str(path), "--compact").err.splitlines()
    assert len(lines) == 2
    assert any(victim.name in line for line in lines)
    assert victim.read_bytes() == content
    assert (path / "segments" / "notes.txt").read_text() == (path / "segments" / "0-0.parquet").read_text() == "mine"
    assert len(names(path)) == 2 + 1 + 2
    assert len(ResultStore(path)) == 22


def test_two_at_once(tmp_path):
    fill(tmp_path, tmp_path / "store", 12)
    with Folder(tmp_path / "store").compacting():
        refused("results", str(tmp_path / "store"), "--compact", parts=("compacted by somebody else", "wait"))
    assert einsim("results", str(tmp_path / "store"), "--compact").code == 0


def test_wrong_use_is_one_message(tmp_path):
    refused("results", str(tmp_path / "none"), "--compact", parts=("there is no result store",))
    fill(tmp_path, tmp_path / "store", 12)
    store = str(tmp_path / "store")
    refused("results", store, "SELECT 1", "--compact", parts=("--compact", "beside a question"))
    refused("results", store, "--limit", "1", "--compact", parts=("--compact", "beside a question"))


def test_an_empty_store(tmp_path):
    ResultStore(tmp_path / "store")
    assert "0 rows in 0 segments" in einsim("results", str(tmp_path / "store"), "--compact").out


def test_rows_that_are_twice_are_there_once(tmp_path):
    path = tmp_path / "store"
    (space, _) = fill(tmp_path, path, 6)
    points = list(space.points())
    rows = finish(space, list(run_sweep(space, lambda _: None, means=Means(store=ResultStore(path)))))
    again = pl.concat(run_points(points[:4], lambda _: None), how="diagonal_relaxed")
    ResultStore(path).add(points, again)
    expected = answers(path)
    done = compact(Folder(path), lambda: None)
    assert done.before.rows == 28
    assert done.after.rows == 24
    check(path, [space], expected)
    assert len(rows) == 12
