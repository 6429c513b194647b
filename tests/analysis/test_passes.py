"""Pass counts: the survey's table, every cascade of the zoo, FuseMax's table I, levels of split ranks, odd cases."""

import pytest

from einsim.analysis.passes import count_passes
from einsim.cascade import parse
from einsim.errors import SpecError
from einsim.report.theory import most
from einsim.spec import library
from tests.analysis.table import FOUND, OURS, TABLE

SYSTEMS = {system.name: system for system in library.load_systems()}
PAIRS = {key: pair for pair, keys in TABLE.items() for key in keys} | OURS


def passes_of(name):
    cascade = library.load_cascade(name)
    return most(count_passes(cascade)) if cascade.sequences else 0


def counted(text, rank=None):
    return [passes.number for passes in count_passes(parse(f"cascade c\n{text}\n"), rank)]


@pytest.mark.parametrize("key", SYSTEMS)
def test_the_table(key):
    system = SYSTEMS[key]
    written, best = (passes_of(system.cascade_name(variant)) for variant in (system.straightforward, system.best))
    assert f"{written} -> {best}" == PAIRS[key]


def test_every_cascade_as_found():
    found = {name: passes_of(name) for name in library.names("cascade") if not name.startswith("layer-")}
    assert found == {name: number for number, names in FOUND.items() for name in names}


def test_kernels_beside_attention_pass_over_no_sequence():
    whole = {"layer-encoder", "layer-decoder"}  # with attention in one pass
    names = {name for name in library.names("cascade") if name.startswith("layer-")}
    assert {passes_of(name) for name in names - whole} == {0}
    assert {passes_of(name) for name in whole} == {1}


def test_no_variant_has_fewer_passes_than_the_best():
    for system in SYSTEMS.values():
        numbers = {variant: passes_of(system.cascade_name(variant)) for variant in system.variants}
        if all(isinstance(number, int) for number in numbers.values()):
            assert numbers[system.best] == min(numbers.values()), system.name


def test_fusemax_table_1():
    """The paper's three classes, of which it names nine algorithms: ours by the cascade that each runs."""
    three = "attention-3pass attn-3pass"  # PyTorch, TensorFlow, FLAT, E.T.
    two = "attention-2pass attention-deferred attn-localmax2 attn-defer2"  # TileFlow, Choi et al.
    one = "attention-1pass attn-fa1 attn-fusemax"  # FlashAttention, FlashAttention-2, Rabe and Staats, FuseMax
    for number, names in ((3, three), (2, two), (1, one)):
        assert [passes_of(name) for name in names.split()] == [number] * len(names.split())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("input A[k], B[k]\noutput Z\nY = A[k] * B[k]\nZ = Y * A[k]", 2),
        ("input A[k], B[k]\noutput Z\nY = A[k] * B[k]\nX = A[k]\nZ = Y * X", 1),
        ("input A[k], C[j]\noutput Z\nY = A[k]\nZ = Y * C[j]", 1),  # another fiber
        ("input A[k]\noutput Z\nrank j like k\nY = A[k]\nZ = Y * A[j]", 1),  # by another name it is another sequence
        ("input A[k]\noutput Z\nrank j like k\nsequence k | j\nY = A[k]\nZ = Y * A[j]", 2),
        ("input A[k]\noutput Z\nrank j like k\nC[j] = A[j] + 1\nY = A[k]\nZ[k] = A[k] * Y", 2),
        ("input A[k]\noutput Z\nrank j like k\nB[k] = A[k] * A[k]\nC[j] = B[j]\nY = C[j]\nZ = Y * A[k]", 2),  # a copy
        ("input A[k]\noutput Z\nZ[k] = A[k] * A[K-1]", 1),
        ("input A[k]\noutput Z\ninit S[0] = 0\nS[k+1] = S[k] + A[k]\nZ = S[K]", 1),
        ("input A[k]\noutput Z\ninit S[0] = 0\nS[k+1] = S[k] + A[k]\nZ[k] = S[k+1] * A[k]", 1),
        ("input A[k]\noutput Z\ninit S[0] = 0\nS[k+1] = S[k] + A[k]\nZ[k] = S[K] * A[k]", 2),
        ("input A[k]\noutput Z\nI = argmax over k: A[k]\nZ[k] = A[k] - A[I]", 2),
        ("input A[k]\noutput Z\nrank j within k\nI[j] = topk over k: A[k]\nZ = A[I[j]]", 1),
        ("input A[k]\noutput Z\nrank j within k\nsequence k | j\nI[j] = topk over k: A[k]\nZ = A[I[j]]", 2),
    ],
)
def test_small_cases(text, number):
    rank = None if "sequence" in text else "k"
    assert counted(text, rank) == [number]


NEST = """input X[m]
output Z
split m into m1, m0 by M0
sequence m
L[m1] = max over m0: X[m1*M0+m0]
S[m1,m0] = exp(X[m1*M0+m0] - L[m1])
D[m1] = S[m1,m0]
A[m1,m0] = S[m1,m0] / D[m1]
Z = sum over m1,m0: A[m1,m0]"""


def test_levels_of_a_split_rank():
    """Each tile is a softmax of its own: three passes over the elements of a tile, one over the tiles."""
    assert counted(NEST) == [1]
    assert counted(NEST, "m") == [1]
    assert counted(NEST, "m1") == [1]
    assert counted(NEST, "m0") == [3]


@pytest.mark.parametrize(("name", "passes"), [("attention-1pass", 2), ("attention-2pass", 3), ("attention-3pass", 3)])
def test_passes_within_a_tile(name, passes):
    """FuseMax, section IV: within a tile of the one-pass cascade, the local maximum still needs a pass of its own."""
    cascade = library.load_cascade(name)
    rank = "m0" if cascade.splits else "m"
    assert [each.number for each in count_passes(cascade, rank)] == [passes]


def test_repeated_selections():
    text = "input X[m]\noutput B\nrank k\nsequence m\ninit B[0] = 0\nG[m,k] = X[m] - B[k]\nS[k] = max over m: G[m,k]\n"
    assert counted(text + "B[k+1] = B[k] + S[k]") == ["K"]
    assert counted(text + "B[k+1] = B[k] + S[k]\nZ[m] = X[m] * B[K]") == ["1+K"]


def test_two_sequences_are_two_streams():
    passes = count_passes(library.load_cascade("moda-segments"))
    assert [(each.stream.name, each.number) for each in passes] == [("t", 1), ("n", 1)]


def test_refused():
    with pytest.raises(SpecError, match="names no sequence"):
        counted("input A[k]\noutput Z\nZ = A[k]")
    with pytest.raises(SpecError, match="no rank 'j'"):
        counted("input A[k]\noutput Z\nZ = A[k]", "j")
