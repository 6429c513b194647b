"""Cascades on bit patterns: against an oracle without arrays, rows of attention, float64, and loops over units."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from einsim.cascade import evaluate, parse
from einsim.errors import SpecError
from einsim.rtl.convert import Convert
from einsim.rtl.formats import BF16, FP16, FP32
from einsim.rtl.golden import Arithmetic, evaluate_patterns, formats
from einsim.rtl.mac import Mac
from einsim.rtl.macro import Exponential
from einsim.rtl.row import RowArithmetic
from einsim.rtl.unpacked import decode, encode
from einsim.spec import library

from .cascade_oracle import PatternOracle, all_places, programs

CAUSAL = Path(__file__).parents[1] / "model" / "cycle" / "causal.cascade"
NARROW = Arithmetic(narrow=frozenset({"SLN", "AV"}))


def tensors(queries, keys, *, width=8, spread=1.0, seed=0, form=BF16):
    """Random Q (E, P), K (E, M) and V (F, M) as patterns."""
    random = np.random.default_rng(seed)
    shapes = {"Q": (width, queries), "K": (width, keys), "V": (width + 1, keys)}
    scale = {"Q": spread / np.sqrt(width), "K": 1.0, "V": 1.0}
    return {name: encode(form, random.normal(size=shape) * scale[name]) for name, shape in shapes.items()}


def small(text, inputs, sizes=None, *, arithmetic=None, **more):
    """The tensors of a cascade of a few lines, its inputs given as numbers."""
    patterns = {name: encode(BF16, value) for name, value in inputs.items()}
    return evaluate_patterns(
        parse(f"cascade small\n{text}"), patterns, sizes, arithmetic=arithmetic or Arithmetic(), **more
    )


# --- against an oracle without arrays -------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(programs(steep=True))
def test_random_cascades_equal_the_oracle(drawn):
    program, inputs, sizes = drawn
    cascade = parse(program.text())
    arithmetic = Arithmetic(narrow=frozenset(program.narrow))
    found = evaluate_patterns(cascade, inputs, sizes, arithmetic=arithmetic, orders=program.orders)
    clean = {
        **inputs,
        "T": np.where(np.arange(inputs["T"].size).reshape(inputs["T"].shape) < sizes["M"], inputs["T"], 0),
    }
    oracle = PatternOracle(cascade, clean, sizes, program.operands, program.orders)
    for name, array in found.items():
        assert array.dtype == (np.uint16 if name in program.operands else np.uint32)
        wanted = np.reshape([oracle.element(name, place) for place in all_places(array)], array.shape)
        np.testing.assert_array_equal(array, wanted, err_msg=f"{name} in\n{program.text()}\n{arithmetic.narrow}")


@settings(max_examples=200, deadline=None)
@given(programs())
def test_random_cascades_are_near_float64(drawn):
    """No further than all roundings of a path, each of its format's precision, can lead with nothing cancelling."""
    program, inputs, sizes = drawn
    cascade, sure = parse(program.text()), parse(program.text_without_signs())
    arithmetic = Arithmetic(narrow=frozenset(program.narrow))
    values = {name: decode(BF16, each) for name, each in inputs.items()}
    found = evaluate_patterns(cascade, inputs, sizes, arithmetic=arithmetic, orders=program.orders)
    exact, size = evaluate(cascade, values, sizes), evaluate(sure, {n: abs(v) for n, v in values.items()}, sizes)
    for name, form in formats(cascade, arithmetic).items():
        if name in found:
            finite = np.isfinite(exact[name]) & np.isfinite(size[name])
            relative = np.expm1(program.fine[name] * 2.0**-24 + program.coarse[name] * 2.0**-8)
            error = abs(decode(form, found[name])[finite] - exact[name][finite])
            assert (error <= relative * size[name][finite] + 1e-30).all(), f"{name} in\n{program.text()}"


# --- attention ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keys", "tile", "spread"), [(64, 16, 1.0), (96, 8, 4.0), (24, 24, 1.0), (6, 1, 20.0)])
def test_attention_in_one_pass_equals_rows(keys, tile, spread):
    given = tensors(7, keys, spread=spread)
    found = evaluate_patterns(library.load_cascade("attention-1pass"), given, {"M0": tile}, arithmetic=NARROW)
    rows = RowArithmetic().compute(given["Q"].T, given["K"].T, given["V"].T, tile=tile)
    np.testing.assert_array_equal(found["AV"], Convert(FP32, BF16).compute(rows).T)
    unrounded = Arithmetic(narrow=frozenset({"SLN"}))
    found = evaluate_patterns(library.load_cascade("attention-1pass"), given, {"M0": tile}, arithmetic=unrounded)
    np.testing.assert_array_equal(found["AV"], rows.T)


