"""The scalar operations of a point of the iteration space."""

import pytest

from einsim.cascade import operations, parse

from .library import load


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("Z[m,p] = Q[e,p] * K[e,m]", ("mac",)),
        ("Z[m,p] = -(Q[e,p] * K[e,m])", ("mac",)),
        ("Z[e,m,p] = Q[e,p] * K[e,m]", ("mac",)),
        ("Z[m] = Q[e,p] * K[e,m] * s", ("mac", "mac")),
        ("Z[e,m,p] = exp(Q[e,p] - K[e,m])", ("add", "exp")),
        ("Z[e] = exp(Q[e,p] - K[e,m])", ("add", "exp", "add")),
        ("Z[e,p] = Q[e,p]", ()),
        ("Z[e,p] = -Q[e,p]", ()),
        ("Z[p] = Q[e,p]", ("add",)),
        ("Z[p] = max over e: Q[e,p]", ("max",)),
        ("Z[p] = min over e: Q[e,p]", ("min",)),
        ("Z[p] = prod over e: Q[e,p]", ("mac",)),
        ("Z[p] = max over e: Q[e,p] * Q[e,p]", ("mac", "max")),
        ("Z[e,p] = Q[e,p] / s", ("divide",)),
        ("Z[p] = Q[e,p] / s", ("divide", "add")),
        ("Z[e,p] = max(Q[e,p], 0)", ("max",)),
        ("Z[e,p] = min(Q[e,p], 3 + s)", ("add", "min")),
        ("Z[p] = sum over e: Q[e,p] + 1", ("add", "add")),
        ("Z[e,p] = sigmoid(rsqrt(Q[e,p] / E)) * s", ("divide", "rsqrt", "sigmoid", "mac")),
    ],
)
def test_operations(statement, expected):
    cascade = parse(f"cascade c\ninput Q[e,p], K[e,m], s\noutput Z\n{statement}")
    assert operations(cascade.einsums[0]) == expected


def test_operations_of_one_pass_attention():
    assert {einsum.name: operations(einsum) for einsum in load("attention-1pass").einsums} == {
        "BK": (),
        "BV": (),
        "BQK": ("mac",),
        "LM": ("max",),
        "RM": ("max",),
        "SLN": ("add", "exp"),
        "SLD": ("add",),
        "SLNV": ("mac",),
        "PRM": ("add", "exp"),
        "SPD": ("mac",),
        "RD": ("add",),
        "SPNV": ("mac",),
        "RNV": ("add",),
        "AV": ("divide",),
    }
