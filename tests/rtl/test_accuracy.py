"""How exact exp and attention are; docs/arithmetic.md's figures are those of this code."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import LENGTHS, RANGES, exp_line, row_errors, row_line
from einsim.errors import SpecError
from einsim.rtl.formats import BF16, FP16, FP32
from einsim.rtl.macro import Exponential
from einsim.rtl.row import RowArithmetic
from einsim.rtl.unpacked import decode, encode

from .operands import EXHAUSTIVE

DOCS = (Path(__file__).parents[2] / "docs" / "arithmetic.md").read_text()
EXP = pytest.mark.parametrize("operand", [BF16, FP16], ids=lambda form: form.name)


def exp(operand, a, b=0.0):
    """Values of exp(a - b) for values."""
    a, b = np.broadcast_arrays(encode(FP32, a), encode(FP32, b))
    return decode(FP32, Exponential(operand, FP32).compute(a, b))


@pytest.mark.exhaustive
@EXP
def test_documented_exp(operand):
    for bounds in RANGES[operand]:
        for form in (BF16, FP32) if EXHAUSTIVE else (BF16,):
            assert exp_line(operand, *bounds, form.name) in DOCS


@pytest.mark.exhaustive
@pytest.mark.parametrize("length", LENGTHS if EXHAUSTIVE else LENGTHS[:2])
def test_documented_attention(length):
    for spread in (1.0, 4.0):
        assert row_line(length, spread) in DOCS


@EXP
def test_every_bf16_number_less_itself_gives_one(operand):
    values = decode(BF16, np.arange(1 << 16))
    values = values[np.isfinite(values)]
    assert (exp(operand, values, values) == 1).all()


@EXP
def test_no_weight_is_above_one(operand):
    values = decode(BF16, np.arange(1 << 16))
    results = exp(operand, values[values <= 0])
    assert ((results >= 0) & (results <= 1)).all()


@EXP
def test_far_away(operand):
    far = np.array([128.0, 1e3, 3e38, np.inf])
    assert (exp(operand, far) == np.inf).all()
    assert (exp(operand, -far) == 0).all()
    assert (exp(operand, -np.inf, np.array([3e38, -3e38, 0.0])) == 0).all()
    assert np.isnan(exp(operand, np.array([np.nan, np.inf, -np.inf]), np.array([0, np.inf, -np.inf]))).all()


def attention(q, k, v, tile=16):
    q, k, v = (encode(BF16, each) for each in (q, k, v))
    return decode(FP32, RowArithmetic().compute(q, k, v, tile=tile))


def test_equal_scores_give_the_mean():
    """Sums of so few small whole numbers are exact."""
    random = np.random.default_rng(2)
    v = random.integers(-8, 9, (64, 5)).astype(float)
    assert (attention(np.zeros((3, 4)), np.ones((64, 4)), v) == v.mean(axis=0)).all()


def test_the_last_tile_may_hold_all_the_weight():
    """What came before is scaled away; the running maximum jumps by more than exp can tell from zero."""
    k = np.zeros((64, 2))
    k[-1] = 200.0
    v = np.arange(64.0)[:, None]
    assert (attention(np.ones((1, 2)), k, v) == 63.0).all()


@pytest.mark.parametrize("tile", [1, 4, 64])
def test_tiles_change_little(tile):
    e = row_errors(64, 1.0, tile=tile)
    assert e.worst < 3e-3
    assert e.root_mean_square < 6e-4


def test_masked_scores_have_no_weight():
    """A key of minus infinity: its score is, and the row is that of the other keys."""
    random = np.random.default_rng(3)
    q, k, v = random.uniform(0.5, 1, (2, 4)), random.normal(size=(32, 4)), random.normal(size=(32, 3))
    masked = k.copy()
    masked[16:] = -np.inf
    assert (attention(q, masked, v) == attention(q, k[:16], v[:16])).all()
    masked[:] = k
    masked[:16] = -np.inf
    assert (attention(q, masked, v) == attention(q, k[16:], v[16:])).all()


def test_tile_must_divide():
    with pytest.raises(SpecError, match="10 keys are no whole number of tiles of 4"):
        attention(np.zeros((1, 2)), np.zeros((10, 2)), np.zeros((10, 2)), tile=4)
