"""`einsim explain`: results of every kind, and everything that is none."""

import io
import json

import pytest

from tests.cli.commands import einsim, refused

BERT = ("--model", "BERT", "--seq-len", "1K")


def saved(path, *words):
    outcome = einsim(*words, "--json")
    path.write_text(outcome.out)
    return json.loads(outcome.out)


def test_a_saved_result(tmp_path):
    file = tmp_path / "r.json"
    record = saved(file, "run", "fusemax", *BERT, "--set", "arch.buffer.capacity_bytes=8 MiB", "--accounting", "full")
    for field, value in (("energy_pj", record["energy_pj"]), ("area", record["area_um2"]),
                         ("latency", record["latency_s"]), ("traffic", record["traffic_bytes"]),
                         ("energy_pj/buffer", record["energy_by_part_pj"]["buffer"])):  # fmt: skip
        explained = einsim("explain", str(file), field, "--json").json
        assert explained["value"] == explained["chain"]["value"] == value
    costs = einsim("explain", str(file), "energy", "--json").json["costs"]
    assert costs["buffer.read_energy_pj"]["file"].endswith("sram-cacti7.csv")
    assert costs["array2d.mac.energy_pj"]["table"] == "paper-45nm"
    assert costs["array2d.mac.energy_pj"]["line"]
    assert "Nayak" in costs["array2d.mac.energy_pj"]["source"]


def test_one_of_several_results_from_the_input(monkeypatch):
    record = {"command": f"einsim run fusemax {' '.join(BERT)}"}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps([{}, record]).encode())))
    assert einsim("explain", "-#1", "latency", "--json").json["value"] > 0
    refused("explain", "-x", "latency", parts=("unknown option -x",))


def test_it_is_said_for_people(tmp_path):
    shown = einsim("explain", "fusemax", "area", *BERT).out
    assert "area_um2 = 1302951545.13124 um^2, the sum of" in shown
    assert "array2d = 1207950953.6768 um^2 = (registers2d.area_um2 + array2d.mac.area_um2" in shown
    assert "12 words x 16 bits taken for 64 x 32" in shown
    assert "note: buffer: 16 MiB in 1 bank" in shown


def test_a_row_of_a_sweep(tmp_path):
    sweep = tmp_path / "s.yaml"
    sweep.write_text("name: s\nconfiguration: fusemax\nmodel: BERT\naxes:\n  - seq_len: [1K, 4K]\n")
    out = tmp_path / "out"
    assert einsim("sweep", str(sweep), "--out", str(out), "--no-figures").code == 0
    wanted = einsim("run", "fusemax", "--model", "BERT", "--seq-len", "4K", "--json").json["energy_pj"]
    for name in (f"{out}#1", f"{out}/results.parquet#1", f"{out}/results.csv#1"):
        assert einsim("explain", name, "energy_pj", "--json").json["value"] == wanted
    assert einsim("explain", f"{out}#1", "area_um2/buffer", "--json").json["value"] > 0
    refused("explain", f"{out}#2", "energy_pj", parts=("no row 2", "2 rows"))
    refused("explain", f"{out}#x", "energy_pj", parts=("no row x", "#0"))
    refused("explain", f"{out}#", "energy_pj", parts=("no row is named", "#0"))
    refused("explain", str(out), "energy_pj", parts=("no row is named",))
    refused("explain", f"{sweep}#0", "energy_pj", parts=("is no table",))
    refused("explain", f"{tmp_path}/none.parquet#0", "energy_pj", parts=("none.parquet", "there is no such table"))


def test_a_simulation(tmp_path):
    file = tmp_path / "s.json"
    record = saved(file, "simulate", "fusemax", *BERT)
    for field in ("cycles", "latency_s", "traffic_bytes"):
        assert einsim("explain", str(file), field, "--json").json["value"] == record[field]
    refused(
        "explain", str(file), "energy_pj", parts=("no field 'energy_pj'", "fields: latency, traffic, cycles, latency_s")
    )


@pytest.mark.parametrize(
    ("field", "part"),
    [
        ("bogus", "fields: energy, area"),
        ("energy_by_part_pj/bufer", "did you mean 'energy_by_part_pj/buffer'"),
        ("", "fields: energy"),
    ],
)
def test_unknown_fields(field, part):
    refused("explain", "fusemax", field, *BERT, parts=(part, "latency_s"))


