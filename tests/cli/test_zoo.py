import io
import pickle

import numpy as np
import pytest
from rich.console import Console

from einsim.report.theory import passes_record, passes_report, taxonomy_record, taxonomy_report, zoo_record, zoo_table
from einsim.spec import library
from tests.cli.commands import einsim, refused


@pytest.fixture
def inputs(tmp_path):
    rng = np.random.default_rng(7)
    arrays = {"Q": rng.normal(size=(4, 8)), "K": rng.normal(size=(4, 16)), "V": rng.normal(size=(3, 16))}
    np.savez(tmp_path / "in.npz", **arrays)
    return tmp_path / "in.npz"


# --- zoo and taxonomy ---------------------------------------------------------------------------------------


def test_zoo():
    records = einsim("zoo", "--json").json
    assert len(records) == 72
    for record in records:
        assert {"name", "title", "seed", "class", "variants"} <= set(record)
        assert record["class"] in ("A", "B", "I", "canon")
        assert all(isinstance(row, int) for row in record["seed"])
        for variant in record["variants"]:
            assert {"name", "passes", "sequence", "footprint", "operations", "leading_operations"} <= set(variant)
    by_name = {record["name"]: record for record in records}
    variants = {variant["name"]: variant for variant in by_name["attn"]["variants"]}
    assert variants["3pass"]["passes"] == 3
    assert variants["3pass"]["sequence"] == ["m"]
    assert variants["fusemax"]["passes"] == 1
    assert by_name["attn"]["seed"] == [14, 16, 22, 43, 45, 48, 49, 52]
    assert by_name["mmtok"]["variants"][0]["passes"] == "3+K"
    assert by_name["modffn"]["variants"][0]["passes"] == 0
    table = einsim("zoo").out
    assert "72 systems" in table
    assert "3 -> 1" in table


def test_taxonomy():
    groups = einsim("taxonomy", "--json").json
    assert list(groups) == ["0 passes (no sequence)", "1 pass", "2 passes", "3 passes", "more passes"]
    assert "attn-3pass" in groups["3 passes"]
    assert {"attn-defer2", "attn-localmax2"} <= set(groups["2 passes"])
    assert {"attn-fa1", "attn-fusemax"} <= set(groups["1 pass"])
    assert groups["0 passes (no sequence)"] == ["modffn-gather"]
    assert "mmtok-greedy" in groups["more passes"]
    assert sum(map(len, groups.values())) == sum(len(system.variants) for system in library.load_systems())


@pytest.mark.parametrize("width", [80, 100])
def test_tables_cut_no_names(width):
    systems = library.load_systems()
    records = [
        zoo_record(system, {each: library.load_cascade(system.cascade_name(each)) for each in system.variants})
        for system in systems
    ]
    shown = io.StringIO()
    console = Console(file=shown, width=width)
    console.print(zoo_table(records))
    console.print(taxonomy_report(taxonomy_record(records)))
    console.print(passes_report(passes_record(library.load_cascade("vslash-3pass"), None)))
    assert "…" not in shown.getvalue()
    words = shown.getvalue().replace(",", " ").split()
    for system in systems:
        assert system.name in words
        assert all(system.cascade_name(variant) in words for variant in system.variants)


# --- passes -------------------------------------------------------------------------------------------------


def test_passes():
    record = einsim("passes", "attention-3pass", "--json").json
    assert record["passes"] == 3
    assert record["sequence"] == ["m"]
    assert record["witness"] == [
        "SN needs GM, which needs every QK[m,*]; QK[m,*] is read again: second pass",
        "A needs SD, which needs every SN[m,*]; SN[m,*] is read again: third pass",
    ]
    assert [each["tensor"] for each in record["footprint"]] == ["QK", "SN"]
    assert record["footprint"][0]["spill_words"] == "2*M*P"
    assert record["streams"][0]["einsums"]["SN"] == {"pass": 2, "after": False}
    shown = einsim("passes", "attention-3pass").out
    assert "attention-3pass: 3 passes over m" in shown
    assert "E*M*P + 2*M*P" in shown


def test_passes_of_a_rank_and_of_a_file(tmp_path):
    assert einsim("passes", "attention-1pass", "--rank", "m0", "--json").json["passes"] == 2
    assert einsim("passes", "attention-1pass", "--rank", "M", "--json").json["passes"] == 1
    file = tmp_path / "mine.cascade"
    file.write_text("cascade mine\ninput A[k], B[k]\noutput Z\nY = A[k] * B[k]\nZ = Y * A[k]\n")
    assert einsim("passes", str(file), "--rank", "k", "--json").json["passes"] == 2
    refused("passes", str(file), parts=("names no sequence", "--rank"))
    refused("passes", str(file), "--rank", "j", parts=("no rank 'j'",))


def test_passes_of_several_sequences():
    record = einsim("passes", "moda-segments", "--json").json
    assert record["sequence"] == ["t", "n"]
    assert [stream["passes"] for stream in record["streams"]] == [1, 1]
    shown = einsim("passes", "moda-segments").out
    assert "1 pass over t" in shown
    assert "running state (elements): VM P" in shown


def test_passes_refuses(tmp_path):
    refused("passes", "attention-3pas", parts=("unknown cascade", "did you mean 'attention-3pass'"))
    refused("passes", "missing.cascade", parts=("there is no file",))
    file = tmp_path / "bad.cascade"
    file.write_text("cascade bad\ninput A[k]\noutput Z\nZ = A[k\n")
    refused("passes", str(file), parts=("bad.cascade:4",))


# --- evaluate -----------------------------------------------------------------------------------------------


