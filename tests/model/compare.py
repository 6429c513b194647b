"""What the tests of counts share: how many examples to run, and evaluations taken apart number by number."""

from __future__ import annotations

import os
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from math import isclose

import numpy as np
from hypothesis import HealthCheck, settings

from einsim.model.closed_form import Evaluation, evaluate
from einsim.model.counts import Counts
from einsim.spec.configuration import Design

from .walk import walk

EXHAUSTIVE = os.environ.get("EINSIM_EXHAUSTIVE") == "1"


def examples(number: int):
    """Settings of a property test: the same examples every run, or with EINSIM_EXHAUSTIVE many new ones."""
    return settings(
        max_examples=number * (50 if EXHAUSTIVE else 1),
        deadline=None,
        derandomize=not EXHAUSTIVE,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


def differences(design: Design) -> list[str]:
    """Where the closed form's counts of a design, before anything spills, are not those of a walk."""
    found = []
    evaluation = evaluate(replace(design, mapping=design.mapping.model_copy(update={"spill": []})))
    schedule, counts = evaluation.schedule, evaluation.counts
    levels = iter(counts.levels)
    for einsum in schedule.einsums:
        walked = walk(einsum, schedule.sizes, list(design.architecture.memories))
        work = counts.einsums[einsum.name]
        if (work.points, work.steps, work.elements) != (walked.points, walked.steps, walked.elements):
            found.append(f"{einsum.name}: {work}, walked {walked.points, walked.steps, walked.elements}")
        for label, level, *numbers in walked.rows:
            row = next(levels)
            assert (row.einsum, row.label, row.level) == (einsum.name, label, level)
            if [row.reads, row.fills, row.updates] != numbers:
                found.append(f"{einsum.name}: {row}, walked {numbers}")
    assert next(levels, None) is None
    return found


def numbers(value, path: str = "") -> dict[str, object]:
    """Every number inside an evaluation by its path; rows of counts of one access and level are added up."""
    if isinstance(value, Counts):
        rows: dict[str, object] = {}
        for row in value.levels:
            for name in ("reads", "fills", "updates"):
                key = f"{path}.{row.einsum}.{row.label}.{row.level}.{name}"
                rows[key] = rows.get(key, 0) + getattr(row, name)
        return rows | numbers(value.einsums, path)
    if is_dataclass(value):
        names = [each.name for each in fields(value) if each.name != "charges"]
        parts = [(name, getattr(value, name)) for name in names]
        parts += [("energy_by_einsum_pj", value.energy_by_einsum_pj)] if isinstance(value, Evaluation) else []
    elif isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, (tuple, list)):
        parts = list(enumerate(value))
    elif isinstance(value, (int, float, Fraction, np.ndarray, np.generic)):
        return {path: value}
    else:
        return {}
    return {key: number for name, part in parts for key, number in numbers(part, f"{path}.{name}").items()}


def disagreements(one, many, index: int, points: int) -> list[str]:
    """Where one design's evaluation differs from a point of a sweep: integers at all, others beyond rounding.

    A design that spills nothing has no rows of spills, where a sweep has rows of zeros.
    """
    single, swept = numbers(one), numbers(many)
    found = [f"{path} is only in one design" for path in single.keys() - swept.keys()]
    for path, column in swept.items():
        value = np.broadcast_to(np.asarray(column), (points,))[index].item()
        expected = single.get(path, 0)
        whole = isinstance(value, int) and isinstance(expected, int)
        same = value == expected if whole else isclose(value, expected, rel_tol=1e-12, abs_tol=1e-300)
        if not same:
            found.append(f"{path}: {expected} alone, {value} in a sweep")
    return found
