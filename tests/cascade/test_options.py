"""Cascades in several forms: which statements a form has, what it tells of the others, and what is refused."""

from itertools import product

import numpy as np
import pytest

from einsim.cascade import evaluate, parse
from einsim.errors import SpecError

TEXT = """cascade network
option act: gelu, relu
option gate: off, on
input A[k]
case gate on: input G[k]
output Z
case act gelu: H[k] = gelu(A[k])
case act relu: H[k] = relu(A[k])
case gate on: P[k] = H[k] * G[k]
case gate on: Z = P[k]
case gate off: Z = H[k]
"""


@pytest.mark.parametrize(("act", "gate"), list(product(["gelu", "relu"], ["off", "on"])))
def test_a_form_is_the_cascade_that_its_statements_spell(act, gate):
    lines = TEXT.splitlines()
    mine = [line.split(": ", 1)[1] if line.startswith("case") else line for line in lines
            if not line.startswith("option")
            and not (line.startswith("case") and line.split(":")[0].split()[2] not in (act, gate))]  # fmt: skip
    found = parse(TEXT, options={"act": act, "gate": gate})
    assert found == parse("\n".join(mine))
    assert str(found) == str(parse("\n".join(mine)))
    assert dict(found.forms.options) == {"act": ("gelu", "relu"), "gate": ("off", "on")}
    assert found.forms.absent == (frozenset() if gate == "on" else {"G", "P"})
    expected = {("Z", "H")} if gate == "on" else {("Z", "P"), ("P", "P"), ("P", "H"), ("P", "G")}
    assert found.forms.untouched == expected


def test_the_first_value_counts_where_nobody_chooses():
    inputs = {"A": np.array([-1.0, 2.0])}
    assert evaluate(parse(TEXT, options={"act": "relu"}), inputs)["Z"] == 2.0
    assert parse(TEXT) == parse(TEXT, options={"act": "gelu", "gate": "off"})


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (TEXT, {"akt": "relu"}, "the cascade has no option 'akt'; did you mean 'act'?"),
        (TEXT, {"act": "tanh"}, "option act cannot be 'tanh'; its values are gelu, relu"),
        (TEXT.replace("case act relu", "case akt relu"), {}, "x:8:6: the cascade has no option 'akt'"),
        (TEXT.replace("case act relu", "case act rely"), {}, "x:8:6: option act cannot be 'rely'"),
        (TEXT.replace("option gate", "option act"), {}, "x:3:8: option 'act' is declared twice; declare it once"),
        (TEXT.replace("case act relu: H", "case act relu H"), {}, "x:8:15: unexpected 'H'"),
        (TEXT.replace("case act relu: H[k] = relu(A[k])\n", ""), {"act": "relu"}, "H"),
    ],
)
def test_what_is_no_form_is_refused(text, options, message):
    with pytest.raises(SpecError) as found:
        parse(text, "x", options)
    assert message in str(found.value)
