"""The closed form against the FuseMax artifact's own counts for BERT at 1K (arXiv 2406.10491).

`data/` restates what its run of Timeloop counted; every row is met exactly. The artifact calls operands at
the previous iteration RM0, RD0 and RNV0, and BQK QK.
"""

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from einsim.model.closed_form import evaluate
from einsim.spec.configuration import Accounting, load_design
from einsim.spec.library import load_models
from einsim.spec.workload import attention, find_model

DATA = Path(__file__).parent / "data"
TENSORS = {"QK": "BQK", "RM0": "RM", "RD0": "RD", "RNV0": "RNV"}
ARRAYS = {"2d": "array2d", "1d": "array1d"}
LEVELS = {"DRAM": "dram", "L3": "buffer", "reg_file_1d": "registers1d"}
MEMORIES = {"DRAM": "dram", "global_buffer": "buffer"}
OPERATIONS = {"exponentiatial": "exp"}
SHIPPED = {"+cascade": "cascade", "+architecture": "architecture", "+binding": "fusemax"}


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


ACTIONS = rows("bert_1k_fusemax_action_counts.csv")
CHARGED = rows("bert_1k_charged_actions.csv")


def bert_1k(configuration: str, accounting: Accounting):
    workload = attention(find_model(load_models(), "BERT"), 1024)
    return evaluate(load_design(configuration, workload, accounting=accounting))


def published_rows() -> dict[tuple[str, str, str], list[int]]:
    """Reads, fills and updates by Einsum, level and tensor."""
    table: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in ACTIONS:
        level = LEVELS.get(row["level"], f"registers{row['array']}")
        key = (TENSORS.get(row["einsum"], row["einsum"]), level, TENSORS.get(row["tensor"], row["tensor"]))
        for index, name in enumerate(("reads", "fills", "updates")):
            table[key][index] += int(row[name])
    return dict(table)


def counted_rows(evaluation) -> dict[tuple[str, str, str], list[int]]:
    table: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in evaluation.counts.levels:
        key = (row.einsum, row.level, row.tensor)
        for index, number in enumerate((row.reads, row.fills, row.updates)):
            table[key][index] += number
    return dict(table)


def test_every_published_row_is_met_exactly():
    assert counted_rows(bert_1k("fusemax", Accounting.PUBLISHED)) == published_rows()


def test_full_accounting_makes_a_fresh_slnv_per_tile_and_changes_nothing_else():
    expected = published_rows()
    for level in ("registers1d", "registers2d"):
        expected["SLNV", level, "SLNV"][:2] = [0, 0]
    assert counted_rows(bert_1k("fusemax", Accounting.FULL)) == expected


@pytest.mark.parametrize("accounting", Accounting)
def test_points_steps_and_processing_elements_are_the_published_ones(accounting):
    einsums = bert_1k("fusemax", accounting).counts.einsums
    for row in ACTIONS:
        count = einsums[TENSORS.get(row["einsum"], row["einsum"])]
        assert (count.points, count.steps) == (int(row["computes"]), int(row["tile_cycles"])), row
        if row["level"] == "reg_file":
            assert count.elements == int(row["instances"]), row


def charged(configuration: str) -> dict[tuple[str, str], list[float]]:
    """Reads and writes by memory or array, computes by operation, as the published energies multiply them.

    Memories count lines or rows; registers count the accesses of one processing element, except what one
    array does to the other's registers.
    """
    evaluation = bert_1k(configuration, Accounting.PUBLISHED)
    einsums = {einsum.name: einsum for einsum in evaluation.schedule.einsums}
    words = {"dram": 4, "buffer": 256}
    table: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in evaluation.counts.levels:
        if row.charged:
            own = row.level == einsums[row.einsum].registers
            share = evaluation.counts.einsums[row.einsum].elements if own else words.get(row.level, 1)
            part = table["access", row.level]
            part[0] += row.reads / share
            part[1] += (row.fills + row.updates) / share
    for einsum in einsums.values():
        for operation, times in einsum.charged:
            table[einsum.array, operation][0] += evaluation.counts.einsums[einsum.name].points * times
    return dict(table)


@pytest.mark.parametrize("configuration", sorted({row["configuration"] for row in CHARGED}))
def test_charged_actions_are_the_published_ones(configuration):
    found = charged(SHIPPED.get(configuration, configuration))
    expected: dict[tuple[str, str], list[float]] = {}
    for row in CHARGED:
        if row["configuration"] != configuration:
            continue
        if row["computes"]:
            key = (ARRAYS[row["array"]], OPERATIONS.get(row["component"], row["component"]))
            expected[key] = [float(row["computes"]), 0.0]
        else:
            level = MEMORIES.get(row["component"], f"registers{row['array']}")
            expected["access", level] = [float(row["reads"]), float(row["writes"])]
    nothing = {key: value for key, value in expected.items() if value == [0.0, 0.0]}
    assert found | nothing == expected
