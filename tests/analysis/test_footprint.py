"""Live footprints: what crosses from pass to pass, what runs along, and the alternatives."""

import pytest

from einsim.analysis.footprint import footprint
from einsim.analysis.passes import count_passes
from einsim.cascade import parse
from einsim.report.theory import footprint_records
from einsim.spec import library


def live(name, rank=None):
    cascade = library.load_cascade(name)
    (passes,) = count_passes(cascade, rank)
    return footprint(cascade, passes)


def crossing(name, rank=None):
    """Tensor -> (made in, read in, a row, in all, spill, recompute)."""
    keys = ("made_in", "read_in", "per_row", "total", "spill_words", "recompute_operations")
    return {each["tensor"]: tuple(each[key] for key in keys) for each in footprint_records(live(name, rank))}


QK = (1, [2], "M", "M*P", "2*M*P", "E*M*P")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("attention-3pass", {"QK": QK, "SN": (2, [3], "M", "M*P", "2*M*P", "E*M*P + 2*M*P")}),
        ("attention-deferred", {"QK": QK}),
        ("attn-naive2", {"SN": (1, [2], "M", "M*P", "2*M*P", "E*M*P + M*P")}),
        ("attention-unstable", {}),
        ("attention-1pass", {}),
        ("softmax", {"SN": (2, [3], "M", "M*P", "2*M*P", "2*M*P")}),
        ("softmax-2pass", {}),
        ("danet_cam-2pass", {}),
        ("layernorm-3pass", {"DX": (2, [3], "D", "D*P", "2*D*P", "D*P")}),
    ],
)
def test_what_crosses(name, expected):
    assert crossing(name) == expected


def test_tiles_of_the_two_pass_form():
    found = crossing("attention-2pass")
    assert found["SLN"] == (1, [2], "M", "M*P", "2*M*P", "E*M*P + 3*M*P")
    assert found["LM"][:4] == (1, [1], "M1", "M1*P")  # one a tile, held until the pass ends


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("attention-1pass", {"RM": "P", "RD": "P", "RNV": "F*P"}),
        ("softmax-2pass", {"RM": "P", "RD": "P"}),
        ("attention-3pass", {}),
        ("gla-recurrent", {"ST": "E*F"}),
        ("ssd-recurrent", {"ST": "F*N"}),
    ],
)
def test_what_runs_along(name, state):
    assert {tensor: str(amount) for tensor, amount in live(name).running.items()} == state


def test_inputs_read_again():
    assert live("softmax").reread == {"I": (1, 2)}
    assert live("danet_cam-2pass").reread == {"X": (1, 2)}
    assert live("attention-3pass").reread == {}


def test_levels():
    """Within a tile of the one-pass form, scores of the tile cross: M0 a row, whatever M is."""
    found = crossing("attention-1pass", "m0")
    assert found["BQK"] == (1, [2], "M0", "M*P", "2*M*P", "E*M*P")
    (scores,) = (each for each in live("attention-1pass", "m0").crossing if each.tensor == "BQK")
    assert scores.rows == ("m1", "p")


def test_several_later_passes():
    text = """cascade c
input X[m,p]
output Z
sequence m
Y[m,p] = exp(X[m,p])
A[p] = Y[m,p]
B[p] = sum over m: Y[m,p] * A[p]
Z[m,p] = Y[m,p] * B[p]"""
    cascade = parse(text)
    (passes,) = count_passes(cascade)
    (each,) = footprint(cascade, passes).crossing
    assert (each.tensor, each.made, each.read) == ("Y", 1, (2, 3))
    assert str(each.spill) == "3*M*P"  # written once, read in each later pass
    assert str(each.recompute) == "2*M*P"
