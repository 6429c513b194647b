"""Remedies are short whatever there is to choose from."""

import pytest

from einsim.errors import suggest

MANY = [f"{letter}{number}-{form}" for letter in "abcd" for number in range(30) for form in ("3pass", "online")]


@pytest.mark.parametrize(("word", "expected"), [
    ("a1-3pas", "did you mean 'a1-3pass'?"),
    ("a1", "known are 240 names, of these a1-3pass, a1-online, a10-3pass"),
    ("z", "240 names are known: 'einsim show' lists them"),
    ("", "240 names are known"),
])  # fmt: skip
def test_many_names(word, expected):
    assert suggest(word, MANY).startswith(expected)
    assert len(suggest(word, MANY)) < 500


def test_few_names():
    assert suggest("x", ["first", "second"]) == "known: first, second"
    assert suggest("secnod", ["first", "second"]) == "did you mean 'second'?"
    assert suggest("x", []) == "none is declared"
