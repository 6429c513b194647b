import pytest

from einsim.errors import Location, SpecError
from einsim.spec.yamlfile import parse_yaml


def fails(text, *parts):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "design.yaml")
    for part in parts:
        assert part in str(caught.value), str(caught.value)
    return caught.value


def test_values_and_places():
    document = parse_yaml("name: x\nmemories:\n  dram: {read: 1.5}\n  list: [1, two, null, true]\n", "design.yaml")
    assert document.value == {"name": "x", "memories": {"dram": {"read": 1.5}, "list": [1, "two", None, True]}}
    assert document.locate(("memories", "dram")) == Location("design.yaml", 3, 3)
    assert document.locate(("memories", "dram", "missing")) == Location("design.yaml", 3, 3)
    assert document.locate(("memories", "list", 1)).line == 4
    assert document.locate(()).line == 1


def test_plain_aliases_are_fine():
    assert parse_yaml("a: &x [1, 2]\nb: *x\n", "f").value == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("text", ["", "   \n\n", "# only a comment\n", "---\n"])
def test_empty(text):
    fails(text, "design.yaml", "empty")


def test_bomb():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    error = fails("\n".join(lines), "more than 50000 values")
    assert error.at.source == "design.yaml"


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['true']", "!custom 3", "!!binary aGk=", "!!set {a}"])
def test_tags(tag):
    fails(f"ok: 1\nname: {tag}\n", "design.yaml:2", "not allowed")


def test_binary():
    fails(b"\x7fELF\xff\xfe\x00", "design.yaml:1", "not a text file")
    fails(b"a: 1\nb: \x00\n", "design.yaml:2", "NUL")


def test_too_large_and_too_deep():
    fails("a" * (1 << 21), "larger than")
    fails("[" * 100 + "]" * 100, "nested deeper")
    fails("[" * 5000 + "]" * 5000, "nested")


def test_duplicates_and_merges():
    fails("a: 1\nb: 2\na: 3\n", "design.yaml:3:1", "twice", "line 1")
    fails("x: &x {a: 1}\ny:\n  <<: *x\n", "design.yaml:3", "merge keys")


def test_keys_must_be_text():
    fails("yes: 1\n", "design.yaml:1", "quotes")
    fails("? [1]\n: 2\n", "a key must be text")


def test_syntax():
    fails("a: [1, 2\nb: 3\n", "design.yaml:2", "not valid YAML")
    fails("a: 1\n---\nb: 2\n", "more than one document")
    fails("a: *nowhere\n", "design.yaml:1", "undefined alias")
    fails("a:\tb: c: d\n", "design.yaml:1")


def test_dates_stay_text():
    assert parse_yaml("when: 2024-01-01\n", "f").value == {"when": "2024-01-01"}


@pytest.mark.parametrize(
    ("text", "value"), [("1e11", 1e11), ("9.4e8", 9.4e8), (".5E-3", 5e-4), ("-1e3", -1e3), ("0", 0)]
)
def test_numbers_that_people_write(text, value):
    assert parse_yaml(f"a: {text}\nb: '{text}'\n", "f").value == {"a": value, "b": text}


@pytest.mark.parametrize(
    ("text", "part"),
    [("017", "octal"), ("1:30:00", "sexagesimal"), ("1e400", "larger than any number"), ("9" * 5000, "digits")],
)
def test_numbers_that_nobody_means(text, part):
    error = fails(f"ok: 1\na: {text}\n", "design.yaml:2:4", part)
    assert len(str(error)) < 200