def test_evaluate(inputs, tmp_path):
    out = tmp_path / "out.npz"
    record = einsim("evaluate", "attention-3pass", "--inputs", str(inputs), "--sizes", "M=16,P=8", "--out", str(out),
                    "--json").json  # fmt: skip
    assert {each["tensor"] for each in record["tensors"] if each["output"]} == {"AV"}
    given, made = np.load(inputs), np.load(out)
    weights = np.exp(given["K"].T @ given["Q"])
    np.testing.assert_allclose(made["AV"], given["V"] @ (weights / weights.sum(axis=0)), rtol=1e-12)
    assert made["QK"].shape == (16, 8)
    one = einsim("evaluate", "attention-1pass", "--inputs", str(inputs), "--sizes", "M0=5", "--out", str(out), "--json")
    assert one.code == 0, one.err
    np.testing.assert_allclose(np.load(out)["AV"], made["AV"], rtol=1e-12)
    assert "8 x 3" not in einsim("evaluate", "attention-3pass", "--inputs", str(inputs)).out


def test_evaluate_names_nothing_finite(inputs, tmp_path):
    arrays = dict(np.load(inputs))
    np.savez(tmp_path / "large.npz", **{**arrays, "Q": arrays["Q"] * 1e9})
    tensors = einsim("evaluate", "attention-unstable", "--inputs", str(tmp_path / "large.npz"), "--json").json[
        "tensors"
    ]
    assert next(each for each in tensors if each["tensor"] == "AV")["greatest"] is None


def test_evaluate_refuses_what_it_cannot_read(inputs, tmp_path):
    def said(path, *parts):
        refused("evaluate", "attention-3pass", "--inputs", str(path), parts=parts)

    said(tmp_path / "none.npz", "there is no file")
    said(tmp_path, "cannot be read")
    corrupt = tmp_path / "corrupt.npz"
    corrupt.write_bytes(inputs.read_bytes()[:200])
    said(corrupt, "corrupt.npz", "np.savez")
    damaged = tmp_path / "damaged.npz"
    content = bytearray(inputs.read_bytes())
    content[150:160] = b"0123456789"  # inside the first array
    damaged.write_bytes(content)
    said(damaged, "damaged.npz")
    empty = tmp_path / "empty.npz"
    empty.write_bytes(b"")
    said(empty, "empty.npz")
    text = tmp_path / "text.npz"
    text.write_text("Q,K,V\n")
    said(text, "text.npz")
    pickled = tmp_path / "pickled.npz"
    pickled.write_bytes(pickle.dumps({"Q": 1}))
    said(pickled, "pickled.npz")
    objects = tmp_path / "objects.npz"
    np.savez(objects, Q=np.array([{"a": 1}], dtype=object))
    said(objects, "objects.npz")
    single = tmp_path / "single.npy"
    np.save(single, np.ones(3))
    said(single, "holds one array")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"X": np.ones(3)}, ("has no input 'X'", "Q[e,p]")),
        ({"K": None}, ("K",)),
        ({"K": np.ones((5, 16))}, ("E",)),
        ({"K": np.ones(16)}, ("K[e,m]", "(16,)")),
        ({"K": np.ones((4, 0)), "V": np.ones((3, 0))}, ("empty",)),
        ({"K": np.full((4, 16), "x")}, ("K",)),
        ({"K": np.ones((4, 16)) + 1j}, ("K",)),
    ],
)
def test_evaluate_refuses_wrong_arrays(inputs, tmp_path, change, parts):
    arrays = {name: array for name, array in {**np.load(inputs), **change}.items() if array is not None}
    path = tmp_path / "wrong.npz"
    np.savez(path, **arrays)
    refused("evaluate", "attention-3pass", "--inputs", str(path), parts=parts)


@pytest.mark.parametrize(
    ("cascade", "sizes", "parts"),
    [
        ("attention-1pass", None, ("M0",)),
        ("attention-3pass", "M=12", ("M",)),
        ("attention-3pass", "M", ("--sizes", "no size")),
        ("attention-3pass", "M=x", ("--sizes",)),
        ("attention-3pass", "N=3", ("N",)),
        ("attention-3pass", "M=16,M=16", ("--sizes", "twice")),
        ("attention-1pass", "M0=0", ("M0",)),
        ("attention-1pass", "M0=-4", ("M0",)),
        ("nothing", None, ("unknown cascade",)),
    ],
)
def test_evaluate_refuses_wrong_sizes(inputs, cascade, sizes, parts):
    options = [] if sizes is None else ["--sizes", sizes]
    refused("evaluate", cascade, "--inputs", str(inputs), *options, parts=parts)


def test_evaluate_refuses_to_write(inputs, tmp_path):
    command = ("evaluate", "attention-3pass", "--inputs", str(inputs), "--out")
    refused(*command, str(tmp_path / "no" / "folder" / "out.npz"), parts=("cannot be written", "--out"))
    refused(*command, str(tmp_path), parts=("cannot be written",))
    (tmp_path / "file").write_text("")
    refused(*command, str(tmp_path / "file" / "out.npz"), parts=("cannot be written",))


def test_evaluate_needs_inputs():
    refused("evaluate", "attention-3pass", parts=("--inputs",))


def test_leading_operations():
    attention = next(each for each in einsim("zoo", "--json").json if each["name"] == "attn")
    written = next(each for each in attention["variants"] if each["name"] == attention["straightforward"])
    assert written["operations"] == "E*M*P + F*M*P + 5*M*P"  # max, subtract, exp, add, divide
    assert written["leading_operations"] == "E*M*P + F*M*P"
