"""Sweeps on a real Dask cluster: a scheduler and workers, each a process of its own, on the loopback device."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from einsim.errors import SpecError, ToolError
from einsim.explore import cluster
from einsim.explore.cluster import Dask, about_here, compare_about
from einsim.explore.resultstore import ResultStore
from einsim.explore.rows import finish
from einsim.explore.space import load_space
from einsim.explore.sweep import Engine, Means, run_sweep
from tests.cli.commands import einsim, refused
from tests.explore import ownfiles

ROOT = Path(__file__).parents[2]
GRID = """
name: grid
model: BERT
axes:
  - configuration: [flat, fusemax]
  - seq_len: [1K, 4K, 16K]
  - arch.buffer.capacity_bytes: [1 KiB, 4 MiB, 8 MiB, 16 MiB, 32 MiB]
  - arch.dram.bandwidth_bytes_per_s: [100 GiB, 200 GiB, 300 GiB, 400 GiB]
baseline: {configuration: flat}
"""
CYCLES = """
name: cycles
model: BERT
seq_len: 1K
time_model: both
axes:
  - configuration: [flat, fusemax]
  - arch.buffer.capacity_bytes: [1 KiB, 4 MiB, 16 MiB]
"""


def dask(folder, *words):
    """One process of a cluster, which sees einsim but none of the test's files."""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with (folder / f"{words[0]}{time.monotonic_ns()}.log").open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "dask", *words], cwd=folder, env=env, stdout=log, stderr=log)


def end(process):
    process.kill()
    process.wait()


def worker(folder, address):
    return dask(folder, "worker", address, "--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard")


@contextmanager
def scheduler(folder) -> Iterator[str]:
    """The address of a scheduler without workers."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"]
    process = dask(folder, *words)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"tcp://127.0.0.1:{port}"
    finally:
        end(process)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A cluster of two workers."""
    folder = tmp_path_factory.mktemp("cluster")
    with scheduler(folder) as found:
        workers = [worker(folder, found) for _ in range(2)]
        try:
            yield found
        finally:
            for each in workers:
                end(each)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine takes its time."""
    monkeypatch.setattr(cluster, "CONNECT_S", 30.0)
    monkeypatch.setattr(cluster, "WORKERS_S", 60.0)


def space_of(folder, text):
    path = folder / "sweep.yaml"
    path.write_text(text)
    return load_space(path)


def table(space, means=None, engine=Engine.EXACT, progress=lambda _: None):
    return finish(space, list(run_sweep(space, progress, engine, means)))


@pytest.mark.parametrize(("text", "engine"), [(GRID, Engine.EXACT), (GRID, Engine.COMPILED), (CYCLES, Engine.AUTO)])
def test_rows_are_those_of_this_machine(tmp_path, address, text, engine):
    space = space_of(tmp_path, text)
    with closing(Dask(address)) as there:
        assert_frame_equal(table(space, Means(there), engine), table(space, engine=engine))


def test_counts_that_64_bits_do_not_hold_are_exact_there_too(tmp_path, address):
    text = "name: big\nconfiguration: fusemax\nshape: {B: 64, H: 64, E: 256, F: 256}\naxes:\n"
    space = space_of(tmp_path, text + "  - {workload.M: [1024, 1073741824], workload.P: [1024, 1073741824]}\n")
    with closing(Dask(address)) as there:
        assert_frame_equal(table(space, Means(there), Engine.COMPILED), table(space, engine=Engine.COMPILED))


@pytest.mark.parametrize("engine", [Engine.EXACT, Engine.COMPILED])
def test_workers_need_no_files_of_ours(tmp_path, address, engine, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("name: mine\nbased_on: ./base.yaml\n")
    Path("base.yaml").write_text("name: base\nbased_on: fusemax\n")
    space = space_of(tmp_path, GRID.replace("[flat, fusemax]", "[./mine.yaml, fusemax]").replace(": flat", ": fusemax"))
    with closing(Dask(address)) as there:
        assert_frame_equal(table(space, Means(there), engine), table(space, engine=engine))


@pytest.mark.parametrize(
    ("scope", "engine"), [("", Engine.EXACT), ("", Engine.COMPILED), ("scope: layer", Engine.EXACT)]
)
def test_files_are_edited_in_the_middle(tmp_path, address, scope, engine, monkeypatch):
    """Workers have no files, and get them as they were when the sweep began."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "_AHEAD", 1)
    monkeypatch.setattr(cluster, "_CHUNK", 1)
    ownfiles.make(tmp_path)
    text = f"name: s\nmodel: T5\n{scope}\naxes:\n  - configuration: [fusemax, child.yaml]\n"
    space = space_of(tmp_path, text + "  - seq_len: [1K, 2K, 4K, 5K, 6K, 7K, 8K, 9K]\n")
    before = table(space, engine=engine)

    def edit(done):
        for name in ownfiles.EDITS if done and not (tmp_path / "edited").exists() else ():
            ownfiles.edit(tmp_path, name)
        if done:
            (tmp_path / "edited").touch()

    with closing(Dask(address)) as there:
        assert_frame_equal(table(space, Means(there), engine, progress=edit), before)
        after = table(space, Means(there), engine)
    assert_frame_equal(after, table(space, engine=engine))
    assert (after["energy_pj"] != before["energy_pj"]).to_list() == [False] * 8 + [True] * 8


