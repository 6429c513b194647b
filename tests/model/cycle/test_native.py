"""Kernels as machine code do what Python makes of them; what is not in their language is refused; code is kept."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einsim.model.cycle.codefile import kept
from einsim.model.cycle.native import native
from tests.model.cycle import language

NAMES = ("arithmetic", "truth", "loops", "sum_below")
numbers = st.integers(-(1 << 20), 1 << 20) | st.integers(-9, 9)


@pytest.mark.parametrize("name", NAMES)
@given(cells=st.lists(numbers, min_size=9, max_size=9), a=numbers, b=numbers)
def test_machine_code_does_what_python_does(name, cells, a, b):
    given_numbers = (a, b) if name != "sum_below" else (a % 9,)
    memory = np.array(cells, np.int64)
    compiled = getattr(native((language,), NAMES), name)(memory, *given_numbers)
    assert compiled == int(getattr(language, name)(cells, *given_numbers))
    assert memory.tolist() == [int(cell) for cell in cells]


def test_a_division_by_zero_ends_nothing(tmp_path):
    kernels = module(tmp_path, "def f(M, a):\n    M[0] = 5 // a\n    return 5 % a")
    native((kernels,), ("f",)).f(np.zeros(1, np.int64), 0)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("return a / 2", "line 2: Div"),
        ("return a ** 2", "line 2: Pow"),
        ("return unknown(M)", "line 2: Call"),
        ("return unknown", "line 2: Name"),
        ("return 0.5", "line 2: Constant"),
        ("return a.real", "line 2: Attribute"),
        ("a = b = 1", "line 2: Assign"),
        ("for n in (1, 2): a += n", "line 2: For"),
        ("while a:\n        a = 0\n    else:\n        a = 1", "line 2: While"),
        ("del a", "line 2: Delete"),
        ("return 1 if a in M else 2", "line 2: Compare"),
    ],
)
def test_what_is_not_in_the_language_is_refused(tmp_path, body, named):
    kernels = module(tmp_path, f"def f(M, a):\n    {body}")
    with pytest.raises(TypeError, match=f"kernel f, {named}"):
        native((kernels,), ("f",))


def module(folder, text):
    path = folder / "some_kernels.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("some_kernels", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_what_is_kept_is_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return b"code\nof a\0machine"

    assert [kept("code", make, tmp_path / "new") for _ in range(3)] == [make()] * 3
    assert len(made) == 2
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["code"]


@pytest.mark.parametrize("damage", [lambda whole: whole[:-1], lambda whole: b"", lambda whole: whole + b"x"])
def test_damaged_code_is_made_again(tmp_path, damage):
    kept("code", lambda: b"good", tmp_path)
    path = tmp_path / "code"
    path.write_bytes(damage(path.read_bytes()))
    assert kept("code", lambda: b"better", tmp_path) == b"better"
    assert kept("code", lambda: b"worse", tmp_path) == b"better"


def test_code_that_cannot_be_kept_is_made_every_time(tmp_path):
    (tmp_path / "file").write_text("")
    assert kept("code", lambda: b"one", tmp_path / "file") == b"one"
    assert kept("code", lambda: b"two", tmp_path / "file") == b"two"
