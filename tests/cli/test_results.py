"""`einsim results`, and sweeps and searches that keep their results."""

import json
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from einsim.explore import workers
from tests.cli.commands import einsim, refused

ROOT = Path(__file__).parents[2]
SWEEP = """
name: small
axes:
  - configuration: [flat, fusemax]
  - model: [BERT]
  - seq_len: [1K, 4K]
  - arch.buffer.capacity_bytes: [1 KiB, 16 MiB]
baseline: {configuration: flat}
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    (folder / "small.yaml").write_text(SWEEP)
    words = ["sweep", str(folder / "small.yaml"), "--out", str(folder / "out"), "--store", str(folder / "store")]
    assert einsim(*words, "--no-figures").code == 0
    return folder


@pytest.fixture
def store(kept):
    return str(kept / "store")


def test_a_second_sweep_evaluates_nothing(kept):
    before = (kept / "out" / "results.parquet").read_bytes()
    words = ["sweep", str(kept / "small.yaml"), "--out", str(kept / "out"), "--store", str(kept / "store")]
    with patch.object(workers, "evaluate_work", side_effect=AssertionError):
        assert einsim(*words, "--no-figures").code == 0
    assert (kept / "out" / "results.parquet").read_bytes() == before


def test_says_what_is_there(store):
    outcome = einsim("results", store)
    assert outcome.code == 0, outcome.err
    for part in ("8 points, 4 of them feasible, in 2 segments", "fusemax", "latency_s", "seconds", "picojoules",
                 "seq_len", "tokens", "1024 ... 4096", "cycles/array2d", "arch.buffer.capacity_bytes"):  # fmt: skip
        assert part in outcome.out, outcome.out
    overview = einsim("results", store, "--json").json
    assert (overview["points"], overview["feasible"], overview["segments"]) == (8, 4, 2)
    assert {"latency_s", "energy_pj", "seq_len"} <= {each["column"] for each in overview["columns"]}
    assert list(overview["codes"].values()) == [8]


def test_sql(kept, store):
    question = "SELECT configuration, min(latency_s) AS least FROM results GROUP BY ALL ORDER BY ALL"
    answer = einsim("results", store, question, "--json").json
    frame = pl.read_parquet(kept / "out" / "results.parquet")
    expected = frame.group_by("configuration").agg(least=pl.col("latency_s").min()).sort("configuration").to_dicts()
    assert answer == expected
    table = einsim("results", store, question).out
    assert "configuration" in table
    assert f"{expected[1]['least']:.6g}" in table
    for words in (("SUMMARIZE results",), ("DESCRIBE results",), ("EXPLAIN SELECT 1",), ("FROM results",)):
        assert einsim("results", store, *words).code == 0


def test_lists_and_structures_are_json_and_no_rows_are_none(store):
    sql = "SELECT [1.5, 'NaN'::double] AS l, {'d': DATE '2020-01-01'} AS s, [NULL, true] AS n"
    assert einsim("results", store, sql, "--json").json == [
        {"l": [1.5, None], "s": {"d": "2020-01-01"}, "n": [None, True]}
    ]
    assert einsim("results", store, "--limit", "0", "--json").json == []


def test_options(kept, store):
    words = ["--where", "arch.buffer.capacity_bytes > 1e6", "--where", "configuration = 'flat'", "--sort=-seq_len",
             "--columns", "seq_len,cycles/array2d,arch.buffer.capacity_bytes"]  # fmt: skip
    rows = einsim("results", store, *words, "--json").json
    assert [row["seq_len"] for row in rows] == [4096, 1024]
    assert list(rows[0]) == ["seq_len", "cycles/array2d", "arch.buffer.capacity_bytes"]
    assert rows[0]["arch.buffer.capacity_bytes"] == 16 << 20
    assert einsim("results", store, *words, "--limit", "1", "--json").json == rows[:1]
    assert einsim("results", store, "--where", "configuration = 'arch.buffer.capacity_bytes'", "--json").json == []
    every = einsim("results", store, "--limit", "3").out
    assert "command" in every


def test_every_row_can_be_run_alone(store):
    import shlex

    for row in einsim("results", store, "--where", "feasible", "--json").json:
        alone = einsim(*shlex.split(row["command"])[1:], "--json").json
        assert alone["latency_s"] == row["latency_s"]


@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "jsonl"])
def test_exports(tmp_path, store, ending):
    path = tmp_path / f"it's.{ending}"
    outcome = einsim("results", store, "--sort", "latency_s,command", "--columns", "latency_s,seq_len,reason,command",
                     "--export", str(path))  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "8 rows" in outcome.out
    read = {"csv": pl.read_csv, "parquet": pl.read_parquet, "json": pl.read_json, "jsonl": pl.read_ndjson}[ending]
    frame = read(path)
    expected = einsim("results", store, "--sort", "latency_s,command", "--json").json
    assert frame["latency_s"].to_list() == [row["latency_s"] for row in expected]
    assert frame["command"].to_list() == [row["command"] for row in expected]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert einsim("results", store, "SELECT 1 AS one", "--export", str(path), "--json").json["rows"] == 1


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["SELECT latncy_s FROM results"], ("SQL: ", "'latncy_s'", "did you mean 'latency_s'")),
        (["SELECT arch.buffer.capacity_bytes FROM results"], ('"arch.buffer.capacity_bytes"', "double quotes")),
        (["SELECT * FROM result"], ("result does not exist", "called results")),
        (["SELEC 1"], ("SQL: ", "syntax error")),
        (["SELECT latency_s + reason FROM results"], ("SQL: ",)),
        (["SELECT 1/0; SELECT 2"], ("2 statements",)),
        ([""], ("no statements",)),
        (["DROP VIEW results"], ("DROP is no question", "only read")),
        (["CREATE TABLE t AS SELECT 1"], ("CREATE is no question",)),
        (["COPY results TO 'x.csv'"], ("COPY is no question",)),
        (["ATTACH 'x.db'"], ("ATTACH is no question",)),
        (["SELECT 1 AS a, 2 AS a"], ("SQL: two columns are called 'a'", "AS")),
        (["SELECT INTERVAL 1 DAY AS i"], ("SQL: column 'i' is of type INTERVAL", "::VARCHAR")),
        (["--columns", ""], ("--columns: there is no column ''",)),
        (["SELECT 1", "--limit", "2"], ("--limit", "beside SQL")),
        (["--where", "latency_s >"], ("--where",)),
        (["--columns", "latncy_s"], ("--columns", "did you mean 'latency_s'")),
        (["--sort", "-latncy_s"], ("--sort", "did you mean 'latency_s'")),
        (["--limit", "-1"], ("--limit",)),
        (["--export", "x.xls"], ("--export", ".csv")),
        (["--export", "nowhere/x.csv"], ("nowhere/x.csv", "cannot be written")),
        (["--wher", "x"], ("--wher",)),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_bad_questions(store, words, parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused("results", store, *words, parts=parts)
    assert not list(tmp_path.iterdir())


def test_no_store(tmp_path):
    refused("results", str(tmp_path / "none"), parts=("there is no result store", "--store"))
    refused("results", str(tmp_path), parts=("is no result store",))
    refused("results", "", parts=("no store is named",))
    (tmp_path / "file").write_text("")
    refused("results", str(tmp_path / "file"), parts=("is no result store",))
    assert not (tmp_path / "none").exists()


def test_an_empty_store(tmp_path):
    from einsim.explore.resultstore import ResultStore

    ResultStore(tmp_path / "store")
    refused("results", str(tmp_path / "store"), parts=("nothing can be read: it is empty",))


def test_a_store_of_which_all_is_damaged(tmp_path):
    (tmp_path / "small.yaml").write_text(SWEEP)
    store = tmp_path / "store"
    einsim("sweep", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "out"), "--no-figures", "--store", str(store))
    for path in (store / "segments").iterdir():
        path.write_bytes(b"PAR1")
    outcome = einsim("results", str(store))
    assert outcome.code == 2
    assert "all of its segments are damaged" in outcome.err
    assert outcome.err.count("\n") == 3


def test_bad_stores_of_a_sweep(tmp_path):
    (tmp_path / "small.yaml").write_text(SWEEP)
    words = ["sweep", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "out")]
    refused(*words, "--store", "", parts=("--store",))
    refused(*words, "--store", str(tmp_path), parts=("not empty and no result store",))
    refused(*words, "--store", str(tmp_path / "small.yaml"), parts=("small.yaml",))
    refused(*words, "--store", "/proc/store", parts=("/proc/store", "cannot make the store here"))
    assert not (tmp_path / "out").exists()


def test_duckdb_is_not_installed(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    refused("results", store, parts=("needs duckdb", "pip install 'einsim[search]'"))


def test_a_search_uses_the_store_of_a_sweep(tmp_path):
    (tmp_path / "sweep.yaml").write_text(
        "name: s\nconfiguration: fusemax\nmodel: BERT\naxes:\n  - seq_len: [1K, 4K]\n"
        "  - arch.buffer.capacity_bytes: [4 MiB, 8 MiB, 16 MiB]\n"
    )
    (tmp_path / "search.yaml").write_text(
        "name: s\nconfiguration: fusemax\nmodel: BERT\nconfirm: 0\ndesign:\n"
        "  - arch.buffer.capacity_bytes: [4 MiB, 8388608, 16 MiB]\nworkloads:\n  - seq_len: [1024, 4096]\n"
    )
    store, out = str(tmp_path / "store"), str(tmp_path / "out")
    assert einsim("sweep", str(tmp_path / "sweep.yaml"), "--no-figures", "--out", out, "--store", store).code == 0
    words = ["search", str(tmp_path / "search.yaml"), "--no-figures", "--json"]
    plain = einsim(*words, "--out", str(tmp_path / "plain")).json
    with patch.object(workers, "evaluate_work", side_effect=AssertionError):
        kept = einsim(*words, "--out", str(tmp_path / "kept"), "--store", store).json
    assert json.dumps(kept["front"]) == json.dumps(plain["front"])


def test_ctrl_c_keeps_what_is_done(tmp_path):
    import signal
    import time

    lengths = ", ".join(str(1024 + 256 * i) for i in range(390))
    text = f"name: long\nconfiguration: fusemax\nmodel: BERT\naxes:\n  - seq_len: [{lengths}]\n"
    (tmp_path / "long.yaml").write_text(text)
    store = tmp_path / "store"
    process = subprocess.Popen(
        [sys.executable, "-m", "einsim", "sweep", tmp_path / "long.yaml", "--out", tmp_path / "out", "--no-figures",
         "--store", store], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    until = time.monotonic() + 60
    while not list(store.glob("claims/*.keys")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    if (tmp_path / "out" / "results.parquet").exists():
        rows = pl.read_parquet(tmp_path / "out" / "results.parquet")
        assert einsim("results", str(store), "SELECT count(*) AS n FROM results", "--json").json == [{"n": len(rows)}]
