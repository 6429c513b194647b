"""`einsim rtl`: what is refused before anything is generated or simulated."""

import pytest

from tests.cli.commands import einsim, refused

AXES = ("arch.array2d.rows", "arch.array2d.columns", "arch.array1d.lanes")
SMALL = ["fusemax-small", "--shape", "E=4,F=4,M=8,P=8", *(word for axis in AXES for word in ("--set", f"{axis}=2"))]


@pytest.mark.parametrize(("path", "words"), [("no/where/p.svg", "there is no folder"), ("p.jpeg", "no format '.jpeg'")])
def test_pictures_that_cannot_be_written(tmp_path, path, words):
    refused("rtl", "generate", *SMALL, "-o", str(tmp_path / "out"), "--diagram", str(tmp_path / path), parts=(words,))
    assert not (tmp_path / "out").exists()
    refused("rtl", "test", *SMALL, "--waves", str(tmp_path / path), "--build", str(tmp_path / "b"), parts=(words,))
    assert not (tmp_path / "b").exists()


def test_a_diagram_is_written_in_any_format(tmp_path):
    for suffix, begins in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
        picture = tmp_path / f"blocks.{suffix}"
        outcome = einsim("rtl", "generate", *SMALL, "-o", str(tmp_path / "out"), "--diagram", str(picture))
        assert outcome.code == 0, outcome.err
        assert picture.read_bytes().startswith(begins)
    assert (tmp_path / "out" / "fusemax_small.sv").exists()
