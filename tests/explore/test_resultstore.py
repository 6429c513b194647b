"""The store of results: nothing that was reported is lost or evaluated again, whatever happens."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from einsim.errors import SpecError
from einsim.explore import segments, work, workers
from einsim.explore.resultstore import ResultStore
from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, Means, run_points, run_sweep
from tests.cli.commands import einsim

ROOT = Path(__file__).parents[2]
FILE = """
name: kept
model: BERT
axes:
  - configuration: [flat, fusemax]
  - seq_len: [1K, 4K, 16K]
  - arch.buffer.capacity_bytes: [1 KiB, 4 MiB, 8 MiB, 16 MiB, 32 MiB]
  - arch.dram.bandwidth_bytes_per_s: [100 GiB, 200 GiB, 300 GiB, 400 GiB]
baseline: {configuration: flat}
"""
TOTAL = 120


@pytest.fixture
def space(tmp_path):
    return space_of(tmp_path, FILE)


def space_of(folder, text):
    path = folder / "sweep.yaml"
    path.write_text(text)
    return load_space(path)


class Counted:
    """Runs sweeps, and counts what is evaluated."""

    def __init__(self):
        self.evaluated = Counter()

    def table(self, space, store=None, engine=Engine.EXACT, progress=lambda _: None):
        def evaluate(part):
            self.evaluated.update(part.source.lead(part.box)[0])
            return work.evaluate_work(part)

        with patch.object(workers, "evaluate_work", evaluate), patch.object(work, "_BLOCK", 40):
            means = Means(store=store)
            return finish(space, list(run_sweep(space, progress, engine, means)))


@pytest.mark.parametrize("engine", [Engine.EXACT, Engine.COMPILED])
def test_a_second_run_evaluates_nothing_and_has_the_same_table(tmp_path, space, engine):
    plain = Counted().table(space, engine=engine)
    for expected in (TOTAL, 0):
        counted = Counted()
        assert_frame_equal(counted.table(space, ResultStore(tmp_path / "store"), engine), plain)
        assert counted.evaluated.total() == expected


@pytest.mark.parametrize("engine", [Engine.EXACT, Engine.COMPILED])
def test_only_what_is_new_in_a_sweep_is_evaluated(tmp_path, space, engine):
    Counted().table(space, ResultStore(tmp_path / "store"), engine)
    more = FILE.replace("8 MiB,", "8 MiB, 9 MiB,").replace("[1K, 4K, 16K]", "[16384, 2048, 1K]")
    more = more.replace("[100 GiB", "[107374182400")
    other = space_of(tmp_path, more)
    counted = Counted()
    table = counted.table(other, ResultStore(tmp_path / "store"), engine)
    assert_frame_equal(table, Counted().table(other, engine=engine))
    new = table.filter((pl.col("seq_len") == 2048) | (pl.col("arch.buffer.capacity_bytes") == "9 MiB"))
    assert sorted(counted.evaluated.elements()) == new["index"].to_list()


def test_columns_of_one_sweep_are_not_those_of_another(tmp_path):
    """A store of two machines with different parts, of which a sweep asks for one."""
    both = FILE.replace("model: BERT", "model: BERT\ntime_model: both").replace("[1K, 4K, 16K]", "[1K]")
    both = both.replace("4 MiB, 8 MiB, 16 MiB, ", "").replace("[100 GiB, 200 GiB, 300 GiB, 400 GiB]", "[400 GiB]")
    store = ResultStore(tmp_path / "store")
    Counted().table(space_of(tmp_path, both), store)
    alone = space_of(tmp_path, both.replace("[flat, fusemax]", "[flat]"))
    counted = Counted()
    table = counted.table(alone, ResultStore(tmp_path / "store"))
    assert_frame_equal(table, Counted().table(alone))
    assert not counted.evaluated


def test_points_are_looked_up_and_added(tmp_path, space):
    points = list(space.points())
    rows = pl.concat(run_points(points, lambda _: None), how="diagonal_relaxed")
    store = ResultStore(tmp_path / "store")
    assert store.lookup(points) is None
    store.add(points, rows.sample(30, seed=0))
    for each in (store, ResultStore(tmp_path / "store")):
        known = each.lookup(points[::-1])
        assert len(known) == len(each) == 30
        expected = rows.filter(pl.col("index").is_in(known["index"].to_list())).sort("index")
        assert_frame_equal(known, expected, check_column_order=False)


def test_a_point_that_is_there_twice_is_evaluated_once(tmp_path):
    """Two files with the same content are the same design."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("name: same\nbased_on: fusemax\n")
    names = f"[{tmp_path / 'a.yaml'}, {tmp_path / 'b.yaml'}]"
    space = space_of(tmp_path, FILE.replace("[flat, fusemax]", names).replace("{configuration: flat}", "{seq_len: 1K}"))
    for engine in (Engine.EXACT, Engine.COMPILED):
        counted = Counted()
        table = counted.table(space, ResultStore(tmp_path / engine), engine)
        assert counted.evaluated.total() == TOTAL / 2
        assert_frame_equal(table, Counted().table(space, engine=engine))


