"""The golden model against arithmetic that shares nothing with it."""

from fractions import Fraction

import numpy as np
import pytest

from einsim.errors import SpecError
from einsim.rtl import library
from einsim.rtl.add import Add
from einsim.rtl.convert import Convert
from einsim.rtl.divide import Divide
from einsim.rtl.formats import BF16, FP16, FP32, INT8, INT16, INT32, Format, Integer, named
from einsim.rtl.integer import IntegerMac
from einsim.rtl.mac import Mac, MacAdd
from einsim.rtl.macro import Exponential
from einsim.rtl.multiply import Multiply
from einsim.rtl.order import Compare, Maximum
from einsim.rtl.unpacked import decode, encode, flush

from . import oracle
from .operands import E4M3, ROUNDS, UNITS, corner_operands, random_operands, typed

FORMATS = pytest.mark.parametrize("form", [BF16, FP16, FP32], ids=lambda form: form.name)
EACH_UNIT = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
FLOATS = [unit for unit in UNITS if not isinstance(unit, IntegerMac)]


@np.errstate(invalid="ignore")
def expected(unit, columns) -> np.ndarray:
    """What the oracle says, as patterns of the result."""
    x = [
        oracle.values(port.format, column) if port.width > 1 else column
        for port, column in zip(unit.signature.operands, columns, strict=True)
    ]
    match unit:
        case Multiply(_, target):
            return oracle.patterns(target, oracle.multiply(target, *x))
        case Add(form):
            return oracle.patterns(form, oracle.add(form, *x))
        case Mac(_, form):
            return oracle.patterns(form, oracle.mac(form, *x, fused=unit.fused))
        case MacAdd(_, form):
            products = oracle.mac(form, *x[:3], fused=unit.mac.fused)
            return oracle.patterns(form, np.where(x[4] == 1, oracle.add(form, x[3], x[2]), products))
        case Divide(form):
            return oracle.patterns(form, oracle.divide(form, *x))
        case Convert(_, target):
            return oracle.patterns(target, oracle.rounded(target, x[0]))
        case Maximum(form):
            larger = np.where((x[0] == 0) & (x[1] == 0), x[0] + x[1], np.maximum(*x))
            return oracle.patterns(form, larger)
        case Compare(_):
            return np.where(x[0] > x[1], 4, np.where(x[0] < x[1], 1, np.where(x[0] == x[1], 2, 0)))
        case Exponential(operand, form):
            return oracle.patterns(form, oracle.exponential(operand, form, *x))


def assert_same(unit, columns, wanted):
    got = unit.compute(*columns)
    wrong = np.flatnonzero(got != wanted)
    if wrong.size:
        first = wrong[0]
        operands = ", ".join(f"{int(column[first]):#x}" for column in columns)
        pytest.fail(f"{unit.name}({operands}) = {int(got[first]):#x}, not {int(wanted[first]):#x}; {wrong.size} differ")


@pytest.mark.parametrize("unit", FLOATS, ids=lambda unit: unit.name)
def test_corners(unit):
    columns = typed(unit, corner_operands(unit))
    assert_same(unit, columns, expected(unit, columns))


@pytest.mark.exhaustive
@pytest.mark.parametrize("unit", FLOATS, ids=lambda unit: unit.name)
def test_random_operands(unit):
    for seed in range(ROUNDS):
        columns = typed(unit, random_operands(unit, seed))
        assert_same(unit, columns, expected(unit, columns))


@pytest.mark.parametrize(
    "unit",
    [unit for unit in FLOATS if unit.signature.operands[0].format == E4M3 and len(unit.signature.operands) == 2],
    ids=lambda unit: unit.name,
)
def test_every_pair_of_eight_bits(unit):
    columns = [each.ravel() for each in np.indices((256, 256), dtype=np.uint8)]
    assert_same(unit, columns, expected(unit, columns))


@pytest.mark.parametrize(
    "unit", [Convert(BF16, FP32), Convert(FP16, FP32), Convert(BF16, FP16)], ids=lambda unit: unit.name
)
def test_every_pattern_widened(unit):
    column = np.arange(1 << 16, dtype=np.uint16)
    assert_same(unit, [column], expected(unit, [column]))


@pytest.mark.parametrize("unit", [Exponential(BF16, FP32), Exponential(FP16, FP32)], ids=lambda unit: unit.name)
def test_every_pattern_exponentiated(unit):
    """Every bf16 number, less 0 and less something."""
    a = Convert(BF16, FP32).compute(np.arange(1 << 16))
    for b in (0, encode(FP32, 3.140625)):
        columns = [a, np.full_like(a, b)]
        assert_same(unit, columns, expected(unit, columns))


@pytest.mark.parametrize("form", [BF16, FP16, FP32, E4M3], ids=lambda form: form.name)
@pytest.mark.parametrize(("make", "operation"), [
    (lambda form: Multiply(form, form), np.multiply), (Add, np.add), (Divide, np.divide), (Maximum, np.maximum),
])  # fmt: skip
def test_libraries_agree(form, make, operation):
    """IEEE arithmetic of NumPy and ml_dtypes, wherever it meets no subnormal number."""
    unit = make(form)
    both = zip(corner_operands(unit), random_operands(unit, 7, 1 << 17), strict=True)
    columns = typed(unit, [np.concatenate(pair) for pair in both])
    columns = [flush(form, column) for column in columns]
    with np.errstate(all="ignore"):
        wanted = operation(*(oracle.library(form, column) for column in columns)).astype(np.float64)
    got = oracle.library(form, unit.compute(*columns)).astype(np.float64)
    same = (got == wanted) & (np.signbit(got) == np.signbit(wanted)) | np.isnan(got) & np.isnan(wanted)
    if operation is np.maximum:
        same |= (got == 0) & (wanted == 0)  # NumPy does not order zeros
    at_the_edge = (np.abs(wanted) <= oracle.tiny(form)) & (wanted != 0)
    assert (same | at_the_edge).all()
    assert at_the_edge.mean() < 0.2