def test_results_that_have_changed_or_are_none(tmp_path):
    file = tmp_path / "r.json"
    record = saved(file, "run", "fusemax", *BERT)
    file.write_text(json.dumps(record | {"energy_pj": record["energy_pj"] * 1.01}))
    refused("explain", str(file), "energy_pj", parts=("files or einsim have changed",))
    refused("explain", str(file), "area", *BERT, parts=("takes no options",))
    for text, part in (("", "is no JSON"), ("[1]", "is no result"), ("{}", "carries no command"),
                       ('{"command": "rm -r x"}', "no command of einsim"), ('{"command": "einsim run --x"}', "command"),
                       ('{"command": "einsim run \'x"}', "command")):  # fmt: skip
        file.write_text(text)
        refused("explain", str(file), "energy_pj", parts=(part,))
    refused("explain", str(tmp_path / "none.json"), "energy_pj", parts=("cannot be read",))


@pytest.mark.parametrize(
    ("name", "text", "row", "part"),
    [
        ("front.csv", "design,feasible,latency_s\n", "0", "no row 0; the table has 0 rows"),
        ("designs.csv", "design,x\n0,1\n", "0", "has no feasible as einsim writes it"),
        ("front.csv", "design,feasible\nabc,true\n", "0", "no row 0; the table has 1 rows, the first is #abc"),
        ("compared.csv", "design,name,feasible\n,FLAT,true\n", "FLAT", "has no design as einsim writes it"),
        ("comparison.csv", "index,published_at,latency_s/ours\n0,1,2\n", "0", "has no published_at"),
        ("results.csv", "index,latency_s\n0,1\n", "", "no row is named"),
        ("a#b.csv", "index,latency_s\n0,1\n", "0", "carries no command"),
        ("gone.csv", None, "0", "there is no such table; name a Parquet or CSV file"),
        ("empty.csv", "", "0", "is no table: empty CSV; name a Parquet or CSV file"),
    ],
)
def test_tables_that_einsim_has_not_written(tmp_path, name, text, row, part):
    if text is not None:
        (tmp_path / name).write_text(text)
    refused("explain", f"{tmp_path / name}#{row}".rstrip("#"), "latency_s", parts=(part,))


_SEARCH = {"command": "einsim search x", "folder": ".", "front": [], "confirmed": [], "compared": []}
_SWEEP = {"command": "einsim sweep x", "folder": ".", "rows": 1, "summary": []}


@pytest.mark.parametrize(
    ("record", "part"),
    [
        ({"command": "einsim run --help"}, "carries a command that has no result"),
        ({**_SEARCH, "folder": 3}, "has no folder as einsim writes it"),
        ({**_SEARCH, "folder": "not/there"}, "written to not/there, which is not there; go to where it was made"),
        ({**_SEARCH, "confirmed": None}, "has no confirmed"),
        ({**_SEARCH, "front": [3]}, "front/0: has no design"),
        ({**_SWEEP, "summary": 3}, "has no summary"),
        ({**_SWEEP, "summary": [{}]}, "summary/0: has no points"),
        ({"command": f"einsim run fusemax {' '.join(BERT)}", "latency_s": float("inf")}, "latency_s is Infinity there"),
    ],
)
def test_records_that_einsim_has_not_written(tmp_path, record, part):
    (tmp_path / "r.json").write_text(json.dumps(record))
    refused("explain", str(tmp_path / "r.json"), "latency_s", parts=(part,))


def test_an_infeasible_design_has_nothing_to_explain():
    refused("explain", "fusemax", "energy", *BERT, "--set", "arch.buffer.capacity_bytes=1 GiB", code=3,
            parts=("no costs at 45 nm",))  # fmt: skip


def test_run_and_show_say_what_to_know_of_costs():
    assert einsim("run", "fusemax", *BERT, "--json").json["cost_notes"]
    assert "a bank cycles in 29.38 ns" in einsim("run", "fusemax", *BERT).out
    shown = einsim("show", "fusemax").out
    assert "paper-45nm, 45 nm" in einsim("show", "architecture", "fusemax").out or "paper-45nm, 45 nm" in shown