def test_attention_of_fp16_equals_rows():
    given = tensors(5, 32, form=FP16)
    arithmetic = Arithmetic(FP16, FP32, frozenset({"SLN"}))
    found = evaluate_patterns(library.load_cascade("attention-1pass"), given, {"M0": 8}, arithmetic=arithmetic)
    rows = RowArithmetic(FP16, FP32).compute(given["Q"].T, given["K"].T, given["V"].T, tile=8)
    np.testing.assert_array_equal(found["AV"], rows.T)


def test_masked_keys_give_rows_too():
    """Whole tiles of scores of minus infinity."""
    given = tensors(3, 32)
    given["Q"], given["K"][:, 8:24] = given["Q"] & 0x7FFF, encode(BF16, -np.inf)
    found = evaluate_patterns(library.load_cascade("attention-1pass"), given, {"M0": 8}, arithmetic=NARROW)
    rows = RowArithmetic().compute(given["Q"].T, given["K"].T, given["V"].T, tile=8)
    np.testing.assert_array_equal(found["AV"], Convert(FP32, BF16).compute(rows).T)
    assert np.isfinite(decode(BF16, found["AV"])).all()


@pytest.mark.parametrize(("name", "sizes"), [
    ("attention-2pass", {"M0": 16}), ("attention-3pass", {}), ("attention-deferred", {}),
])  # fmt: skip
def test_other_forms_of_attention_are_near(name, sizes):
    given, cascade = tensors(16, 64, spread=2.0), library.load_cascade(name)
    found = evaluate_patterns(cascade, given, sizes, arithmetic=Arithmetic())["AV"]
    exact = evaluate(cascade, {tensor: decode(BF16, each) for tensor, each in given.items()}, sizes)["AV"]
    assert (abs(decode(FP32, found) - exact) < 2.5e-3 * abs(exact).max(axis=0)).all()


@pytest.mark.parametrize(("cascade", "plain", "sizes"), [
    (parse(CAUSAL.read_text()), "attention-1pass", {"M0": 4}),
    (library.load_cascade("attn_causal-fusemax"), "attention-1pass", {"M0": 4}),
    (library.load_cascade("attn_causal-3pass"), "attention-3pass", {}),
], ids=["tiles", "fusemax", "3pass"])  # fmt: skip
def test_a_filter_is_what_shorter_tensors_are(cascade, plain, sizes):
    """Query p of causal attention is that of plain attention with the keys up to p, the last tile partial."""
    given = tensors(11, 11)
    found = evaluate_patterns(cascade, given, sizes, arithmetic=Arithmetic(narrow=frozenset({"AV"})))["AV"]
    for p in range(11):
        shorter = {"Q": given["Q"][:, p : p + 1], "K": given["K"][:, : p + 1], "V": given["V"][:, : p + 1]}
        arithmetic = Arithmetic(narrow=frozenset({"AV"}))
        wanted = evaluate_patterns(library.load_cascade(plain), shorter, sizes, arithmetic=arithmetic)["AV"]
        np.testing.assert_array_equal(found[:, p], wanted[:, 0])


@pytest.mark.parametrize(("name", "sizes"), [("attention-1pass", {"M0": 4}), ("attention-3pass", {})])
def test_rows_do_not_know_of_each_other(name, sizes):
    given, cascade = tensors(6, 10), library.load_cascade(name)
    whole = evaluate_patterns(cascade, given, sizes, arithmetic=Arithmetic())
    for p in (slice(0, 1), slice(1, 6), slice(3, 5)):
        part = evaluate_patterns(cascade, {**given, "Q": given["Q"][:, p]}, sizes, arithmetic=Arithmetic())
        np.testing.assert_array_equal(part["AV"], whole["AV"][:, p])
    part = evaluate_patterns(cascade, {**given, "V": given["V"][2:4]}, sizes, arithmetic=Arithmetic())
    np.testing.assert_array_equal(part["AV"], whole["AV"][2:4])


# --- rules, one by one ----------------------------------------------------------------------------------------