@pytest.mark.parametrize("what", ["code", "accounting"])
def test_other_code_or_another_spec_is_evaluated_anew(tmp_path, space, what):
    Counted().table(space, ResultStore(tmp_path / "store"))
    counted = Counted()
    if what == "code":
        counted.table(space, ResultStore(tmp_path / "store", code="other code"))
    else:
        counted.table(space_of(tmp_path, FILE + "accounting: published\n"), ResultStore(tmp_path / "store"))
    assert counted.evaluated.total() == TOTAL


def test_a_row_is_reported_when_it_is_safe(tmp_path, space):
    counts = [0]
    path = tmp_path / "store"

    def progress(done):
        counts.append(counts[-1] + done)
        assert len(ResultStore(path)) >= counts[-1]

    Counted().table(space, ResultStore(path), progress=progress)
    assert counts[-1] == TOTAL


def start(tmp_path, log, engine, pause):
    words = [
        sys.executable,
        "-m",
        "tests.explore.kept",
        tmp_path / "sweep.yaml",
        tmp_path / "store",
        log,
        engine,
        pause,
    ]
    return subprocess.Popen(list(map(str, words)), cwd=ROOT, stderr=subprocess.PIPE)


def notes(log, what):
    if not log.exists():
        return []
    lines = log.read_text().splitlines(keepends=True)
    return [int(line.split()[1]) for line in lines if line.endswith("\n") and line.startswith(what)]


@pytest.mark.parametrize("engine", [Engine.EXACT, Engine.COMPILED])
def test_killed_at_any_instant(tmp_path, space, engine):
    rng = random.Random(f"{engine}")
    reported = set()
    pause = 0.01 if engine is Engine.EXACT else 0.2
    for number in range(40):
        log = tmp_path / f"log{number}"
        process = start(tmp_path, log, engine, pause)
        until = time.monotonic() + 60
        seen = rng.randrange(2, 30)
        while process.poll() is None and len(notes(log, "evaluated")) < seen and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.15)
        if number < 5:
            process.kill()
        process.wait(120)
        process.stderr.close()
        evaluated = notes(log, "evaluated")
        assert not reported & set(evaluated), "what was reported was evaluated again"
        assert max(Counter(evaluated).values(), default=0) <= 1
        reported |= set(notes(log, "reported"))
        known = ResultStore(tmp_path / "store")
        assert known.damaged == []
        found = known.lookup(list(space.points()))
        assert reported <= set([] if found is None else found["index"]), "what was reported is lost"
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert number >= 3, "it was killed in the middle"
    assert_frame_equal(pl.read_parquet(f"{log}.parquet"), Counted().table(space, engine=engine))
    assert not list((tmp_path / "store" / "claims").glob("*.keys"))


ORPHANS = """
import os, signal, sys
from multiprocessing import active_children
from pathlib import Path
from einsim.explore import workers
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, run_sweep

def kill(done):
    if active_children():
        print(*(each.pid for each in active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

workers._LEAST = workers._CHUNK = 1
list(run_sweep(load_space(Path(sys.argv[1])), kill, Engine.EXACT))
"""


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core has no worker processes")
def test_worker_processes_end_with_who_started_them(tmp_path, space):
    words = [sys.executable, "-c", ORPHANS, str(tmp_path / "sweep.yaml")]
    done = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # whose end workers would keep open
    pids = done.stdout.readline().split()
    assert done.wait(60) == -signal.SIGKILL
    done.stdout.close()
    assert pids
    until = time.monotonic() + 60
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < until, "workers of nobody"
        time.sleep(0.1)


