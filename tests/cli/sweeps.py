"""Sweep files for tests, and what the command line says to them."""

from tests.cli.commands import einsim

LENGTHS = "  - seq_len: [1K, 2K]\n"
HEAD = "name: s\nconfiguration: fusemax\nmodel: BERT\n"


def sweep(folder, axes, extra="", *words, head=HEAD):
    """Runs a sweep file of some axes; results go to `out` in the folder, without figures."""
    path = folder / "s.yaml"
    path.write_text(f"{head}{extra}axes:\n{axes}")
    return einsim("sweep", str(path), "--out", str(folder / "out"), "--no-figures", "--json", *words)


def refused_sweep(folder, axes, extra="", *words, parts, head=HEAD):
    """Asserts one message with a place, exit code 2, and that nothing is left of the attempt."""
    outcome = sweep(folder, axes, extra, *words, head=head)
    assert outcome.code == 2, (outcome.code, outcome.err)
    assert outcome.err.startswith("einsim: ")
    assert outcome.err.count("\n") == 1
    for part in parts:
        assert part in outcome.err, outcome.err
    assert outcome.out == ""
    assert not (folder / "out").exists()