def test_a_matrix_product_is_a_loop_of_macs():
    random = np.random.default_rng(1)
    a, b = (encode(BF16, random.normal(size=shape)) for shape in ((3, 7), (7, 4)))
    cascade = parse("cascade product\ninput A[i,k], B[k,j]\noutput Z\nZ[i,j] = A[i,k] * B[k,j]")
    found = evaluate_patterns(cascade, {"A": a, "B": b}, arithmetic=Arithmetic())["Z"]
    mac = Mac(BF16, FP32)
    for i in range(3):
        for j in range(4):
            total = 0
            for k in range(7):
                total = mac.compute(a[i, k], b[k, j], total)
            assert found[i, j] == total


def test_one_point_is_added_to_zero():
    """-0 becomes +0."""
    found = small("input A[k], B[k]\noutput Z\nZ = A[k] * B[k]\nY[k] = A[k] * B[k]", {"A": [-0.0], "B": [1.0]})
    assert found["Z"] == 0
    assert found["Y"] == FP32.negative_zero


def test_the_last_tile_is_summed_as_far_as_it_goes():
    random = np.random.default_rng(4)
    values = random.normal(size=7)
    text = "input A[m]\noutput Z\nsplit m into m1, m0 by M0\nT[m1,m0] = A[m1*M0+m0]\n"
    found = small(
        text + "S[m1] = T[m1,m0] * T[m1,m0]\nL[m1] = max over m0: T[m1,m0]\nZ = S[m1]", {"A": values}, {"M0": 3}
    )
    a, mac = encode(BF16, values), Mac(BF16, FP32)
    assert list(found["T"].ravel()) == [*a, 0, 0]
    sums = []
    for tile in (a[:3], a[3:6], a[6:]):
        sums.append(0)
        for each in tile:
            sums[-1] = int(mac.compute(each, each, sums[-1]))
    assert list(found["S"]) == sums
    assert list(decode(FP32, found["L"])) == [decode(BF16, tile).max() for tile in (a[:3], a[3:6], a[6:])]


def test_orders_change_the_sum():
    """2^30 swallows small terms that come after it."""
    values = np.array([[2.0**30, 1.0], [-(2.0**30), 1.0]])
    text = "input A[i,k]\noutput Z\nZ = A[i,k]"
    assert decode(FP32, small(text, {"A": values})["Z"]) == 1
    assert decode(FP32, small(text, {"A": values}, orders={"Z": ("k", "i")})["Z"]) == 2


def test_which_format_a_tensor_has():
    cascade = parse("""cascade formats
        input A[m], B[m]
        output Z
        rank c = 2*M
        rank n like m
        tensor K[c], L[c]
        init R[0] = 0
        R[m+1] = A[m]
        T[m] = A[M-1-m]
        U[m] = T[m] when m > 0
        K[m] = A[m]
        K[M+n] = B[n]
        L[m] = A[m]
        L[M+n] = A[n] + B[n]
        N[m] = -A[m]
        S = A[m]
        X[m] = A[m] * B[m]
        Y[m] = X[m]
        Z[m] = Y[m]""")
    found = formats(cascade, Arithmetic(narrow=frozenset({"Y"})))
    assert {name for name, form in found.items() if form == BF16} == {"A", "B", "T", "U", "K", "Y", "Z"}


def test_narrow_tensors_are_rounded_once_whole_and_read_so():
    values = [1.0, 2.0**-9, 2.0**-9, 2.0**-9]
    text = "input A[m]\noutput Z\nS = A[m]\nZ = S * 1"
    assert decode(FP32, small(text, {"A": values})["Z"]) == sum(values)
    found = small(text, {"A": values}, arithmetic=Arithmetic(narrow=frozenset({"S"})))
    assert decode(BF16, found["S"]) == decode(FP32, found["Z"]) == 1 + 2.0**-7


def test_constants_are_rounded_once():
    found = small("input A[m]\noutput Z\nZ[m] = A[m] * (1 / (M + 0.1))", {"A": [1.0, 0.0]})
    assert found["Z"][0] == encode(FP32, 1 / 2.1)


def test_signs_are_free_and_differences_are_sums():
    found = small("input A, B\noutput Z\nZ = A - B\nY = -A", {"A": np.inf, "B": np.inf})
    assert found["Z"] == FP32.nan
    assert found["Y"] == FP32.infinity | FP32.negative_zero


@pytest.mark.parametrize("form", [BF16, FP32], ids=lambda form: form.name)
def test_a_running_maximum_starts_at_the_lowest_number(form):
    arithmetic = Arithmetic(narrow=frozenset({"R"}) if form == BF16 else frozenset())
    text = "input A[k]\noutput R\ninit R[0] = -inf\nR[k+1] = max(R[k], A[k])"
    found = small(text, {"A": [-np.inf, 2.0]}, arithmetic=arithmetic)["R"]
    assert list(found) == [form.lowest, form.lowest, encode(form, 2.0)]


