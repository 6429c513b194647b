"""`einsim roofline`: its output, its picture, and its refusals."""

from tests.cli.commands import einsim, refused

WORKLOAD = ("--model", "BERT", "--seq-len", "16K")


def test_one_picture_of_several_designs(tmp_path):
    outcome = einsim("roofline", "fusemax", "flat", "unfused", *WORKLOAD, "--out", str(tmp_path))
    assert outcome.code == 0, outcome.err
    for part in ("fusemax: roofs", "4,384", "group GM..A", "all on chip", "memory, not the array, is the roof"):
        assert part in outcome.out, outcome.out
    assert (tmp_path / "roofline.png").stat().st_size > 10_000
    assert "fusemax" in (tmp_path / "roofline.svg").read_text()


def test_json_has_every_load():
    found = einsim("roofline", "fusemax", *WORKLOAD, "--json").json["designs"]["fusemax"]
    assert found["roofs"]["array2d"]["ridge_per_byte"] == 256 * 256 * 940e6 / (400 * 2**30)
    assert found["einsums"]["LM"]["intensity_per_byte"]["array2d"] is None
    assert found["whole"]["traffic_bytes"] == found["least_traffic_bytes"]


def test_what_it_refuses():
    refused("roofline", parts=("no configuration",))
    refused("roofline", "fusemaxx", *WORKLOAD, parts=("fusemaxx", "fusemax"))
    refused("roofline", "fusemax", parts=("nothing says what to run",))
    refused(
        "roofline", "fusemax", *WORKLOAD, "--set", "arch.buffer.capacity_bytes=64 KiB", code=3, parts=("does not fit",)
    )