def alive(pid):
    """Whether a process runs: it is there, and no zombie that waits for somebody to notice its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_store_that_may_not_be_written(tmp_path, space):
    """What is known is read; what is not ends in one message."""
    path = tmp_path / "store"
    Counted().table(space, ResultStore(path))
    barred = patch.object(segments.os, "open", side_effect=OSError(30, "Read-only file system"))
    with patch.object(segments, "_sync", lambda _: None), barred:
        assert len(Counted().table(space, ResultStore(path))) == TOTAL
        other = space_of(tmp_path, FILE.replace("1K, 4K", "2K, 4K"))
        with pytest.raises(SpecError, match="Read-only file system; name a store that may be written"):
            Counted().table(other, ResultStore(path))


@pytest.mark.parametrize("engine", [Engine.EXACT, Engine.COMPILED])
def test_two_sweeps_at_once_evaluate_every_point_once(tmp_path, space, engine):
    logs = [tmp_path / f"log{number}" for number in range(2)]
    started = [start(tmp_path, log, engine, 0.02 if engine is Engine.EXACT else 0.3) for log in logs]
    for process in started:
        assert process.wait(120) == 0, process.stderr.read()
        process.stderr.close()
    evaluated = [notes(log, "evaluated") for log in logs]
    assert sorted(evaluated[0] + evaluated[1]) == list(range(TOTAL))
    if engine is Engine.EXACT:  # of few large parts, one may get all
        assert all(evaluated)
    plain = Counted().table(space, engine=engine)
    for log in logs:
        assert_frame_equal(pl.read_parquet(f"{log}.parquet"), plain)


def test_who_ends_leaves_the_points_to_others(tmp_path, space):
    first = start(tmp_path, tmp_path / "log0", Engine.EXACT, 30)
    while not list((tmp_path / "store").glob("claims/*.keys")) and first.poll() is None:
        time.sleep(0.01)
    os.kill(first.pid, signal.SIGSTOP)  # it lives, and has a claim
    store = ResultStore(tmp_path / "store")
    try:
        with pytest.raises(TimeoutError):
            Counted().table(space, store, progress=waited(TOTAL - 1, 0.5))
        assert len(store) == TOTAL - 1
    finally:
        first.kill()
    first.wait()
    first.stderr.close()
    counted = Counted()
    assert len(counted.table(space, ResultStore(tmp_path / "store"))) == TOTAL
    assert counted.evaluated.total() == 1


def waited(points, seconds):
    """Gives up when nothing has come for a while after so many points."""
    count, since = 0, 0.0

    def progress(done):
        nonlocal count, since
        count += done
        since = time.monotonic() if done else since
        if count >= points and time.monotonic() > since + seconds:
            raise TimeoutError

    return progress


class FullError(OSError):
    def __init__(self):
        super().__init__(28, "No space left on device")


@pytest.mark.parametrize("step", ["write", "sync", "move", "sync folder", "claim"])
def test_a_full_disk_at_each_step(tmp_path, space, step):
    Counted().table(space_of(tmp_path, FILE.replace("[flat, fusemax]", "[flat]")), ResultStore(tmp_path / "store"))
    before = {path.name for path in (tmp_path / "store" / "segments").iterdir()}
    store = ResultStore(tmp_path / "store")

    def full(*_args, **_kwargs):
        raise FullError

    def sync(path):
        if (path.is_dir()) is (step == "sync folder"):
            raise FullError

    broken = {
        "write": patch.object(Path, "write_bytes", full),
        "move": patch.object(Path, "replace", full),
        "claim": patch.object(segments.Folder, "claim", lambda self, _: self.refuse("cannot claim points", "x")),
    }.get(step, patch.object(segments, "_sync", sync))
    with broken, pytest.raises(SpecError) as caught:
        Counted().table(space, store)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "store") in str(caught.value)
    after = {path.name for path in (tmp_path / "store" / "segments").iterdir()}
    assert before <= after
    assert not [name for name in after if name.endswith(".part")]
    assert not list((tmp_path / "store" / "claims").glob("*.keys"))
    again = ResultStore(tmp_path / "store")
    assert again.damaged == []
    counted = Counted()
    assert_frame_equal(counted.table(space, again), Counted().table(space))
    assert counted.evaluated.total() <= TOTAL // 2


def test_a_file_that_may_not_grow(tmp_path, space):
    """What the system says of a full disk, or a quota: the write itself fails, in the middle."""
    script = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); "
    script += "from tests.explore.kept import main; main(*sys.argv[1:])"
    words = [tmp_path / "sweep.yaml", tmp_path / "store", os.devnull, "compiled", 0]
    command = [sys.executable, "-c", script, *map(str, words)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "SpecError" in done.stderr
    assert "cannot write results" in done.stderr
    assert "File too large" in done.stderr
    assert not list((tmp_path / "store" / "segments").iterdir())
    assert len(Counted().table(space, ResultStore(tmp_path / "store"))) == TOTAL


def damaged(tmp_path, damage):
    store = ResultStore(tmp_path / "store")
    for name in ("flat", "fusemax"):
        Counted().table(space_of(tmp_path, FILE.replace("[flat, fusemax]", f"[{name}]")
                                 .replace("{configuration: flat}", "{seq_len: 1K}")), store)  # fmt: skip
    victim = sorted((tmp_path / "store" / "segments").iterdir())[0]
    damage(victim)
    return victim


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "one bit": flip,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_segment_is_named_and_the_rest_stays(tmp_path, damage):
    victim = damaged(tmp_path, damage)
    store = ResultStore(tmp_path / "store")
    assert [each.path for each in store.damaged] == [victim]
    lost = TOTAL - len(store)
    assert 0 < lost < TOTAL
    outcome = einsim("results", str(tmp_path / "store"), "SELECT count(*) AS n FROM results", "--json")
    assert outcome.json == [{"n": TOTAL - lost}]
    assert victim.name in outcome.err
    assert outcome.err.count("\n") == 1
    space = space_of(tmp_path, FILE)
    counted = Counted()
    assert_frame_equal(counted.table(space, store), Counted().table(space))
    assert counted.evaluated.total() == lost


def test_a_row_that_is_there_twice_is_shown_once(tmp_path, space):
    """Two sweeps on a file system without locks may both evaluate a point."""
    points = list(space.points())[:40]
    rows = pl.concat(run_points(points, lambda _: None), how="diagonal_relaxed")
    for part in (rows, rows.head(10)):
        ResultStore(tmp_path / "store").add(points, part)
    assert len(ResultStore(tmp_path / "store").lookup(points)) == 40
    assert einsim("results", str(tmp_path / "store"), "SELECT count(*) AS n FROM results", "--json").json == [{"n": 40}]
    assert einsim("results", str(tmp_path / "store"), "--json").json["points"] == 40


def test_what_a_crash_left_is_tidied_up(tmp_path, space):
    store = ResultStore(tmp_path / "store")
    old, new = (tmp_path / "store" / "segments" / f".{name}.part" for name in ("old", "new"))
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    (tmp_path / "store" / "claims" / "dead.keys").write_bytes(bytes(24))
    assert store.folder.claimed() == []
    ResultStore(tmp_path / "store")
    assert new.exists(), "somebody may be writing it"
    assert not old.exists()
    with suppress(FileNotFoundError):
        assert not (tmp_path / "store" / "claims" / "dead.keys").exists()


def test_no_store_is_made_of_another_folder(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "thesis.txt", tmp_path / "thesis.txt" / "store"):
        with pytest.raises(SpecError) as caught:
            ResultStore(path)
        assert "\n" not in str(caught.value)
    (tmp_path / "half" / "segments").mkdir(parents=True)
    (tmp_path / "half" / ".0.part").write_text("")
    ResultStore(tmp_path / "half")  # somebody else is making it, or was
    (tmp_path / "new").mkdir()
    ResultStore(tmp_path / "new")
    (tmp_path / "new" / "einsim-store.json").write_text('{"format": 2}')
    with pytest.raises(SpecError, match="format 2"):
        ResultStore(tmp_path / "new")
