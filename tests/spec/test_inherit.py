"""Machines that are based on others: fields are laid over theirs one by one, operations as a whole."""

from pathlib import Path

import pytest

from einsim.errors import SpecError
from einsim.spec import library
from einsim.spec.configuration import load_architecture, load_design, load_machine_file
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload
from tests.cli.commands import einsim, refused


def machine(folder: Path, text: str, name: str = "mine") -> str:
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\n{text}")
    return str(path)


def test_what_is_not_stated_is_the_others(tmp_path):
    own = load_architecture(machine(tmp_path, "based_on: fusemax\narrays: {array2d: {columns: 512}}\n"))
    other = load_architecture("fusemax")
    assert own.name == "mine"
    assert own.arrays["array2d"].axes == {"rows": 256, "columns": 512}
    assert own.arrays["array2d"].operations == other.arrays["array2d"].operations
    assert own.arrays["array1d"] == other.arrays["array1d"]
    assert own.memories == other.memories


def test_an_operation_is_replaced_as_a_whole(tmp_path):
    changed = "based_on: fusemax\narrays: {array2d: {operations: {exp: {cycles: 2, energy_pj: 50}}}}\n"
    operations = load_architecture(machine(tmp_path, changed)).arrays["array2d"].operations
    assert operations["exp"].cycles == 2
    assert not operations["exp"].macro
    assert operations["mac"] == load_architecture("fusemax").arrays["array2d"].operations["mac"]


def test_it_is_what_changes_of_the_command_line_make(tmp_path):
    based = machine(tmp_path, "based_on: fusemax\nclock_hz: 5.0e+8\nmemories: {buffer: {capacity_bytes: 1 MiB}}\n"
                    "arrays: {array2d: {rows: 64, operations: {exp: {macro: {mac: 9}}}}}\n")  # fmt: skip
    changes = ("clock_hz=5.0e+8", "buffer.capacity_bytes=1 MiB", "array2d.rows=64", "array2d.exp={macro: {mac: 9}}")
    workload = Workload((("B", 1), ("H", 1), ("E", 64), ("F", 64), ("M", 1024), ("P", 1024)))
    one = load_design("fusemax", workload, architecture=based)
    other = load_design("fusemax", workload, overrides=[parse_override(f"arch.{each}") for each in changes])
    assert one.architecture.memories == other.architecture.memories
    assert one.architecture.arrays == other.architecture.arrays
    assert one.architecture.clock_hz == other.architecture.clock_hz


def test_a_chain_of_them(tmp_path):
    machine(tmp_path, "based_on: fusemax\nclock_hz: 5.0e+8\n", "middle")
    path = machine(tmp_path, "based_on: ./middle.yaml\nword_bytes: 4\n")
    own = load_architecture(path)
    assert (own.clock_hz, own.word_bytes) == (5e8, 4)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("based_on: ./mine.yaml\n", ("mine.yaml:2", "based on itself")),
        ("based_on: fusemaxx\n", ("mine.yaml:2", "fusemaxx", "fusemax")),
        ("based_on:\n", ("mine.yaml:2", "must name another architecture")),
        ("based_on: [fusemax]\n", ("mine.yaml:2", "must name another")),
        ("based_on: ./../{here}/mine.yaml\n", ("mine.yaml:2", "based on itself")),
        ("based_on: fusemax\narrays: {array2d: {rows: 0}}\n", ("mine.yaml:3", "rows")),
        ("based_on: fusemax\narrays: {array2d: {rowz: 8}}\n", ("mine.yaml:3", "rowz", "rows")),
        ("based_on: fusemax\narrays: [1]\n", ("mine.yaml:3", "arrays")),
        ("based_on: fusemax\narrays: {array2d: {operations: 7}}\n", ("mine.yaml:3", "operations")),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(tmp_path, text, parts):
    with pytest.raises(SpecError) as error:
        load_architecture(machine(tmp_path, text.replace("{here}", tmp_path.name)))
    assert all(part in str(error.value) for part in parts), error.value


def test_it_is_known_for_what_it_is(tmp_path):
    path = machine(tmp_path, "based_on: fusemax\nclock_hz: 5.0e+8\n")
    assert "architecture mine" in einsim("show", path).out


def test_a_sweep_keeps_both_files(tmp_path):
    path = machine(tmp_path, "based_on: fusemax\nclock_hz: 5.0e+8\n")
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(f"name: s\nconfiguration: fusemax\narchitecture: {path}\nmodel: BERT\naxes:\n  - seq_len: [1K]\n")
    outcome = einsim("sweep", str(sweep), "--out", str(tmp_path / "out"))
    assert outcome.code == 0, outcome.err
    names = {each.name for each in (tmp_path / "out" / "inputs").iterdir()}
    assert any(name.startswith("architecture-mine") for name in names)
    assert any(name.startswith("architecture-fusemax") for name in names)


def test_every_shipped_machine_is_whole():
    for name in library.names("architecture"):
        document, _ = load_machine_file(name)
        assert "based_on" not in document.value


def test_a_machine_based_on_nothing_that_is_there(tmp_path):
    refused("run", "fusemax", "--model", "BERT", "--seq-len", "1K", "--arch",
            machine(tmp_path, "based_on: ''\n"), parts=("mine.yaml:2",))  # fmt: skip
