"""A design all of whose files are the test's own, and edits of each that change what comes of it."""

import shutil

from einsim.spec import library

LINEAR = ("linear.yaml", "matmul.cascade")
"""What only whole models need: a mapping of their linear layers, and its cascade."""

EDITS = {
    "child.yaml": ("P1: 1", "P1: 2"),
    "mapping.yaml": ("{array2d: [SLNV], array1d: [SPNV]}", "{array2d: [SLNV]}\n  - run: {array1d: [SPNV]}"),
    "machine.yaml": ("clock_hz: 9.0e+8", "clock_hz: 8.0e+8"),
    "base.yaml": ("bandwidth_bytes_per_s: 400 GiB", "bandwidth_bytes_per_s: 40 GiB"),
    "attention.cascade": ("RD[m1,p] * PRM[m1,p]", "RD[m1,p] + PRM[m1,p]"),
    "table.yaml": ("17.1645", "27.1645"),
    "rows.csv": ("16777216,4096,1,1,12512.7", "16777216,4096,1,1,32512.7"),
    "linear.yaml": ("M0: array2d.rows ", "M0: array2d.rows // 2 "),
    "matmul.cascade": ("= A[k,m] * B[k,n]", "= max over k: A[k,m] * B[k,n]"),
}  # fmt: skip
"""File -> a part of it, and what takes its place."""


def make(folder):
    """Writes the files: a mapping based on another, a machine based on another with a table of its own, cascades."""

    def copy(kind, name, to, *changes):
        text = library.find(kind, name).read_text()
        for before, after in changes:
            assert before in text, (name, before)
            text = text.replace(before, after)
        (folder / to).write_text(text)

    copy(
        "mapping",
        "fusemax",
        "mapping.yaml",
        ("cascade: attention-1pass", "cascade: ./attention.cascade"),
        ("architecture: fusemax", "architecture: ./machine.yaml"),
        ("batch: [b, h]", "beside: {linear: ./linear.yaml}\nbatch: [b, h]"),
    )
    (folder / "child.yaml").write_text("name: child\nbased_on: ./mapping.yaml\ntiles: {P0: array2d.columns, P1: 1}\n")
    copy("architecture", "fusemax", "base.yaml", ("costs: paper-45nm ", "costs: ./table.yaml "))
    (folder / "machine.yaml").write_text("name: own\nbased_on: ./base.yaml\nclock_hz: 9.0e+8\n")
    copy("cascade", "attention-1pass", "attention.cascade")
    copy("cost table", "paper-45nm", "table.yaml", ("sram-cacti7.csv", "./rows.csv"))
    shutil.copy(library.folder("cost table") / "sram-cacti7.csv", folder / "rows.csv")
    copy("mapping", "linear", "linear.yaml", ("cascade: matmul", "cascade: ./matmul.cascade"))
    copy("cascade", "matmul", "matmul.cascade")


def edit(folder, name):
    """Makes an edit: half of them in place, half by a new file that takes the place of the old one."""
    path = folder / name
    before, after = EDITS[name]
    text = path.read_text()
    assert before in text, name
    if len(name) % 2:
        path.write_text(text.replace(before, after))
    else:
        new = folder / f"{name}.new"
        new.write_text(text.replace(before, after))
        new.replace(path)