def test_what_is_beyond_the_edge_has_the_format():
    found = small("input A[m]\noutput Z\nZ[m] = A[m+1] else -inf", {"A": [1.0, 2.0]})["Z"]
    assert list(found) == list(encode(BF16, [2.0, -np.inf]))
    assert found.dtype == BF16.dtype


def test_another_exp():
    found = small(EXP, {"A": 1.0}, arithmetic=Arithmetic(exp=Exponential(FP16, FP32)))["Z"]
    assert found == Exponential(FP16, FP32).compute(encode(FP32, 1.0), 0)
    assert found != Exponential(BF16, FP32).compute(encode(FP32, 1.0), 0)


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "words"), [
    ("Z[m] = log(A[m])", "'Z': there is no unit for 'log'; compute it elsewhere"),
    ("Z[m] = A[m] * min(A[m], B[m])", "'Z': there is no unit for 'min'; write -max(-a, -b)"),
    ("Z = min over m: A[m]", "'Z': there is no unit for 'min'"),
    ("Z = prod over m: A[m]", "'Z': there is no unit for 'prod'"),
    ("Z = argmax over m: A[m]", "'Z': there is no unit for 'argmax'"),
    ("Z[m] = where(A[m] > 0, A[m], B[m])", "'Z': there is no unit for 'where'; filter by positions"),
    ("Z[m] = relu(A[m])", "'Z': there is no unit for 'relu'; write max(x, 0)"),
    ("Z[m] = A[m] when B[m] > 0", "'Z': no unit decides 'when' by the data; filter by ranks"),
    ("Z[m] = A[B[m]]", "'Z': no unit computes addresses from data"),
    ("Z[m] = A[m+1] else 0.1", "0.1 beyond the edge of 'A' is no number of bf16"),
    ("init S[0] = exp(sqrt(C))\nS[m+1] = S[m]\nZ = S[M]", "'S': there is no unit for 'sqrt'"),
])  # fmt: skip
def test_what_no_unit_computes_is_refused(line, words):
    with pytest.raises(SpecError, match=r"^[^\n]+$") as error:
        small(f"input A[m], B[m], C\noutput Z\n{line}", {"A": [1.0, 2.0], "B": [0.0, 1.0], "C": 1.0})
    assert words in str(error.value)
    assert error.value.at


TEXT = "input A[i,k]\noutput Z\nZ = A[i,k]"
TOTAL = parse(f"cascade total\n{TEXT}")
EXP = "input A\noutput Z\nZ = exp(A)"


@pytest.mark.parametrize(("work", "words"), [
    (lambda: small(TEXT, {"A": [[1.0]]}, arithmetic=Arithmetic(narrow=frozenset({"A"}))), "makes no tensor 'A'"),
    (lambda: small(TEXT, {"A": [[1.0]]}, orders={"Y": ("i",)}), "no Einsum 'Y'; known: Z"),
    (lambda: small(TEXT, {"A": [[1.0]]}, orders={"Z": ("i",)}), "the order i is none of 'Z'; name each of i, k once"),
    (lambda: small(TEXT, {"A": [[1.0]]}, orders={"Z": ("i", "k", "k")}), "the order i, k, k is none"),
    (lambda: small(TEXT, {"A": [[1.0]]}, orders={"Z": ("i", "k", "m")}), "the order i, k, m is none"),
    (lambda: evaluate_patterns(TOTAL, {"A": [[1.0]]}, arithmetic=Arithmetic()), "no patterns of bf16"),
    (lambda: evaluate_patterns(TOTAL, {"A": [[1 << 16]]}, arithmetic=Arithmetic()), "no patterns of"),
    (lambda: evaluate_patterns(TOTAL, {"A": [[-1]]}, arithmetic=Arithmetic()), "no patterns of"),
    (lambda: evaluate_patterns(TOTAL, {}, arithmetic=Arithmetic()), "input A[i,k] is missing"),
    (lambda: Arithmetic(FP32, BF16), "cannot be summed"),
    (lambda: Arithmetic(exp=Mac(BF16, FP32)), "bf16_mac_fp32 is no exp of fp32"),
    (lambda: small(EXP, {"A": 0}, arithmetic=Arithmetic(FP32)), "'Z': exp cannot be computed"),
])  # fmt: skip
def test_refusals(work, words):
    with pytest.raises(SpecError, match=r"^[^\n]+$") as error:
        work()
    assert words in str(error.value)
