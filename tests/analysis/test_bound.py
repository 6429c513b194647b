"""The bound on traffic: what it is by hand, how it behaves, and that no mapping of ours beats it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from einsim.analysis.bound import traffic_bound
from einsim.analysis.demand import Demand
from einsim.cascade import bind_sizes, parse, size_parameters
from einsim.model.closed_form import evaluate
from einsim.spec import library
from einsim.spec.configuration import load_design
from einsim.spec.overrides import parse_override
from einsim.spec.workload import Workload

HUGE = 1 << 50
SIZES = {"E": 8, "F": 6, "M": 64, "P": 32, "M0": 16}


def bound(name, **sizes):
    cascade = library.load_cascade(name)
    given_sizes = {symbol: sizes.get(symbol, SIZES.get(symbol, 16)) for symbol in size_parameters(cascade)}
    return traffic_bound(cascade, bind_sizes(cascade, given_sizes))


def of_text(text, sizes, capacity):
    cascade = parse(f"cascade c\n{text}")
    return traffic_bound(cascade, bind_sizes(cascade, sizes)).at(capacity)


COMPULSORY = 8 * 32 + 8 * 64 + 6 * 64 + 6 * 32


@pytest.mark.parametrize("name", ["attention-3pass", "attention-deferred", "attention-1pass", "attention-unstable"])
def test_everything_moves_once_at_least(name):
    assert bound(name).compulsory == COMPULSORY
    assert bound(name).at(HUGE) == COMPULSORY


@pytest.mark.parametrize(
    ("name", "boundaries"), [("attention-3pass", 2), ("attention-deferred", 1), ("attention-1pass", 0)]
)
def test_scores_that_do_not_fit_are_made_from_keys_again(name, boundaries):
    """Of a row of M scores a buffer holds C; keys of the others, E words each, are read again for all rows at best."""
    for capacity in (0, 1, 40, 63, 64, 100):
        assert bound(name).at(capacity) == COMPULSORY + boundaries * 8 * max(0, 64 - capacity)


@pytest.mark.parametrize(("capacity", "extra"), [(0, 3 * 64), (14, 3 * 50), (64, 0)])
def test_of_few_queries_scores_are_written(capacity, extra):
    """One query: a score is written once and read in two later passes, three words instead of twice eight."""
    whole = bound("attention-3pass", P=1)
    assert whole.at(capacity) - whole.compulsory == extra


def test_what_is_read_again_is_read_in_each_pass():
    softmax = "input X[m,p]\noutput A\nsequence m\nG[p] = max over m: X[m,p]\nS[m,p] = exp(X[m,p] - G[p])\n"
    softmax += "D[p] = S[m,p]\nA[m,p] = S[m,p] / D[p]"
    assert of_text(softmax, {"M": 10, "P": 3}, 0) == 60 + 2 * 30
    assert of_text(softmax, {"M": 10, "P": 3}, 4) == 60 + 2 * 18
    assert of_text(softmax, {"M": 10, "P": 3}, 10) == 60


def test_a_filter_leaves_less():
    """Causal rows have (M+1)/2 scores on average; keys, queries and values are all needed still."""
    whole = bound("attn_causal-3pass", M=63)
    assert whole.compulsory == 2 * 8 * 63 + 2 * 6 * 63
    for capacity in (0, 10, 32):
        assert whole.at(capacity) == whole.compulsory + 2 * 8 * (32 - capacity)


def test_batches_are_independent():
    cascade = library.load_cascade("attention-3pass")
    sizes = bind_sizes(cascade, {name: SIZES[name] for name in size_parameters(cascade)})
    one, many = traffic_bound(cascade, sizes), traffic_bound(cascade, sizes, batch=12)
    assert many.curve([0, 10, HUGE]) == [12 * words for words in one.curve([0, 10, HUGE])]


@pytest.mark.parametrize("name", library.names("cascade"))
def test_more_buffer_never_moves_more(name):
    found = bound(name, TXT0=6, IMG0=2, TXT1=12, M0=4, M2=2)
    curve = found.curve([0, *(1 << power for power in range(20)), HUGE])
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] == found.compulsory >= 1


# --- what is surely needed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sizes", "read"),
    [
        ("input A[k]\noutput Z\nZ = A[k]", {"K": 9}, 9),
        ("input A[k]\noutput Z\nZ = A[0]", {"K": 9}, 1),
        ("input A[k]\noutput Z\nrank j within k\nZ[j] = A[j]", {"K": 9, "J": 4}, 4),
        ("input A[k]\noutput Z\nrank j\nZ[j] = A[2*j] else 0", {"K": 9, "J": 4}, 1),
        ("input A[k]\noutput Z\nrank j\nrank w\nZ[j] = sum over w: A[j+w-1] else 0", {"K": 9, "J": 9, "W": 3}, 9),
        ("input A[g]\noutput Z\nrank h\nsize R\nZ[h] = A[h//R] else 0", {"G": 3, "H": 6, "R": 2}, 3),
        ("input A[k], I[j]\noutput Z\nZ[j] = A[I[j]]", {"K": 9, "J": 4}, 5),  # all of I, of A one element at least
        ("input A[k], B[k]\noutput Z\nZ[k] = where(A[k] > 0, B[k], 0)", {"K": 9}, 9),
        ("input A[k], B[k]\noutput Z\nZ[k] = B[k] when A[k] > 0", {"K": 9}, 9),
        ("input A[k], B[k]\noutput Z\nC[k] = A[k] * B[k]\nZ[k] = A[k]", {"K": 9}, 9),  # nobody needs C
        ("input A[k]\noutput Z\nsplit k into k1, k0 by K0\nB[k1] = A[k1*K0+k0]\nZ = B[k1]", {"K": 9, "K0": 4}, 9),
        ("input A[m]\noutput Z\nrank p like m\nZ[p] = sum over m: A[m] + A[p] when m <= p", {"M": 9}, 9),
        ("input A[k]\noutput Z\ninit S[0] = 0\nS[k+1] = S[k] + A[k]\nZ = S[K]", {"K": 9}, 9),
        ("input A[k]\noutput Z\ninit S[0] = 0\nS[k+1] = S[k] + A[k]\nZ = S[1]", {"K": 9}, 0),
    ],
)
def test_what_is_surely_read(text, sizes, read):
    cascade = parse(f"cascade c\n{text}")
    assert sum(Demand(cascade, bind_sizes(cascade, sizes)).inputs.values()) == read


# --- against the closed-form model ----------------------------------------------------------------------------

MAPPINGS = ("unfused", "flat", "cascade", "fusemax")
AXES = ("array2d.rows", "array2d.columns", "array1d.lanes")
PLACES = ("Q_loc", "K_loc", "QK_loc", "A_loc", "V_loc", "AV_loc")


@st.composite
def choices(draw):
    """What the flat mapping leaves open, decided at random."""
    found = {place: draw(st.sampled_from(["onchip", "offchip"])) for place in PLACES}
    found |= {
        name: draw(st.sampled_from(["input", "weight", "output"])) for name in ("QK_stationarity", "AV_stationarity")
    }
    return found | {"fusion_granularity": draw(st.sampled_from(["head", "row"]))}


def moved_and_bound(mapping, sizes, capacity, chosen=None):
    """Bytes that the closed-form model counts, and the bound's, the register files added to the buffer."""
    texts = [f"arch.buffer.capacity_bytes={capacity}", *(f"arch.{axis}=16" for axis in AXES)]
    texts += [f"mapping.{name}={value}" for name, value in (chosen or {}).items() if mapping == "flat"]
    design = load_design(mapping, Workload(tuple(sizes.items())), overrides=[parse_override(text) for text in texts])
    moved = int(evaluate(design).traffic_bytes)
    held = capacity // 2 + sum(
        (array.rows or 1) * (array.columns or 1) * array.registers.depth_words
        for array in design.architecture.arrays.values()
    )
    free = size_parameters(design.cascade)
    own = {name: sizes.get(name, 256) for name in free}
    found = traffic_bound(design.cascade, bind_sizes(design.cascade, own), batch=sizes["B"] * sizes["H"])
    return moved, 2 * found.at(held), 2 * found.at(1 << 60)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(MAPPINGS),
    st.sampled_from([256, 512, 1024, 2048, 4096, 65536, 1 << 20]),
    st.sampled_from([256, 1024, 4096, 65536]),
    st.sampled_from([64, 128]),
    st.integers(1, 16),
    st.integers(10, 26),
    choices(),
)
def test_no_mapping_moves_less(mapping, m, p, e, heads, power, chosen):
    sizes = {"B": 2, "H": heads, "E": e, "F": e, "M": m, "P": p}
    moved, least, _ = moved_and_bound(mapping, sizes, 1 << power, chosen)
    assert moved >= least


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("capacity", [1 << 10, 1 << 14, 1 << 20, 1 << 24, 1 << 30])
def test_no_mapping_moves_less_at_published_sizes(mapping, capacity):
    sizes = {"B": 64, "H": 12, "E": 64, "F": 64, "M": 1 << 16, "P": 1 << 16}
    everything = dict.fromkeys(PLACES, "onchip") | {"QK_stationarity": "output", "AV_stationarity": "output"}
    moved, least, _ = moved_and_bound(mapping, sizes, capacity, everything | {"fusion_granularity": "row"})
    assert moved >= least


def test_the_best_mapping_meets_the_bound():
    """With a buffer for everything FuseMax moves what must be moved, and nothing else."""
    moved, least, compulsory = moved_and_bound(
        "fusemax", {"B": 64, "H": 12, "E": 64, "F": 64, "M": 1024, "P": 1024}, 1 << 24
    )
    assert moved == least == compulsory
