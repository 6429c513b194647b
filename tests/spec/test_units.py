import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.units import parse_bytes, parse_count, show_bytes, show_count, show_si


@pytest.mark.parametrize(("text", "value"), [("1K", 1024), ("16k", 16384), ("1M", 1 << 20), ("300", 300), (7, 7)])
def test_counts(text, value):
    assert parse_count(text) == value


@pytest.mark.parametrize("text", ["", "K", "1.5K", "-3", "1KB", "ten", True, None])
def test_bad_counts(text):
    with pytest.raises(ValueError, match="count"):
        parse_count(text)


@given(st.integers(1, 1 << 40))
def test_counts_round_trip(value):
    assert parse_count(show_count(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("16 MiB", 16 << 20), ("400GiB", 400 << 30), ("512 B", 512), ("1.5 KiB", 1536), (9, 9), ("12", 12)],
)
def test_bytes(text, value):
    assert parse_bytes(text) == value


@pytest.mark.parametrize("text", ["16 MB", "x", "", True, "0.3 B", float("inf"), float("nan"), "1e400"])
def test_bad_bytes(text):
    with pytest.raises(ValueError, match="bytes"):
        parse_bytes(text)


def test_shown():
    assert show_bytes(16 << 20) == "16 MiB"
    assert show_bytes(100) == "100 B"
    assert show_si(0.00201, "s") == "2.01 ms"
    assert show_si(1.95e3, "J") == "1.95 kJ"
    assert show_si(0, "J") == "0 J"
    assert show_si(3e-12, "s") == "0.003 ns"
