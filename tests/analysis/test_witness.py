"""Witnesses: why there is another pass."""

import pytest

from einsim.analysis.passes import count_passes
from einsim.analysis.witness import ordinal, witnesses
from einsim.cascade import accesses, operands, parse
from einsim.spec import library

COUNTED = [name for name in library.names("cascade") if library.load_cascade(name).sequences]


def shown(name, rank=None):
    cascade = library.load_cascade(name)
    (passes,) = count_passes(cascade, rank)
    return [str(witness) for witness in witnesses(cascade, passes)]


def test_three_passes_of_attention():
    assert shown("attention-3pass") == [
        "SN needs GM, which needs every QK[m,*]; QK[m,*] is read again: second pass",
        "A needs SD, which needs every SN[m,*]; SN[m,*] is read again: third pass",
    ]


@pytest.mark.parametrize(
    ("name", "rank", "expected"),
    [
        ("attention-1pass", None, []),
        ("attention-deferred", None, ["SN needs GM, which needs every QK[m,*]; QK[m,*] is read again: second pass"]),
        ("attention-2pass", None,
         ["SN needs PLM, which needs GM, which needs every LM[m1,*]; SLN[m1,m0,*] is read again: second pass"]),
        ("softmax-2pass", None, ["SN needs RM, which needs every LM[m1,*]; I[m,*] is read again: second pass"]),
        ("softmax-unstable", None, ["A needs SD, which needs every SN[m,*]; SN[m,*] is read again: second pass"]),
        ("attention-1pass", "m0",
         ["SLN needs RM, which needs LM, which needs every BQK[*,m0,*]; BQK[*,m0,*] is read again: second pass"]),
        ("danet_cam-2pass", None,
         ["Y needs A, which needs SN, which needs EV, which needs EM, which needs EN, which needs every X[*,m]; "
          "X[*,m] is read again: second pass"]),
    ],
)  # fmt: skip
def test_in_words(name, rank, expected):
    assert shown(name, rank) == expected


def test_nothing_of_the_sequence_is_read_again():
    text = "cascade c\ninput A[k]\noutput Z\nsequence k\nS = A[k]\nZ[k] = S + k"
    cascade = parse(text)
    (witness,) = witnesses(cascade, count_passes(cascade)[0])
    assert str(witness) == "Z needs S, which needs every A[k]; Z goes through it again: second pass"


@pytest.mark.parametrize("name", COUNTED)
def test_every_pass_after_the_first_has_a_path_of_dependences(name):
    cascade = library.load_cascade(name)
    for passes in count_passes(cascade):
        found = witnesses(cascade, passes)
        assert [witness.number for witness in found] == list(range(2, passes.first + 1))
        for witness in found:
            assert len(witness.chain) >= 2
            for reader, needed in zip(witness.chain, witness.chain[1:], strict=False):
                assert needed in read_by(cascade, reader), (name, str(witness))
            states = [passes.states[maker.name] for tensor in witness.chain for maker in cascade.makers(tensor)]
            assert states[0].number == witness.number
            assert any(state.number == witness.number - 1 for state in states)


def read_by(cascade, tensor):
    read = {access.tensor for maker in cascade.makers(tensor) for access in operands(maker)}
    return read | {access.tensor for init in cascade.inits if init.name == tensor for access in accesses(init.body)}


def test_ordinals():
    assert [ordinal(number) for number in (2, 3, 10, 11, 22)] == ["second", "third", "tenth", "11th", "22th"]