@pytest.mark.parametrize("target", [BF16, FP16], ids=lambda form: form.name)
def test_libraries_agree_on_narrowing(target):
    unit = Convert(FP32, target)
    (column,) = random_operands(unit, 3)
    with np.errstate(all="ignore"):
        wanted = column.view(np.float32).astype(oracle.LIBRARY[target]).astype(np.float64)
    got = oracle.values(target, unit.compute(column))
    edge = np.abs(wanted) <= oracle.tiny(target)
    assert ((got == wanted) | np.isnan(wanted) & np.isnan(got) | edge).all()


@pytest.mark.parametrize(
    "unit", [Mac(BF16, FP32), Mac(FP16, FP32), Add(FP32), Multiply(BF16, BF16)], ids=lambda unit: unit.name
)
def test_referee(unit):
    """Against fractions, rounded by the definition, so that golden model and oracle are not wrong together."""
    columns = typed(unit, random_operands(unit, 11, 6000))
    x = [oracle.values(port.format, each) for port, each in zip(unit.signature.operands, columns, strict=True)]
    finite = np.isfinite(x).all(axis=0)
    got = decode(unit.signature.result.format, unit.compute(*columns))
    for index in np.flatnonzero(finite):
        f = [Fraction(float(column[index])) for column in x]
        exact = f[0] + f[1] if isinstance(unit, Add) else f[0] * f[1] + (f[2] if len(f) > 2 else 0)
        assert got[index] == oracle.exactly_rounded(unit.signature.result.format, exact)


@pytest.mark.parametrize("unit", [IntegerMac(INT8, INT32), IntegerMac(INT16, INT32)], ids=lambda unit: unit.name)
def test_integers_wrap(unit):
    both = zip(corner_operands(unit), random_operands(unit, 5, 2000), strict=True)
    columns = typed(unit, [np.concatenate(pair) for pair in both])
    got = unit.compute(*columns)
    for row, result in zip(zip(*columns, strict=True), got, strict=True):
        a, b, c = (int(each) - (int(each) >> (8 * each.nbytes - 1) << 8 * each.nbytes) for each in row)
        assert int(result) == (a * b + c) % (1 << 32)


@FORMATS
def test_encoding_rounds_once(form):
    """Values between neighbours go to the nearer one, halves to the even one, whatever lies below 53 bits."""
    patterns = np.arange(form.one, form.one + 64, dtype=np.int64)
    low, high = decode(form, patterns), decode(form, patterns + 1)
    half = (low + high) / 2
    even = patterns + patterns % 2
    assert (encode(form, half) == even).all()
    assert (encode(form, np.nextafter(half, 0)) == patterns).all()
    assert (encode(form, -np.nextafter(half, 9)) == (patterns + 1 | form.negative_zero)).all()
    assert (encode(form, low) == patterns).all()


@FORMATS
def test_special_patterns(form):
    assert decode(form, form.infinity) == np.inf
    assert np.isnan(decode(form, form.nan))
    assert decode(form, form.lowest) == -float(ml_max(form))
    assert decode(form, form.one) == 1
    assert decode(form, 1) == 0  # a subnormal
    assert int(flush(form, form.negative_zero | 1)) == form.negative_zero
    assert int(flush(form, form.infinity | 1 | form.negative_zero)) == form.nan


def ml_max(form):
    return oracle.ml_dtypes.finfo(oracle.LIBRARY[form]).max


@EACH_UNIT
def test_scalars_and_shapes(unit):
    """Units take what broadcasts to arrays of one shape, single patterns too."""
    columns = [np.zeros((2, 3), np.uint8) for port in unit.signature.operands]
    assert unit.compute(*columns).shape == (2, 3)
    assert unit.compute(*(0 for _ in columns)).shape == ()


@EACH_UNIT
def test_operands_broadcast(unit):
    """Each operand varies along an axis of its own, and others along none."""
    few = [column[:5] for column in typed(unit, random_operands(unit, 13, 5))]
    for varying in range(1, len(few) + 1):
        columns = [
            each[:1].reshape(1, 1) if place > varying else each.reshape((5, 1) if place % 2 else (1, 5))
            for place, each in enumerate(few)
        ]
        whole = [np.ascontiguousarray(each) for each in np.broadcast_arrays(*columns)]
        assert (unit.compute(*columns) == unit.compute(*whole)).all()


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Format("fp64", 11, 52), "'fp64' has 11 exponent and 52 mantissa bits"),
    (lambda: Format("thin", 3, 9), "'thin' has 3 exponent and 9 mantissa bits"),
    (lambda: Integer("int12", 12), "'int12' of 12 bits"),
    (lambda: Mac(FP32, BF16), "cannot be summed"),
    (lambda: IntegerMac(INT32, INT32), "do not fit int32"),
    (lambda: Exponential(FP32, FP32), "exp cannot be computed"),
    (lambda: named("bf61"), "did you mean 'bf16'?"),
    (lambda: library.unit("bf16_mac_fp23"), "did you mean 'bf16_mac_fp32'?"),
])  # fmt: skip
def test_refusals(make, words):
    with pytest.raises(SpecError, match=r"^[^\n]+$") as error:
        make()
    assert words in str(error.value)
