"""Options that are wrong: one message that names the option, and what to write instead."""

import pytest

from tests.cli.commands import einsim, refused

BERT = ("--model", "BERT", "--seq-len", "1K")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("mapping.sizes.M=7", ("size of the workload", "set workload.M")),
        ("mapping.sizes.B=7", ("size of the workload",)),
        ("mapping.tiles.P=3", ("tile P", "a name of its own")),
        ("mapping.tiles.word_bytes=3", ("machine field already",)),
        ("mapping.tiles.P1=1e400", ("larger than any number",)),
        ("mapping.tiles.P1=max(1e400,1)", ("too large",)),
        ("mapping.tiles.P1={divides: 0, fits: buffer}", ("not positive",)),
        ("mapping.tiles.P1={divides: -3, fits: buffer}", ("not positive",)),
        ("mapping.tiles.P1={divide: 3, fits: buffer}", ("'tiles.P1.divide'", "did you mean 'divides'")),
        ("mapping.tiles.P1={divides: 3}", ("'tiles.P1.fits' is missing",)),
        ("mapping.tiles.P1=[1]", ("tiles.P1 must be text or a map", "not a list")),
        ("mapping.tiles.P1=1is 2", ("only + - *",)),
        ("mapping.nests={select: [1]}", ("unknown choice [1]",)),
        ("mapping.nests={select: {a: 1}}", ("unknown choice {a: 1}",)),
        ("mapping.recorded=1", ("'recorded' is no setting",)),
        ("mapping.published=1", ("'published' is no setting",)),
        ("mapping.based_on=flat", ("'based_on' is no setting",)),
        ("mapping.memory_time=never", ("'overall' or 'per-phase'", "not never")),
        ("arch.array2d.exp.cycles=2", ("macro-operation takes no cycles", "={cycles: 2, energy_pj: 50}")),
        ("arch.clock_hz=017", ("octal",)),
        ("arch.clock_hz=1:30:00", ("sexagesimal",)),
        ("arch.clock_hz=true", ("true is no number",)),
        ("arch.clock_hz=5e-324", ("at least 1",)),
        ("arch.array2d.mac.energy_pj=1e308", ("at most 1e+15",)),
        ("arch.buffer.area_um2=1e19", ("at most 1e+18",)),
        ("arch.word_bytes=3", ("multiple of word_bytes",)),
        ("arch.word_bytes=null", ("word_bytes must be an integer, not null",)),
        ("arch.memories=5", ("memories must be a map",)),
        ("arch.array2d.rows=" + "9" * 5000, ("too many digits",)),
        ("workload.M=x", ("needs an integer", "workload.M=2K")),
    ],
)
def test_changes(change, parts):
    message = refused("run", "fusemax", *BERT, "--set", change, parts=(f"--set {change[:60]}", *parts))
    assert len(message) < 600
    for word in ("function-", "Fitted", "<here>", "set_int_max", "[A-Za-z]"):
        assert word not in message


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("mapping.Q_lok=onchip", ("did you mean 'Q_loc'",)),
        ("mapping.nests.scores.array=array1d", ("'array' is no option", "mapping.nests.scores.input")),
        ("mapping.tiles.P1=3", ("a choice",)),
        ("mapping.Q_loc=[1]", ("choose onchip or offchip",)),
    ],
)
def test_changes_beside_choices(change, parts):
    refused("run", "flat", *BERT, "--set", change, parts=(f"--set {change}", *parts))


@pytest.mark.parametrize(
    "change",
    [
        "mapping.tiles.P1=8", "mapping.sizes.M0=8", "arch.dram.bandwidth_bytes_per_s=null", "workload.M=2K",
        "arch.dram.bandwidth_bytes_per_s=1e11", "arch.clock_hz=9.4e8", "arch.array2d.mac.cycles=2",
        "arch.array2d.operations.exp={cycles: 2, energy_pj: 50}", "arch.array2d.mac.energy_pj=1.5e1",
        "mapping.spill=[{level: buffer, tensors: [Q], proportion: 0.5}]",
    ],
)  # fmt: skip
def test_changes_that_work(change):
    assert einsim("run", "fusemax", *BERT, "--set", change).code == 0


def test_the_example_of_the_help_works():
    assert "mapping.tiles.P1=8" in einsim("run", "--help").out
    assert einsim("run", "flat", *BERT, "--set", "mapping.P1=2K").code == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("run", "fusemax", *BERT, "--arch", ""), ("--arch", "names no architecture")),
        (("run", "fusemax", "--shape", ""), ("--shape",)),
        (("show", "fusemax", "--shape", ""), ("--symbolic",)),
        (("run", "fusemax", *BERT, "--arch", "a" * 5000), ("unknown architecture",)),
        (("run", "x" * 5000 + ".yaml", *BERT), ("there is no file",)),
        (("run", "/dev/null", *BERT), ("neither a file nor a folder",)),
        (("run", "/tmp/", *BERT), ("is a folder",)),
        (("run", "fusemax", "--batch", "2", "--shape", "B=1,H=1,E=1,F=1,M=1,P=1"), ("give one",)),
        (("run", "fusemax", "--model", "BERT", "--seq-len", "9" * 5000), ("--seq-len", "not a count")),
    ],
)  # fmt: skip
def test_options(words, parts):
    assert len(refused(*words, parts=parts)) < 400


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("choices: {c: {options: [a, b], default: d}}\n", ("x.yaml:2", "c cannot be d", "a or b")),
        ("choices: {c: {options: [a, b]}}\nrecorded:\n  - {models: [BERT], seq_len: 1K, choices: {d: a}}\n",
         ("x.yaml:4", "unknown choice 'd'")),
        ("choices: {c: {options: [a, b]}}\nrecorded:\n  - {models: [BURT], seq_len: 1K, choices: {c: a}}\n",
         ("x.yaml:4", "did you mean 'BERT'")),
        ("publshed: {}\n", ("x.yaml:2", "unknown key 'publshed'", "did you mean 'published'")),
    ],
)  # fmt: skip
def test_mapping_files(tmp_path, text, parts):
    path = tmp_path / "x.yaml"
    path.write_text(f"based_on: fusemax\n{text}")
    refused("run", str(path), *BERT, parts=parts)