def test_a_worker_is_killed_in_the_middle(tmp_path):
    """The client keeps what comes back; what the worker had goes to the other."""
    space = space_of(tmp_path, GRID)
    with scheduler(tmp_path) as address:
        workers = [worker(tmp_path, address) for _ in range(2)]
        try:
            seen = 0
            with closing(Dask(address)) as there:
                there.client.wait_for_workers(2, timeout=60)

                def progress(done):
                    nonlocal seen
                    seen += done
                    if seen >= 10 and workers[0].poll() is None:
                        end(workers[0])

                found = table(space, Means(there, ResultStore(tmp_path / "store")), progress=progress)
                assert workers[0].poll() == -signal.SIGKILL
            assert_frame_equal(found, table(space))
            assert len(ResultStore(tmp_path / "store")) == len(space)
        finally:
            for each in workers:
                end(each)


def test_with_a_store_nothing_is_sent_twice(tmp_path, address):
    space = space_of(tmp_path, GRID)
    store = tmp_path / "store"
    table(space_of(tmp_path, GRID.replace("[1K, 4K, 16K]", "[1K, 4K]")), Means(store=ResultStore(store)))
    with closing(Dask(address)) as there:
        sent = []
        submit = there._submit
        with patch.object(Dask, "_submit", lambda _, work: sent.append(len(work)) or submit(work)):
            found = table(space, Means(there, ResultStore(store)))
    assert sum(sent) == len(space) // 3
    assert_frame_equal(found, table(space))


def test_the_cluster_goes_away(tmp_path):
    space = space_of(tmp_path, GRID)
    with scheduler(tmp_path) as address:
        only = worker(tmp_path, address)
        seen = 0
        with closing(Dask(address)) as there:
            pids = there.client.run_on_scheduler(os.getpid)

            def progress(done):
                nonlocal seen
                seen += done
                if 10 <= seen < 1000:
                    os.kill(pids, signal.SIGKILL)
                    seen = 1000

            with pytest.raises(SpecError, match="the cluster is gone"):
                table(space, Means(there, ResultStore(tmp_path / "store")), progress=progress)
        end(only)
    assert len(ResultStore(tmp_path / "store")) >= 10
    assert len(table(space, Means(store=ResultStore(tmp_path / "store")))) == len(space)


def test_the_command(tmp_path, address):
    path = tmp_path / "sweep.yaml"
    path.write_text(GRID)
    where = ["--executor", "dask", "--scheduler", address]
    frames = []
    for number, words in enumerate([[], where]):
        out = str(tmp_path / f"out{number}")
        assert einsim("sweep", str(path), "--out", out, "--no-figures", *words).code == 0
        frames.append((Path(out) / "results.parquet").read_bytes())
    assert frames[0] == frames[1]
    path.write_text(GRID.replace("4 MiB", "-4 MiB"))
    refused("sweep", str(path), "--out", str(tmp_path / "bad"), *where, parts=("sweep.yaml:7",))


def test_no_scheduler(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    path = tmp_path / "sweep.yaml"
    path.write_text(GRID)
    for address, part in [("tcp://127.0.0.1:9", "no Dask scheduler answers"), ("here", "no address"),
                          ("foo://127.0.0.1:9", "no address"), ("tcp://127.0.0.1", "no address")]:  # fmt: skip
        refused("sweep", str(path), "--out", str(tmp_path / "out"), "--executor", "dask", "--scheduler", address,
                parts=(f"--scheduler {address}", part))  # fmt: skip
    refused("sweep", str(path), "--executor", "dask", parts=("--executor dask", "add --scheduler tcp://"))
    refused("sweep", str(path), "--scheduler", "tcp://a:1", parts=("add --executor dask",))
    assert not (tmp_path / "out").exists()


def test_no_worker(tmp_path, monkeypatch):
    with scheduler(tmp_path) as address:
        monkeypatch.setattr(cluster, "WORKERS_S", 0.5)
        with pytest.raises(SpecError, match="has no worker"):
            Dask(address)


def test_workers_with_other_code(address, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(cluster, "code_digest", lambda: "0123456789abcdef")
        with pytest.raises(SpecError, match=r"worker tcp://.*the code of einsim is .*, and here it is 0123456789ab"):
            Dask(address)
    for name in about_here():
        with pytest.raises(SpecError, match="other"):
            compare_about(about_here() | {name: "other"}, "tcp://w")
    with pytest.raises(SpecError, match="none"):
        compare_about({}, "tcp://w")
    compare_about(about_here(), "tcp://w")


def test_a_worker_with_other_code_that_comes_later(tmp_path, address):
    space = space_of(tmp_path, GRID)
    with closing(Dask(address)) as there, patch.object(cluster, "code_digest", lambda: "f" * 32):
        message = pytest.raises(SpecError, match=r"worker tcp://.*the code of einsim")
        with message:
            table(space, Means(there))


def test_dask_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ToolError, match=r"pip install 'einsim\[cluster\]'"):
        Dask("tcp://127.0.0.1:8786")


def test_a_search_on_a_cluster(tmp_path, address):
    path = tmp_path / "search.yaml"
    path.write_text(
        "name: s\nconfiguration: fusemax\nmodel: BERT\nconfirm: 1\ndesign:\n"
        "  - arch.buffer.capacity_bytes: [4 MiB, 16 MiB]\nworkloads:\n  - seq_len: [1K, 4K]\n"
    )
    fronts = []
    for words in ([], ["--executor", "dask", "--scheduler", address, "--store", str(tmp_path / "store")]) * 2:
        out = tmp_path / f"out{len(fronts)}"
        assert einsim("search", str(path), "--out", str(out), "--no-figures", *words).code == 0
        fronts.append((pl.read_parquet(out / "front.parquet"), pl.read_parquet(out / "confirmed.parquet")))
    for front in fronts[1:]:
        for own, first in zip(front, fronts[0], strict=True):
            assert_frame_equal(own, first, check_column_order=False)
    assert len(ResultStore(tmp_path / "store", create=False)) == 2 * 2 + 2
