"""Broken hardware is found out: a sample of mutants; `EINSIM_EXHAUSTIVE=1` takes many more."""

import os
from random import Random

from .mutants import found_out, mutate
from .test_attention import subject_of

MANY = 60
SAMPLE = ("_element$", "_lane$", "_array$", "_head$", "_side$")
"""What one mutant each is taken of, where not many are: processing elements, the way between them, what feeds them."""


def test_mutants_are_found_out(builds):
    exhaustive = bool(os.environ.get("EINSIM_EXHAUSTIVE"))
    subject = subject_of("2x2", 13, 10)
    random = Random(2024)
    results = {}
    kinds = iter(("",) * 2 * MANY if exhaustive else SAMPLE * 3)
    while len(results) < (MANY if exhaustive else len(SAMPLE)):
        mutant = mutate(subject.generated, random, next(kinds))
        found = found_out(subject, mutant, builds)
        if found is not None:
            results[str(mutant)] = found
    missed = [name for name, found in results.items() if not found]
    assert len(missed) <= 0.05 * len(results), "\n".join(missed)
